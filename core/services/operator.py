"""The operator's calls about accounts, outputs and what happened, put together."""

from datetime import UTC, datetime

from accounts.vault import Vault
from core.engine.engine import Engine
from core.engine.outputs import Store
from core.engine.repeats import Repeats
from core.engine.taking_down import TakingDown
from core.services.operator_accounts import OperatorAccounts, OperatorErasure
from core.services.operator_assets import OperatorAssets
from core.services.operator_log import OperatorLog
from storage.pool import Pool


def operator_calls(
    pool: Pool, store: Store, engine: Engine, vault: Vault, repeats: Repeats
) -> tuple[object, ...]:
    """What serves them, of AdminService."""
    return (
        OperatorAccounts(pool, vault, repeats, engine),
        OperatorErasure(pool, vault, repeats),
        OperatorAssets(TakingDown(pool, store), repeats),
        OperatorLog(pool, lambda: datetime.now(UTC)),
    )
