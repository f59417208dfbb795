"""The loop that notices low balances."""

import asyncio
from contextlib import suppress
from typing import Final

from billing.low_balances import LowBalances
from storage.pool import StorageUnavailable

WATCH_SECONDS: Final = 5.0
"""A mail or a webhook about money is soon enough then; every process asks."""


async def watch_balances(balances: LowBalances) -> None:
    """Notice balances that fall below their threshold, for ever."""
    while True:
        with suppress(StorageUnavailable):
            await balances.notice()
        await asyncio.sleep(WATCH_SECONDS)
