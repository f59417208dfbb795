"""Everything about payments that a core needs where Stripe is configured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from billing.payments_sql import Payments, PaymentsSql
from billing.stripe_client import StripePayments, StripeSettings
from core.engine.payment_looks import PaymentLooks
from core.engine.payment_sweep import PaymentSweep
from core.keyring import Keyring
from core.log import Emit
from core.sealing import Sealer
from storage.commits import Commits
from storage.pool import AnyPool

PURPOSE = "payment"
"""What the links to invoices and receipts are sealed for."""


@dataclass(frozen=True, slots=True)
class PaymentRoom:
    """Stripe, our rows of it, and what keeps the two alike."""

    stripe: StripePayments
    payments: Payments
    looks: PaymentLooks
    sweep: PaymentSweep


def payment_rows(keyring: Keyring) -> PaymentsSql:
    """The payments' part in commits."""
    return PaymentsSql(Sealer(keyring, PURPOSE))


@asynccontextmanager
async def open_payment_room(
    settings: StripeSettings, pool: AnyPool, commits: Commits, emit: Emit
) -> AsyncIterator[PaymentRoom]:
    """Open it; nothing is asked of Stripe yet. *commits* must know `payment_rows`."""
    stripe, payments = StripePayments(settings), Payments(pool)
    looks = PaymentLooks(stripe, payments, commits, emit)
    sweep = PaymentSweep(stripe, payments, looks, emit, lambda: datetime.now(UTC))
    try:
        yield PaymentRoom(stripe, payments, looks, sweep)
    finally:
        await stripe.close()
