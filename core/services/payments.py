"""BillingService: credit packs, checkouts and payments."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, TypeAlias
from uuid import UUID

from grpc import aio
from psycopg import AsyncConnection

from billing.checkout import Checkout, Checkouts, CheckoutState, Pages, TooManyOpen
from billing.packs import Offer
from billing.payments_read import PaymentEntry, PaymentReads
from billing.stripe_objects import CheckoutSnapshot
from core.caller import current_caller
from core.catalog.entries import Catalogue
from core.engine.payment_looks import PaymentLooks
from core.engine.repeats import Repeats
from core.policy.pace import Pace
from core.services import cursors
from core.services import payment_words as words
from core.services.managing import may_manage_billing
from core.services.proving import require_verified_on
from core.services.repeatable import repeatable
from core.services.stripe_answers import stripe_answers
from reapi.v1 import billing_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

LOOK_SECONDS: Final = 2.0
"""Between two questions to Stripe about one open checkout, however often it is read."""
KEPT_PAGES: Final = 10_000
"""Pages that are remembered; one that was forgotten is told again with the next look."""


@dataclass(frozen=True, slots=True)
class Till:
    """What sells credits, where a payment service is configured."""

    checkouts: Checkouts
    looks: PaymentLooks
    public_url: str
    origins: tuple[str, ...]
    """Where a payment page may go besides *public_url*: `https://app.example.com`."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """All of them as `payment_words.origin_of` gives them."""
        found = map(words.origin_of, (self.public_url, *self.origins))
        return tuple(origin for origin in found if origin is not None)


class PaymentCalls:
    """Serves packs, checkouts and payments of `reapi.v1.BillingService`.

    Without a *till* nothing is sold; what was paid before can be read.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        payments: PaymentReads,
        repeats: Repeats,
        till: Till | None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._offer = catalogue.offer
        self._payments = payments
        self._repeats = repeats
        self._till = till
        self._now = now
        self._pace = Pace(LOOK_SECONDS)
        self._uris: dict[UUID, str] = {}

    def use(self, catalogue: Catalogue) -> None:
        """Sell what another catalogue offers from now on."""
        self._offer = catalogue.offer

    @property
    def offer(self) -> Offer:
        """What is sold now."""
        return self._offer

    async def ListCreditPacks(
        self, request: pb.ListCreditPacksRequest, context: Context
    ) -> pb.ListCreditPacksResponse:
        """Read one page, cheapest first."""
        size = cursors.size_of(request.page_size)
        last = cursors.name_after(request.page_token, "credit_packs")
        packs = self._offer.cheapest_first()
        start = next((number for number, pack in enumerate(packs, 1) if pack.id == last), 0)
        items = packs[start : start + size]
        more = len(packs) > start + size
        return pb.ListCreditPacksResponse(
            credit_packs=[words.pack_message(pack) for pack in items],
            next_page_token=cursors.name_token(items[-1].id, "credit_packs") if more else "",
        )

    async def CreateCheckoutSession(
        self, request: pb.CreateCheckoutSessionRequest, context: Context
    ) -> pb.CreateCheckoutSessionResponse:
        """Open a page to pay on; a repeat gives the same one."""
        till = self._open("CreateCheckoutSession")
        allowed, home = till.allowed, f"{till.public_url}/"
        pages = Pages(
            words.page_uri("success_uri", request.success_uri, allowed, home),
            words.page_uri("cancel_uri", request.cancel_uri, allowed, home),
        )
        try:
            begun = await till.checkouts.begin(
                current_caller().account_id,
                lambda: words.sale(request, self._offer),
                self._repeats.of(repeatable(request)),
                may_buy,
                saves_card=request.save_payment_method,
            )
        except TooManyOpen:
            raise words.too_many_open() from None
        with stripe_answers():
            checkout, page = await till.checkouts.open(begun, pages)
        self._keep(checkout.id, page)
        return pb.CreateCheckoutSessionResponse(
            checkout_session=words.checkout_message(checkout, page.url)
        )

    async def GetCheckoutSession(
        self, request: pb.GetCheckoutSessionRequest, context: Context
    ) -> pb.GetCheckoutSessionResponse:
        """Read one; what was paid and not heard of yet is credited first."""
        till = self._open("GetCheckoutSession")
        account_id = current_caller().account_id
        checkout = await till.checkouts.get(account_id, words.checkout_id(request.name))
        if checkout is None or checkout.state is CheckoutState.CREATING:
            raise words.no_checkout()
        payment = await self._credited(account_id, checkout.id)
        is_open = payment is None and checkout.state is CheckoutState.OPEN
        if is_open and self._pace.take(checkout.id, self._now()) == 0:
            with stripe_answers():
                page = await till.checkouts.page(checkout)
                if page is not None and page.payment_status == "paid":
                    await till.looks.look(page.payment_intent)
                    payment = await self._credited(account_id, checkout.id)
            self._keep(checkout.id, page)
            checkout = await _ended(till, checkout, page)
        if payment is not None and checkout.state is not CheckoutState.PAID:
            checkout = await till.checkouts.end(checkout, CheckoutState.PAID)
        message = words.checkout_message(checkout, self._uris.get(checkout.id, ""), payment)
        return pb.GetCheckoutSessionResponse(checkout_session=message)

    async def ListPayments(
        self, request: pb.ListPaymentsRequest, context: Context
    ) -> pb.ListPaymentsResponse:
        """Read one page, newest first."""
        size = cursors.size_of(request.page_size)
        states = words.payment_states(request.states)
        facts = ("payments", *states)
        after = cursors.after(request.page_token, *facts)
        account_id = current_caller().account_id
        found = await self._payments.page(account_id, states, size + 1, after)
        items = found[:size]
        more = len(found) > size
        return pb.ListPaymentsResponse(
            payments=[words.payment_message(item, self._offer) for item in items],
            next_page_token=cursors.token(items[-1].id, *facts) if more else "",
        )

    async def GetPayment(
        self, request: pb.GetPaymentRequest, context: Context
    ) -> pb.GetPaymentResponse:
        """Read one, with the links to its invoice and receipt."""
        id_ = words.payment_id(request.name)
        item = await self._payments.get(current_caller().account_id, id_)
        if item is None:
            raise words.no_payment()
        return pb.GetPaymentResponse(payment=words.payment_message(item, self._offer))

    def _keep(self, id_: UUID, page: CheckoutSnapshot | None) -> None:
        """Remember where a checkout is paid, for who reads it before the next look."""
        self._uris.pop(id_, None)
        if len(self._uris) >= KEPT_PAGES:
            del self._uris[next(iter(self._uris))]
        self._uris[id_] = page.url if page is not None else ""

    def _open(self, endpoint: str) -> Till:
        if self._till is None:
            raise words.no_stripe(endpoint)
        return self._till

    async def _credited(self, account_id: UUID, reference: UUID) -> PaymentEntry | None:
        """The payment of a checkout once its credits are booked."""
        found = await self._payments.of_reference(account_id, reference)
        return found if found is not None and found.credited_micros else None


async def may_buy(connection: AsyncConnection[Any]) -> None:
    """Let the caller through; raises PERMISSION_DENIED, EMAIL_NOT_VERIFIED."""
    await may_manage_billing(connection)
    await require_verified_on(connection, current_caller())


async def _ended(till: Till, checkout: Checkout, page: CheckoutSnapshot | None) -> Checkout:
    """Note that a page can no longer be paid."""
    if page is None or page.status != "expired":
        return checkout
    return await till.checkouts.end(checkout, CheckoutState.EXPIRED)
