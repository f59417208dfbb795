"""Compares Stripe's payments with ours, and mends what events that never came have left."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from billing.payments import Decision, is_settled, purchase_of
from billing.payments_sql import Payments
from billing.stripe_client import PaymentRefused, PaymentServiceUnavailable, StripePayments
from core.engine.payment_looks import Outcome, PaymentLooks
from core.log import Emit, PaymentOdd
from storage.commits import CommitRejected
from storage.pool import StorageUnavailable

SWEEP_SECONDS: Final = 600.0
"""Between two sweeps: at most so late does a customer get what an event should have brought."""
SWEEP_BACK: Final = timedelta(days=3)
"""Stripe tries to deliver an event for that long; what is open is looked at however old it is."""
_OVERLAP: Final = timedelta(hours=1)
"""With the last sweep that completed: clocks differ."""
_FARTHEST: Final = timedelta(days=90)
"""After a longer outage, and the first time: what is older is for `reapi payments sweep`."""
_REVIEW_EVERY: Final = timedelta(days=1)
_REVIEWED: Final = timedelta(days=35)
"""So long after it was made a refund may still fail: banks take up to 30 days."""
_LOOK_SECONDS: Final = 30.0
"""Between two questions whether it is time, in every process."""


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
                await self.turn(seconds)
            await asyncio.sleep(min(seconds, _LOOK_SECONDS))

    async def turn(self, seconds: float) -> SweepReport | None:
        """Sweep all since the last sweep that completed, if none was begun for *seconds*.

        Once a day it looks again at refunds and disputes of the last weeks: one that fails so
        late is of a payment that no list of new ones has.
        """
        turn = await self._payments.claim_sweep(seconds)
        if turn is None:
            return None
        now = self._now()
        since = max(now - _FARTHEST, min(now - SWEEP_BACK, turn.completed - _OVERLAP))
        adjusted: Sequence[str] = ()
        reviewed = turn.reviewed
        if turn.begun - reviewed >= _REVIEW_EVERY:
            adjusted = await self._payments.adjusted_since(now - _REVIEWED)
            reviewed = turn.begun
        report = await self._sweep(since, adjusted)
        await self._payments.complete_sweep(turn.begun, reviewed)
        return report

    async def run(self, days: int) -> SweepReport:
        """Look at every payment of the last *days* that does not agree, and at every open one.

        Raises PaymentServiceUnavailable, PaymentRefused and StorageUnavailable.
        """
        return await self._sweep(self._now() - timedelta(days=days), ())

    async def _sweep(self, begin: datetime, adjusted: Sequence[str]) -> SweepReport:
        """Look at what does not agree since *begin*, at what is open, and at *adjusted*."""
        since = int(begin.timestamp())
        rows = {row.payment_intent: row for row in await self._payments.recent(since)}
        taking = await self._payments.taking_since(since)
        doubtful = {*adjusted, *await self._stripe.refunded_since(since, taking)}
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
            try:
                look = await self._looks.look(name)
            except (PaymentRefused, CommitRejected):  # one shall not hide all that come after it
                self._emit(PaymentOdd("not_readable", name))
                problems += 1
                continue
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
