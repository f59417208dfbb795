"""Registered endpoints and the secret for callbacks, in PostgreSQL: sealed at rest."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from core.body import Secret
from core.engine.ids import new_id
from core.engine.repeats import Connection, Repeats, Request
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from core.sealing import Sealer
from core.webhooks import endpoint_statements as sql
from core.webhooks.records import Changes, Endpoint, EventType
from core.webhooks.signing import SECRET_BYTES, make_secret
from storage.pool import Pool

MAXIMUM: Final = 20
"""Endpoints of one account."""
PURPOSE: Final = "webhook-endpoint"
CALLBACKS: Final = "callback-secret"
URL, NAME, SECRET = b"url", b"name", b"secret"
"""Which column a sealed value belongs to."""


class Endpoints:
    """The endpoints of accounts. Raises what the pool raises."""

    def __init__(self, pool: Pool, keyring: Keyring) -> None:
        self._pool = pool
        self._repeats = Repeats(keyring)
        self._sealer = Sealer(keyring, PURPOSE)
        self._callbacks = Sealer(keyring, CALLBACKS)

    async def create(self, request: Request, new: Changes) -> tuple[Endpoint, Secret[str] | None]:
        """A new endpoint and its secret; a repeat gives the endpoint only."""
        assert new.url is not None
        secret = make_secret(os.urandom(SECRET_BYTES))
        values = self._values(request.account_id, new_id(), new)
        values |= {"event_types": values["event_types"] or [], "disabled": bool(new.disabled)}
        if values["name"] is None:
            values["name"] = self._sealed(values, NAME, Secret(""))
        values["secret"] = self._sealed(values, SECRET, secret)
        async with self._pool.connection() as connection, connection.transaction():
            before = await self._repeats.found(connection, request, values["id"])
            if before is not None:
                values["id"] = before
                return self._endpoint(values, await _row(connection, sql.ENDPOINT, values)), None
            await connection.execute(sql.ALONE, values)  # who counts at the same time waits
            counted = await (await connection.execute(sql.COUNT_ENDPOINTS, values)).fetchone()
            if counted is not None and counted[0] >= MAXIMUM:
                raise GatewayError(
                    Reason.INVALID_PARAMETER,
                    f"An account has at most {MAXIMUM} endpoints; delete one.",
                    parameter="webhook_endpoint",
                )
            return self._endpoint(
                values, await _row(connection, sql.INSERT_ENDPOINT, values)
            ), secret

    async def get(self, account_id: UUID, id_: UUID) -> Endpoint:
        """One endpoint; raises NOT_FOUND."""
        values = {"account": account_id, "id": id_}
        async with self._pool.connection() as connection:
            return self._endpoint(values, await _row(connection, sql.ENDPOINT, values))

    async def page(self, account_id: UUID, limit: int, after: UUID | None) -> Sequence[Endpoint]:
        """One page, newest first."""
        values = {"account": account_id, "limit": limit, "after": after}
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(sql.ENDPOINTS, values)
            return [self._endpoint(values, row) for row in await cursor.fetchall()]

    async def update(self, request: Request, id_: UUID, changes: Changes, etag: str) -> Endpoint:
        """Change an endpoint; raises NOT_FOUND, and INVALID_PARAMETER for an *etag* of the past."""
        values = self._values(request.account_id, id_, changes)
        async with self._pool.connection() as connection, connection.transaction():
            current = self._endpoint(values, await _row(connection, sql.LOCK_ENDPOINT, values))
            if await self._repeats.found(connection, request, id_) is not None:
                return current
            if etag and etag != etag_of(current):
                raise GatewayError(
                    Reason.INVALID_PARAMETER,
                    "The endpoint was changed meanwhile: read it again and use its etag.",
                    parameter="webhook_endpoint.etag",
                )
            return self._endpoint(values, await _row(connection, sql.UPDATE_ENDPOINT, values))

    async def delete(self, request: Request, id_: UUID) -> None:
        """Remove an endpoint and drop what was on its way to it; raises NOT_FOUND."""
        values = {"account": request.account_id, "id": id_}
        async with self._pool.connection() as connection, connection.transaction():
            if await self._repeats.found(connection, request, id_) is not None:
                return
            await _row(connection, sql.DELETE_ENDPOINT, values)
            await connection.execute(sql.DROP_MESSAGES, values)

    async def rotate(
        self, request: Request, id_: UUID, grace: float
    ) -> tuple[Endpoint, Secret[str] | None]:
        """A new secret; the old one signs too for *grace* seconds. A repeat gives no secret."""
        secret = make_secret(os.urandom(SECRET_BYTES))
        values: dict[str, Any] = {"account": request.account_id, "id": id_, "grace": grace}
        values["secret"] = self._sealed(values, SECRET, secret)
        async with self._pool.connection() as connection, connection.transaction():
            if await self._repeats.found(connection, request, id_) is not None:
                return self._endpoint(values, await _row(connection, sql.ENDPOINT, values)), None
            return self._endpoint(values, await _row(connection, sql.ROTATE_SECRET, values)), secret

    async def rotate_callbacks(
        self, request: Request, grace: float
    ) -> tuple[Secret[str] | None, Any]:
        """A new secret for callbacks, and until when the old one signs too (None: not)."""
        account_id = request.account_id
        secret = make_secret(os.urandom(SECRET_BYTES))
        sealed = self._callbacks.seal(secret.reveal(), account_id.bytes)
        values = {"account": account_id, "secret": sealed, "grace": grace}
        async with self._pool.connection() as connection, connection.transaction():
            if await self._repeats.found(connection, request, account_id) is not None:
                row = await (await connection.execute(sql.CALLBACK_EXPIRY, values)).fetchone()
                return None, row and row[0]
            row = await (await connection.execute(sql.ROTATE_CALLBACKS, values)).fetchone()
            assert row is not None
            return secret, row[0]

    def url(self, account_id: UUID, id_: UUID, sealed: bytes) -> Secret[str]:
        """The URL of an endpoint; raises UnsealError."""
        return self._sealer.open(sealed, account_id.bytes, id_.bytes, URL)

    def secret(self, account_id: UUID, id_: UUID | None, sealed: bytes) -> Secret[str]:
        """The secret of an endpoint, or that of the account's callbacks; raises UnsealError."""
        if id_ is None:
            return self._callbacks.open(sealed, account_id.bytes)
        return self._sealer.open(sealed, account_id.bytes, id_.bytes, SECRET)

    def _values(self, account_id: UUID, id_: UUID, changes: Changes) -> dict[str, Any]:
        values: dict[str, Any] = {"account": account_id, "id": id_}
        url, name, types = changes.url, changes.display_name, changes.event_types
        return values | {
            "url": None if url is None else self._sealed(values, URL, url),
            "name": None if name is None else self._sealed(values, NAME, name),
            "event_types": None if types is None else [str(kind) for kind in types],
            "disabled": changes.disabled,
        }

    def _sealed(self, values: Mapping[str, Any], column: bytes, text: Secret[str]) -> bytes:
        bound = (values["account"].bytes, values["id"].bytes, column)
        return self._sealer.seal(text.reveal(), *bound)

    def _endpoint(self, values: Mapping[str, Any], row: DictRow) -> Endpoint:
        account, id_ = values["account"].bytes, row["id"].bytes
        return Endpoint(
            id=row["id"],
            version=row["version"],
            url=self._sealer.open(row["url"], account, id_, URL),
            display_name=self._sealer.open(row["display_name"], account, id_, NAME),
            event_types=[EventType(kind) for kind in row["event_types"]],
            disabled=row["disabled"],
            created_at=row["created_at"],
            last_success_at=row["last_success_at"],
            old_secret_expires_at=row["old_secret_expires_at"],
        )


def etag_of(endpoint: Endpoint) -> str:
    """Changes with the endpoint."""
    return f"v{endpoint.version}"


def no_endpoint() -> GatewayError:
    """The one answer for an endpoint that is unknown, deleted or another account's."""
    return GatewayError(
        Reason.NOT_FOUND, "No such webhook endpoint.", metadata={"resource": "webhook_endpoint"}
    )


async def _row(connection: Connection, statement: str, values: Mapping[str, Any]) -> DictRow:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        row = await cursor.fetchone()
    if row is None:
        raise no_endpoint()
    return row
