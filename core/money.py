"""Everything about money of one process, wired: the ledger, payments, sales, seals, history."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from accounts.limits_sql import LimitsSql
from billing.budget_store import BudgetStore
from billing.chain_sql import ChainReads
from billing.history_sql import History
from billing.ledger_sql import Balances, LedgerSql
from billing.low_balances import LowBalances
from billing.promo_codes_sql import PromoSql
from billing.sealing import Sealer
from core.catalog.entries import Catalogue
from core.engine.balance_watch import watch_balances
from core.engine.ledger_sealing import keep_sealed
from core.engine.payment_room import PaymentRoom, open_payment_room, payment_rows
from core.engine.quote_uses_sql import QuoteUsesSql
from core.engine.records_read import RecordReads
from core.engine.records_sql import RecordsSql
from core.engine.repeats import Repeats
from core.engine.supervisor import Supervisor
from core.ground import CoreConfig, Ground
from core.keyring import Keyring
from core.log import Emit
from core.services.billing import BillingService
from core.services.budgets import BudgetCalls
from core.services.history import HistoryCalls
from core.services.ledger import LedgerChain, LedgerKeys
from core.services.receipts import Receipts
from core.services.shop import Premises, Shop, open_shop
from core.services.stripe_events import StripeEvents
from core.signing import Signer
from storage.transaction import Participant


def participants(keyring: Keyring) -> list[Participant]:
    """The rooms that take part in commits."""
    return [
        LimitsSql(),
        LedgerSql(),
        QuoteUsesSql(),
        RecordsSql(),
        payment_rows(keyring),
        PromoSql(),
    ]


@dataclass(frozen=True, slots=True)
class Money:
    """What the contract and the supervisor need."""

    calls: tuple[object, ...]
    """Of BillingService."""
    admin: tuple[object, ...]
    """The operator's calls."""
    users: Sequence[Callable[[Catalogue], None]]
    """Who is handed another catalogue when it changes."""
    loops: tuple[tuple[str, Callable[[], Awaitable[None]]], ...]
    close_pages: Callable[[UUID], Awaitable[bool]]
    """Closes the payment pages of an account that is erased; whether all are closed."""

    def start(self, supervisor: Supervisor) -> None:
        """Run the loops."""
        for name, loop in self.loops:
            supervisor.run(name, loop)


async def open_money(
    config: CoreConfig, stack: AsyncExitStack, ground: Ground, catalogue: Catalogue, emit: Emit
) -> Money:
    """Open it; the stack closes it."""
    pool, keyring = ground.pool, config.keyring
    room: PaymentRoom | None = None
    if config.stripe is not None:
        room = await stack.enter_async_context(
            open_payment_room(config.stripe, pool, ground.committer, emit)
        )
    premises = Premises(
        pool, ground.committer, keyring, catalogue, config.public_url, config.checkout_origins
    )
    shop, signer = open_shop(premises, room), Signer(keyring)
    calls: tuple[object, ...] = (
        BillingService(Balances(pool)),
        LedgerChain(ChainReads(pool)),
        LedgerKeys(signer),
        Receipts(RecordReads(pool), ChainReads(pool), signer),
        BudgetCalls(BudgetStore(pool), Repeats(keyring)),
        HistoryCalls(Balances(pool), History(pool)),
        *shop.calls,
    )
    if room is not None:
        calls += (StripeEvents(room.stripe, room.payments, room.looks),)
    loops = _loops(ground, signer, room, shop)
    return Money(calls, shop.admin, shop.users, loops, shop.close_pages)


def _loops(
    ground: Ground, signer: Signer, room: PaymentRoom | None, shop: Shop
) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
    loops: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("ledger seals", partial(keep_sealed, Sealer(ground.pool, signer))),
        ("low balances", partial(watch_balances, LowBalances(ground.pool))),
    ]
    if room is not None:
        loops.append(("payments", room.sweep.keep))
    if shop.top_ups is not None:
        loops.append(("top-ups", shop.top_ups.keep))
    return tuple(loops)
