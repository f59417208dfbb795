"""Archives of what is kept about an account: asked for, claimed, made, removed.

The path is chosen and sealed before the first byte is written, so no crash leaves an object that
no row knows. Whoever dies while making one is followed by another process when the lease ends.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from accounts.addressed import COLUMNS, Addressee, addressed
from accounts.mail_queue import Kind, Letter, post
from accounts.vault import Vault

LINK: Final = "export-link"
"""The purpose of sealed paths, each bound to its export's id."""
TRIES: Final = 5
"""Then it has failed: what breaks each time would break for ever."""

_INSERT: Final = """
INSERT INTO export (account_id, export_id, user_id, rights_request_id, without_assets, path_sealed)
VALUES (%(account)s, %(id)s, %(user)s, %(request)s, %(without_assets)s, %(path)s)
RETURNING *
"""
_REQUEST: Final = """
INSERT INTO rights_request (id, account_id, user_id, kind)
VALUES (%(request)s, %(account)s, %(user)s, 'access')
"""
_GET: Final = "SELECT * FROM export WHERE account_id = %s AND export_id = %s"
_PAGE: Final = """
SELECT * FROM export
 WHERE account_id = %(account)s AND (%(after)s::uuid IS NULL OR export_id < %(after)s::uuid)
 ORDER BY export_id DESC LIMIT %(limit)s
"""
_READABLE: Final = """
SELECT * FROM export
 WHERE export_id = %s AND ready_at IS NOT NULL AND removed_at IS NULL
   AND expires_at > clock_timestamp()
"""
_CLAIM: Final = """
UPDATE export SET lease_until = clock_timestamp() + %(lease)s::interval, tries = tries + 1
 WHERE (account_id, export_id) = (
       SELECT e.account_id, e.export_id FROM export e JOIN account a USING (account_id)
        WHERE e.ready_at IS NULL AND e.failed_at IS NULL AND e.lease_until <= clock_timestamp()
          AND a.deleting_at IS NULL
        ORDER BY e.created_at LIMIT 1 FOR UPDATE OF e SKIP LOCKED)
RETURNING *
"""
_RENEW: Final = """
UPDATE export SET lease_until = clock_timestamp() + %(lease)s::interval
 WHERE account_id = %(account)s AND export_id = %(id)s AND tries = %(tries)s
   AND ready_at IS NULL AND failed_at IS NULL
   AND NOT EXISTS (SELECT FROM account a
                    WHERE a.account_id = %(account)s AND a.deleting_at IS NOT NULL)
RETURNING true
"""
# The contract says how long it can be downloaded.
_READY: Final = """
UPDATE export SET ready_at = statement_timestamp(), size = %(size)s, sha256 = %(sha256)s,
       expires_at = statement_timestamp() + interval '24 hours'
 WHERE account_id = %(account)s AND export_id = %(id)s AND tries = %(tries)s
   AND ready_at IS NULL AND failed_at IS NULL
RETURNING rights_request_id, expires_at
"""
_DONE: Final = "UPDATE rights_request SET done_at = clock_timestamp() WHERE id = %s"
# What died tries left in the bucket goes too: it is removed like any other archive.
_FAIL: Final = """
UPDATE export SET lease_until = clock_timestamp() + interval '5 seconds',
       failed_at = CASE WHEN tries >= %(last)s THEN clock_timestamp() END,
       expires_at = CASE WHEN tries >= %(last)s THEN clock_timestamp() END
 WHERE account_id = %(account)s AND export_id = %(id)s AND tries = %(tries)s
   AND ready_at IS NULL AND failed_at IS NULL
"""
_PERSON: Final = f"SELECT {COLUMNS} FROM app_user WHERE user_id = %s"  # noqa: S608 (a constant of ours)
_DUE: Final = """
SELECT * FROM export WHERE removed_at IS NULL AND expires_at <= %s
 ORDER BY expires_at LIMIT %s
"""
_OF_ACCOUNT: Final = """
SELECT *, lease_until > clock_timestamp() AND ready_at IS NULL AND failed_at IS NULL AS made
  FROM export e
 WHERE removed_at IS NULL AND (account_id = %(account)s OR user_id IN (
       SELECT m.user_id FROM membership m JOIN app_user u USING (user_id)
        WHERE m.account_id = %(account)s AND u.deleting_at IS NOT NULL))
"""
_REMOVED: Final = """
UPDATE export SET removed_at = %(now)s WHERE account_id = %(account)s AND export_id = %(id)s
"""

Connection: TypeAlias = AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Export:
    """One archive."""

    account_id: UUID
    export_id: UUID
    user_id: UUID
    """Who asked."""
    without_assets: bool
    created_at: datetime
    ready_at: datetime | None
    failed_at: datetime | None
    expires_at: datetime | None
    removed_at: datetime | None
    base: str = field(repr=False)
    """Of its paths; nobody can guess it."""
    tries: int = 0
    size: int | None = None
    sha256: bytes | None = None

    @property
    def path(self) -> str:
        """In the bucket, and behind `/media/`: each try has one of its own."""
        return f"{self.base}/{self.tries}.zip"

    @property
    def paths(self) -> list[str]:
        """Where something of it may be."""
        return [f"{self.base}/{number}.zip" for number in range(1, self.tries + 1)]


async def create(connection: Connection, vault: Vault, asked: Export, request_id: UUID) -> Export:
    """Note an archive that is to be made; *request_id* is that of the rights request."""
    values = {
        "account": asked.account_id,
        "id": asked.export_id,
        "user": asked.user_id,
        "request": request_id,
        "without_assets": asked.without_assets,
        "path": vault.seal(LINK, asked.base, asked.export_id.bytes),
    }
    await connection.execute(_REQUEST, values)
    row = await _first(connection, _INSERT, values)
    assert row is not None
    return _read(vault, row)


async def get(
    connection: Connection, vault: Vault, account_id: UUID, export_id: UUID
) -> Export | None:
    """One of an account's."""
    row = await _first(connection, _GET, (account_id, export_id))
    return None if row is None else _read(vault, row)


async def page(
    connection: Connection, vault: Vault, account_id: UUID, limit: int, after: UUID | None
) -> list[Export]:
    """Some of an account's, newest first."""
    values = {"account": account_id, "after": after, "limit": limit}
    return [_read(vault, row) for row in await _all(connection, _PAGE, values)]


async def readable(connection: Connection, vault: Vault, export_id: UUID) -> Export | None:
    """One that can be downloaded now, whoever asks: the path is the permission."""
    row = await _first(connection, _READABLE, (export_id,))
    return None if row is None else _read(vault, row)


async def claim(connection: Connection, vault: Vault, lease: float) -> Export | None:
    """Take the next that is to be made, for *lease* seconds; None: there is none."""
    row = await _first(connection, _CLAIM, {"lease": f"{lease} seconds"})
    return None if row is None else _read(vault, row)


async def renew(connection: Connection, work: Export, lease: float) -> bool:
    """Keep it for *lease* seconds more; False: it is another's, or gone."""
    values = _values(work) | {"lease": f"{lease} seconds"}
    return await _first(connection, _RENEW, values) is not None


async def ready(
    connection: Connection, vault: Vault, work: Export, size: int, sha256: bytes, mail_id: UUID
) -> bool:
    """It is in its place: tell who asked. Must run in a transaction. False: it is not ours."""
    values = _values(work) | {"size": size, "sha256": sha256}
    row = await _first(connection, _READY, values)
    if row is None:
        return False
    await connection.execute(_DONE, (row["rights_request_id"],))
    person = await (await connection.execute(_PERSON, (work.user_id,))).fetchone()
    if person is not None:
        draft = Letter(
            mail_id,
            Kind.EXPORT_READY,
            "",
            {"expires": row["expires_at"].isoformat()},
            user_id=work.user_id,
            account_id=work.account_id,
            once=f"export/{work.export_id.hex}",
        )
        await post(connection, vault, addressed(vault, draft, Addressee(*person)))
    return True


async def fail(connection: Connection, work: Export) -> None:
    """Give it up, or leave it to the next try: nobody has it any more."""
    await connection.execute(_FAIL, _values(work) | {"last": TRIES})


async def due(connection: Connection, vault: Vault, now: datetime, limit: int) -> list[Export]:
    """Archives whose time is over, and that are in the bucket yet."""
    return [_read(vault, row) for row in await _all(connection, _DUE, (now, limit))]


async def left_of_account(
    connection: Connection, vault: Vault, account_id: UUID
) -> tuple[list[Export], bool]:
    """What the bucket may have of an account, and of the people who are erased with it.

    And whether one of them is being made now: then its process has yet to hear of the erasure.
    """
    rows = await _all(connection, _OF_ACCOUNT, {"account": account_id})
    made = [row.pop("made") for row in rows]
    return [_read(vault, row) for row in rows], any(made)


async def removed(connection: Connection, export: Export, now: datetime) -> None:
    """It is in the bucket no more."""
    values = {"now": now, "account": export.account_id, "id": export.export_id}
    await connection.execute(_REMOVED, values)


def _values(work: Export) -> dict[str, Any]:
    return {"account": work.account_id, "id": work.export_id, "tries": work.tries}


def _read(vault: Vault, row: DictRow) -> Export:
    return Export(
        account_id=row["account_id"],
        export_id=row["export_id"],
        user_id=row["user_id"],
        without_assets=row["without_assets"],
        created_at=row["created_at"],
        ready_at=row["ready_at"],
        failed_at=row["failed_at"],
        expires_at=row["expires_at"],
        removed_at=row["removed_at"],
        base=vault.open(LINK, row["path_sealed"], row["export_id"].bytes),
        tries=row["tries"],
        size=row["size"],
        sha256=row["sha256"],
    )


async def _first(connection: Connection, statement: str, values: Any) -> DictRow | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        return await (await cursor.execute(statement, values)).fetchone()


async def _all(connection: Connection, statement: str, values: Any) -> list[DictRow]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        return await (await cursor.execute(statement, values)).fetchall()
