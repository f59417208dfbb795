"""Compares Stripe's payments with ours, and mends what events that never came have left."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from billing.payments import Decision, is_settled, purchase_of
from billing.payments_sql import Payments
from billing.stripe_client import PaymentRefused, PaymentServiceUnavailable, StripePayments
from core.engine.payment_looks import Outcome, PaymentLooks
from core.log import Emit, PaymentOdd
from storage.pool import StorageUnavailable

SWEEP_SECONDS: Final = 600.0
"""Between two sweeps: at most so late does a customer get what an event should have brought."""
SWEEP_DAYS: Final = 3
"""Stripe tries to deliver an event for that long; what is open is looked at however old it is."""
_LOOK_SECONDS: Final = 30.0
"""Between two questions whether it is time, in every process."""
_EVENTS_KEPT: Final = timedelta(days=30)
_PAYMENTS_KEPT: Final = timedelta(days=7 * 365 + 3)
"""Seven years, and a day more for each leap day there may be and one for time zones."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did."""

    seen: int
    """Payments that Stripe or we have of that time."""
    mended: int
    problems: int


class PaymentSweep:
    """Sweeps. *now* gives the wall clock in UTC."""

    def __init__(
        self,
        stripe: StripePayments,
        payments: Payments,
        looks: PaymentLooks,
        emit: Emit,
        now: Callable[[], datetime],
    ) -> None:
        self._stripe = stripe
        self._payments = payments
        self._looks = looks
        self._emit = emit
        self._now = now

    async def keep(self, seconds: float = SWEEP_SECONDS) -> None:
        """Sweep every *seconds*, in one of the processes; what is away is met at the next turn."""
        while True:
            with suppress(StorageUnavailable, PaymentServiceUnavailable, PaymentRefused):
                if await self._payments.claim_sweep(seconds):
                    await self.run(SWEEP_DAYS)
                    await self._payments.forget(
                        self._now() - _EVENTS_KEPT, self._now() - _PAYMENTS_KEPT
                    )
            await asyncio.sleep(min(seconds, _LOOK_SECONDS))

    async def run(self, days: int) -> SweepReport:
        """Look at every payment of the last *days* that does not agree, and at every open one.

        Raises PaymentServiceUnavailable, PaymentRefused and StorageUnavailable.
        """
        since = int((self._now() - timedelta(days=days)).timestamp())
        rows = {row.payment_intent: row for row in await self._payments.recent(since)}
        doubtful: set[str] = set(await self._stripe.refunded_since(since))
        seen: set[str] = set()
        async for snapshot in self._stripe.payments_since(since):
            row = rows.get(snapshot.payment_intent)
            if row is None and purchase_of(snapshot) is None:
                continue
            seen.add(snapshot.payment_intent)
            if row is None or not is_settled(snapshot, row):
                doubtful.add(snapshot.payment_intent)
        # What we have and Stripe did not list: older than these days, or not there at all.
        doubtful.update(name for name in rows if name not in seen)
        mended = problems = 0
        for name in sorted(doubtful):
            look = await self._looks.look(name)
            problems += look.outcome is Outcome.PROBLEM
            if look.decision is not None and (what := _mended(look.decision)):
                self._emit(PaymentOdd(what, name))
                mended += 1
        return SweepReport(len(seen | rows.keys()), mended, problems)


def _mended(decision: Decision) -> str:
    """What was wrong with a payment until now; empty if nothing was."""
    if decision.credit_micros:
        return "charged_not_credited"
    if any(
        move.takes and move.source_id == decision.row.payment_intent
        for move in decision.adjustments
    ):
        return "credited_not_charged"
    return "adjusted" if decision.adjustments else ""
