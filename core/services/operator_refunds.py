"""AdminService: payments that operators pay back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from grpc import aio
from psycopg import AsyncConnection

from accounts.security_log import NOBODYS, note
from billing.packs import Offer
from billing.payments_read import PaymentReads
from billing.refunds import NoSuchPayment, Refund, Refunds, TooMuch
from billing.stripe_client import PaymentRefused, PaymentServiceUnavailable
from core.engine.payment_looks import PaymentLooks
from core.engine.repeats import Repeats
from core.errors import GatewayError, Reason
from core.services import operator_words as words
from core.services import payment_words
from core.services.repeatable import repeatable
from core.services.stripe_answers import RETRY_SECONDS
from reapi.v1 import admin_service_pb2 as pb
from reapi.v1 import billing_pb2

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_ACTION = "payment.refund"
# Whoever erases it meanwhile waits for the line, and forgets whose it is.
_IS_ERASED = "SELECT erased_at IS NOT NULL FROM account WHERE account_id = %s FOR SHARE"


@dataclass(frozen=True, slots=True)
class Counter:
    """Where money is paid back, where a payment service is configured."""

    refunds: Refunds
    looks: PaymentLooks


class OperatorRefunds:
    """Serves RefundPayment of `reapi.v1.AdminService`."""

    def __init__(
        self,
        payments: PaymentReads,
        repeats: Repeats,
        offer: Callable[[], Offer],
        counter: Counter | None,
    ) -> None:
        self._payments = payments
        self._repeats = repeats
        self._offer = offer
        self._counter = counter

    async def RefundPayment(
        self, request: pb.RefundPaymentRequest, context: Context
    ) -> pb.RefundPaymentResponse:
        """Pay money back; the credits follow, as after every refund at the payment service."""
        counter, payment_id = self._open(), payment_words.payment_id(request.name)
        reason = words.checked_reason(request.reason)
        if not request.request_id:
            raise GatewayError(
                Reason.MISSING_PARAMETER,
                "Send a request_id, so that a repeat pays nothing back twice.",
                parameter="request_id",
            )
        known = self._repeats.of(repeatable(request))
        try:
            refund = await counter.refunds.begin(
                payment_id, request.refund_micros, known, _noting(reason)
            )
        except NoSuchPayment:
            raise payment_words.no_payment() from None
        except TooMuch as error:
            raise _too_much(error.left_micros) from None
        await _made(counter, refund)
        return pb.RefundPaymentResponse(payment=await self._message(refund.account_id, payment_id))

    def _open(self) -> Counter:
        if self._counter is None:
            raise GatewayError(
                Reason.ENDPOINT_NOT_AVAILABLE,
                "No payment service is configured: nothing can be paid back.",
                metadata={"endpoint": "AdminService.RefundPayment"},
            )
        return self._counter

    async def _message(self, account_id: UUID, payment_id: UUID) -> billing_pb2.Payment:
        entry = await self._payments.get(account_id, payment_id)
        if entry is None:
            raise payment_words.no_payment()
        return payment_words.payment_message(entry, self._offer())


def _noting(reason: str) -> Callable[[AsyncConnection[Any], Refund], Any]:
    async def write(connection: AsyncConnection[Any], refund: Refund) -> None:
        changes = {"refund_micros": str(refund.amount_micros)}
        resource = f"payments/{refund.payment_id.hex}"
        # Of an erased account no line has the id: the payment's own row knows whose it was.
        is_erased = await (await connection.execute(_IS_ERASED, (refund.account_id,))).fetchone()
        account_id = NOBODYS if is_erased == (True,) else refund.account_id
        await note(connection, words.action(_ACTION, account_id, resource, reason, changes))

    return write


async def _made(counter: Counter, refund: Refund) -> None:
    """Ask for it, and book it at once; what is not booked now, an event or the sweep does."""
    try:
        await counter.refunds.make(refund)
        await counter.looks.look(refund.payment_intent)
    except PaymentServiceUnavailable:
        raise GatewayError(
            Reason.PAYMENT_SERVICE_UNAVAILABLE,
            "The payment service does not answer. Repeat the request with the same request_id: "
            "nothing is paid back twice.",
            retry_after=RETRY_SECONDS,
        ) from None
    except PaymentRefused as refused:
        raise GatewayError(
            Reason.CONFLICT,
            "The payment service refuses to pay this back.",
            metadata={"resource": "payment", "cause": refused.code},
        ) from None


def _too_much(left_micros: int) -> GatewayError:
    if left_micros <= 0:
        return GatewayError(
            Reason.CONFLICT,
            "Nothing is left of this payment to be paid back.",
            metadata={"resource": "payment", "cause": "nothing_left"},
        )
    return words.invalid("refund_micros", f"must be whole cents, up to {left_micros}")
