"""Accounts as the operator sees them: found by what support is told, listed newest first."""

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from accounts.places import NAME_PURPOSE
from accounts.vault import Vault
from core.body import Secret
from core.values import dataclass
from storage.pool import AnyPool

_COLUMNS: Final = """
SELECT a.account_id, a.name, a.name_sealed, a.created_at, a.suspended_at, a.deleting_at,
       a.outputs_not_stored, a.allowed_models, a.version, b.posted, b.pending, b.debt,
       (SELECT count(*) FROM membership m WHERE m.account_id = a.account_id)::integer AS members
  FROM account a JOIN balance b USING (account_id)
"""
_ONE = f"{_COLUMNS} WHERE a.account_id = %(account)s"
# An erased account is a stub under its payments: whoever asks for one by its id or by a payment
# sees it, no list does.
_PAGE = f"""{_COLUMNS}
 WHERE (%(found)s::uuid[] IS NULL AND a.erased_at IS NULL OR a.account_id = ANY (%(found)s::uuid[]))
   AND (%(states)s::text[] = '{{}}' OR CASE WHEN a.deleting_at IS NOT NULL THEN 'deleting'
        WHEN a.suspended_at IS NOT NULL THEN 'suspended' ELSE 'active' END = ANY (%(states)s))
   AND (%(after)s::uuid IS NULL OR (a.created_at, a.account_id) < (
        SELECT p.created_at, p.account_id FROM account p WHERE p.account_id = %(after)s::uuid))
 ORDER BY a.created_at DESC, a.account_id DESC LIMIT %(limit)s
"""  # noqa: S608 (a constant of ours)
_OF_ADDRESS = """
SELECT DISTINCT m.account_id FROM app_user u JOIN membership m USING (user_id)
 WHERE u.email_hmac = ANY (%(digests)s)
"""
_OF_KEY = "SELECT account_id FROM api_key WHERE public_id = %(public_id)s"
# An id is of whatever has it. Generations lead with the account, so this one walks its day.
_OF_ID = """
SELECT account_id FROM account WHERE account_id = %(id)s
UNION SELECT account_id FROM generation WHERE id = %(id)s
UNION SELECT account_id FROM payment WHERE id = %(id)s
UNION SELECT account_id FROM api_key WHERE key_id = %(id)s
"""


class State(StrEnum):
    """Whether an account may spend."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Sought:
    """What an operator was told of an account: one of these."""

    id: UUID | None = None
    """Of an account, a generation, a payment or a key."""
    public_id: str = ""
    """Of a key."""
    digests: Sequence[bytes] = field(default=(), repr=False)
    """Of a member's address, under every server key."""


@dataclass(frozen=True, slots=True)
class Overview:
    """One account."""

    id: UUID
    name: Secret[str]
    state: State
    created_at: datetime
    suspended_at: datetime | None
    outputs_not_stored: bool
    allowed_models: Sequence[str]
    version: int
    posted_micros: int
    held_micros: int
    debt_micros: int
    member_count: int


class AccountReads:
    """Accounts in PostgreSQL. Raises what the pool and the vault raise."""

    def __init__(self, pool: AnyPool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def get(self, account_id: UUID) -> Overview | None:
        """One account."""
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(_ONE, {"account": account_id})
            row = await cursor.fetchone()
        return None if row is None else self._overview(row)

    async def page(
        self, sought: Sought | None, states: Sequence[State], limit: int, after: UUID | None
    ) -> Sequence[Overview]:
        """One page, newest first; of all states if *states* is empty."""
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            found = None if sought is None else await _owners(connection, sought)
            values = {
                "found": found,
                "states": [state.value for state in states],
                "after": after,
                "limit": limit,
            }
            await cursor.execute(_PAGE, values)
            return [self._overview(row) for row in await cursor.fetchall()]

    def _overview(self, row: DictRow) -> Overview:
        sealed, id_ = row["name_sealed"], row["account_id"]
        name = row["name"] if sealed is None else self._vault.open(NAME_PURPOSE, sealed, id_.bytes)
        state = State.ACTIVE if row["suspended_at"] is None else State.SUSPENDED
        return Overview(
            id=id_,
            name=Secret(name),
            state=state if row["deleting_at"] is None else State.DELETING,
            created_at=row["created_at"],
            suspended_at=row["suspended_at"],
            outputs_not_stored=row["outputs_not_stored"],
            allowed_models=row["allowed_models"],
            version=row["version"],
            posted_micros=row["posted"],
            held_micros=row["pending"],
            debt_micros=row["debt"],
            member_count=row["members"],
        )


async def _owners(connection: AsyncConnection[Any], sought: Sought) -> list[UUID]:
    """Whose it is: one account, or all that a person belongs to."""
    by_id, by_key = sought.id is not None, bool(sought.public_id)
    statement = {(True, False): _OF_ID, (False, True): _OF_KEY}.get((by_id, by_key), _OF_ADDRESS)
    values = {"id": sought.id, "public_id": sought.public_id, "digests": list(sought.digests)}
    cursor = await connection.execute(statement, values)
    return [account_id for (account_id,) in await cursor.fetchall()]
