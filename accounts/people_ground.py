"""What everything that people do for themselves stands on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from accounts.passwords import Passwords
from accounts.throttle import Throttle
from accounts.vault import Vault


@dataclass(frozen=True, slots=True)
class PeopleGround:
    """One for a process."""

    pool: AsyncConnectionPool[Any]
    vault: Vault = field(repr=False)
    throttle: Throttle
    passwords: Passwords
    new_id: Callable[[], UUID]
    """Ids that rise with time."""
