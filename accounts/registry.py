"""Makes accounts and API keys. Digests come from outside: this room has no server keys."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from accounts.granting import CONCURRENCY, RATE
from accounts.security_log import OPERATOR, Action, note

NAME_LENGTH = 100

_ACCOUNT = "INSERT INTO account (account_id, name) VALUES (%s, %s)"
_KEY = """
INSERT INTO api_key (account_id, key_id, public_id, secret_hmac, name,
                     requests_per_minute, concurrency, sandbox)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_EXISTS = "SELECT true FROM account WHERE account_id = %s"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be stored: ids, the digest of its secret, and what it may do."""

    key_id: UUID
    public_id: str
    digest: bytes = field(repr=False)
    name: str = "default"
    requests_per_minute: int = RATE
    concurrency: int = CONCURRENCY
    sandbox: bool = False


class Registry:
    """Accounts in PostgreSQL; raises what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def open_account(
        self, account_id: UUID, name: str, key: NewKey, audit_id: UUID, network: str = ""
    ) -> None:
        """Make an account with one key, and note that the operator did it, from *network*."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_ACCOUNT, (account_id, name))
            await connection.execute(
                _KEY,
                (
                    account_id,
                    key.key_id,
                    key.public_id,
                    key.digest,
                    key.name,
                    key.requests_per_minute,
                    key.concurrency,
                    key.sandbox,
                ),
            )
            target = f"accounts/{account_id.hex}"
            made = Action(audit_id, account_id, "account.create", target, OPERATOR, network=network)
            await note(connection, made)

    async def note(self, action: Action) -> None:
        """Note in the audit log what was done outside of the database, or by a commit."""
        async with self._pool.connection() as connection:
            await note(connection, action)

    async def exists(self, account_id: UUID) -> bool:
        """Whether there is such an account."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_EXISTS, (account_id,))
            return await cursor.fetchone() is not None
