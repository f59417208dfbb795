"""Everything that sells credits: the calls, and the loop that charges saved cards."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from billing.auto_top_up_sql import AutoTopUps
from billing.checkout import Checkouts
from billing.customers import Customers
from billing.payments_read import PaymentReads
from billing.refunds import Refunds
from core.catalog.entries import Catalogue
from core.engine.payment_room import PURPOSE, PaymentRoom
from core.engine.promotions import Promotions
from core.engine.repeats import Repeats
from core.engine.top_ups import TopUps, utc_now
from core.keyring import Keyring
from core.rights.erasing import no_pages
from core.sealing import Sealer
from core.services.cards import CardCalls, Wallet
from core.services.managing import BillingManager
from core.services.operator_refunds import Counter, OperatorRefunds
from core.services.payments import PaymentCalls, Till
from core.services.promo_codes import PromoAdmin, PromoCalls
from storage.commits import Commits
from storage.pool import Pool


@dataclass(frozen=True, slots=True)
class Premises:
    """What a shop stands on."""

    pool: Pool
    commits: Commits
    """It must know `payment_rows` and `PromoSql`."""
    keyring: Keyring = field(repr=False)
    catalogue: Catalogue
    public_url: str
    origins: tuple[str, ...] = ()
    """Where payment pages may go besides *public_url*."""


@dataclass(frozen=True, slots=True)
class Shop:
    """An open shop."""

    calls: tuple[object, ...]
    """Of BillingService."""
    admin: tuple[object, ...]
    """Of AdminService."""
    users: Sequence[Callable[[Catalogue], None]]
    """Who is handed another catalogue when it changes."""
    top_ups: TopUps | None
    """To be kept running; None where no payment service is configured."""
    close_pages: Callable[[UUID], Awaitable[bool]]
    """Closes the payment pages of an account that is erased; whether all are closed."""


def open_shop(premises: Premises, room: PaymentRoom | None) -> Shop:
    """Wire it; without a *room*, no payment service is configured, and only codes give credits."""
    pool, catalogue = premises.pool, premises.catalogue
    repeats, till, wallet, loop = Repeats(premises.keyring), None, None, None
    counter: Counter | None = None
    close_pages: Callable[[UUID], Awaitable[bool]] = no_pages
    if room is not None:
        customers = Customers(pool, room.stripe, utc_now)
        checkouts = Checkouts(pool, room.stripe, customers, utc_now)
        close_pages = checkouts.close_all
        till = Till(checkouts, room.looks, premises.public_url, premises.origins)
        wallet = Wallet(room.stripe, customers)
        counter = Counter(Refunds(pool, room.stripe), room.looks)
        loop = TopUps(pool, room.stripe, room.looks)
    reads = PaymentReads(pool, Sealer(premises.keyring, PURPOSE))
    payments = PaymentCalls(catalogue, reads, repeats, till)
    cards = CardCalls(catalogue, AutoTopUps(pool), repeats, wallet)
    promotions = Promotions(pool, premises.commits, premises.keyring)
    return Shop(
        calls=(payments, cards, PromoCalls(promotions, BillingManager(pool))),
        admin=(
            PromoAdmin(promotions),
            OperatorRefunds(reads, repeats, lambda: payments.offer, counter),
        ),
        users=(payments.use, cards.use),
        top_ups=loop,
        close_pages=close_pages,
    )
