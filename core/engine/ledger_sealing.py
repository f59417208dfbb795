"""The loop that seals the ledger, beside everything else that a core does."""

import asyncio
from contextlib import suppress

from billing.sealing import Sealer
from storage.pool import StorageUnavailable

SEAL_SECONDS = 2.0
"""Between two looks: how long a row is without a seal."""


async def keep_sealed(sealer: Sealer) -> None:
    """Seal for ever; without a database it is done later."""
    while True:
        with suppress(StorageUnavailable):
            await sealer.run()
        await asyncio.sleep(SEAL_SECONDS)
