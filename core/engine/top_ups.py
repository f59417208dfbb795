"""The loop of auto-top-up, beside everything else that a core does."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from billing.auto_top_up_sql import AutoTopUps
from billing.customers import Customers
from billing.stripe_client import StripePayments
from billing.top_up_runner import TopUpRunner
from core.engine.payment_looks import PaymentLooks
from storage.pool import AnyPool, StorageUnavailable

LOOK_SECONDS: Final = 2.0
"""Between two looks for accounts that are low: who spends fast buys before the rest is spent."""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class TopUps:
    """Charges saved cards when balances are low, for ever."""

    def __init__(
        self,
        pool: AnyPool,
        stripe: StripePayments,
        looks: PaymentLooks,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._looks = looks
        self._runner = TopUpRunner(
            AutoTopUps(pool), stripe, Customers(pool, stripe, now), self._book
        )

    async def keep(self) -> None:
        """Look for ever; without a database it is done later."""
        while True:
            with suppress(StorageUnavailable):
                await self._runner.run()
            await asyncio.sleep(LOOK_SECONDS)

    async def _book(self, payment_intent: str) -> bool:
        """By the one path of payments."""
        look = await self._looks.look(payment_intent)
        return look.decision is not None and look.decision.row.credited_micros > 0
