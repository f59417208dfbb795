"""Makes the archives that were asked for, one at a time, and removes them in time."""

import asyncio
import csv
import hmac
import io
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any, ClassVar, Final
from uuid import UUID

from psycopg import AsyncClientCursor, sql
from psycopg.rows import dict_row

from accounts import exports
from accounts.exports import Export
from accounts.vault import Vault
from core.engine.ids import new_id
from core.engine.outputs import Store, asset_name, new_link
from core.errors import GatewayError
from core.log import Emit, Event
from core.media import EXTENSIONS
from core.rights.archive import Archive
from core.rights.export_files import FILES, ExportFile
from core.sealing import UnsealError
from core.values import dataclass
from storage.pool import AnyPool, StorageUnavailable

LEASE_SECONDS: Final = 60.0
RENEW_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 2.0
"""Between looks for what other processes were asked for."""
SWEEP_SECONDS: Final = 60.0
BATCH: Final = 200
ROWS: Final = 500
"""Read from the database at a time."""

_PATH: Final = re.compile(r"tasks/([0-9a-f]{32})/[0-9a-f]{24}/[0-9]{1,2}\.zip\Z")
_ROWS: Final = sql.SQL(
    "DECLARE export NO SCROLL CURSOR FOR"
    " SELECT {columns} FROM {table} t {joined} WHERE {where} ORDER BY {order}"
)
_NEXT: Final = sql.SQL("FETCH {} FROM export").format(sql.Literal(ROWS))
_OUTPUTS: Final = """
SELECT generation_id, output_index, link, media_type FROM asset
 WHERE account_id = %s AND removed_at IS NULL AND deleted_at IS NULL
   AND expires_at > clock_timestamp() AND (generation_id, output_index) > (%s, %s)
 ORDER BY generation_id, output_index LIMIT %s
"""


# Rows wait for the bucket that they are written to, which may be away for a while.
_PATIENCE: Final = (
    "SELECT set_config('idle_in_transaction_session_timeout', '300000', true),"
    " set_config('statement_timeout', '120000', true)"
)


@dataclass(frozen=True, slots=True)
class ExportFailed(Event):
    """An archive could not be made: it is tried again, or given up."""

    level: ClassVar[str] = "error"
    error: str
    tries: int


class _Lost(Exception):
    """Another process has the archive now, or nobody is to have it any more."""


def new_base(export_id: UUID) -> str:
    """Of the paths of an archive.

    Beside the outputs: what no row knows any more, the bucket's own rule removes.
    """
    return f"tasks/{export_id.hex}/{new_link()}"


class Exports:
    """Does what `accounts.exports.create` asked for."""

    def __init__(
        self, pool: AnyPool, store: Store, vault: Vault, emit: Emit = lambda _: None
    ) -> None:
        self._emit = emit
        self._pool = pool
        self._store = store
        self._vault = vault
        self._hint = asyncio.Event()

    def hurry(self) -> None:
        """One was just asked for: look now."""
        self._hint.set()

    async def keep(self) -> None:
        """Make archives, for ever."""
        while True:
            self._hint.clear()
            with suppress(StorageUnavailable):
                while await self.work():
                    pass
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), LOOK_SECONDS)

    async def keep_removing(self) -> None:
        """Remove archives in time, for ever: beside making them, which may take hours."""
        while True:
            with suppress(StorageUnavailable):
                await self.remove_due(datetime.now(UTC))
            await asyncio.sleep(SWEEP_SECONDS)

    async def find(self, path: str) -> Export | None:
        """The archive that can be read at *path* now; whoever has the path may."""
        found = _PATH.match(path)
        if found is None:
            return None
        async with self._pool.connection() as connection:
            export = await exports.readable(connection, self._vault, UUID(hex=found[1]))
        if export is None or not hmac.compare_digest(export.path, path):
            return None
        return export

    async def work(self) -> bool:
        """Make one; False: there is none to make."""
        async with self._pool.connection() as connection:
            work = await exports.claim(connection, self._vault, LEASE_SECONDS)
        if work is None:
            return False
        try:
            if work.tries > exports.TRIES:  # every process that tried has died
                raise _Lost
            archive = Archive(datetime.now(UTC))
            async with aclosing(self._pieces(work, archive)) as pieces:
                await self._store.put_stream(work.path, pieces)
        except (_Lost, OSError, UnsealError, GatewayError) as error:
            self._emit(ExportFailed(type(error).__name__, work.tries))
            await self._give_up(work)
            return True
        async with self._pool.connection() as connection, connection.transaction():
            is_ours = await exports.ready(
                connection, self._vault, work, archive.size, archive.sha256, new_id()
            )
        if not is_ours:
            await self._give_up(work)
        return True

    async def remove_due(self, now: datetime) -> int:
        """Remove archives whose time is over from the bucket; how many."""
        removed = 0
        while True:
            async with self._pool.connection() as connection:
                due = await exports.due(connection, self._vault, now, BATCH)
            gone = [export for export in due if await self._removed(export, now)]
            removed += len(gone)
            if len(due) < BATCH or not gone:
                return removed

    async def remove_all(self, account_id: UUID) -> bool:
        """Remove what there is of an account that is erased; whether nothing is left."""
        async with self._pool.connection() as connection:
            left, is_made = await exports.left_of_account(connection, self._vault, account_id)
        now = datetime.now(UTC)
        gone = [await self._removed(export, now) for export in left]
        return all(gone) and not is_made

    async def _removed(self, export: Export, now: datetime) -> bool:
        try:
            for path in export.paths:
                await self._store.delete(path)
        except OSError:
            return False
        async with self._pool.connection() as connection:
            await exports.removed(connection, export, now)
        return True

    async def _give_up(self, work: Export) -> None:
        with suppress(OSError):
            await self._store.delete(work.path)
        async with self._pool.connection() as connection:
            await exports.fail(connection, work)

    async def _pieces(self, work: Export, archive: Archive) -> AsyncGenerator[bytes, None]:
        renewed = monotonic()
        async with aclosing(self._whole(work, archive)) as pieces:
            async for piece in pieces:
                if monotonic() - renewed > RENEW_SECONDS:
                    await self._renew(work)
                    renewed = monotonic()
                yield piece
        await self._renew(work)

    async def _renew(self, work: Export) -> None:
        async with self._pool.connection() as connection:
            if not await exports.renew(connection, work, LEASE_SECONDS):
                raise _Lost

    async def _whole(self, work: Export, archive: Archive) -> AsyncGenerator[bytes, None]:
        for file in FILES:
            async with (
                aclosing(self._content(work, file)) as content,
                aclosing(archive.add(file.name, content)) as pieces,
            ):
                async for piece in pieces:
                    yield piece
        if not work.without_assets:
            async with aclosing(self._outputs(work, archive)) as pieces:
                async for piece in pieces:
                    yield piece
        facts = {
            "account": f"accounts/{work.account_id.hex}",
            "export": f"exports/{work.export_id.hex}",
            "create_time": datetime.now(UTC).isoformat(),
        }
        async for piece in archive.close(facts):
            yield piece

    async def _content(self, work: Export, file: ExportFile) -> AsyncGenerator[bytes, None]:
        values = {"account": work.account_id, "user": work.user_id}
        statement = _ROWS.format(
            columns=sql.SQL(file.columns),
            table=sql.Identifier(file.table),
            joined=sql.SQL(file.joined),
            where=sql.SQL(file.where),
            order=sql.SQL(file.order),
        )
        # A cursor of the database's: rows are read as they are written, however many there are. It
        # ends with the transaction, whatever ends that; a declaration takes no parameters.
        async with (
            self._pool.connection() as connection,
            connection.transaction(),
            AsyncClientCursor(connection, row_factory=dict_row) as cursor,
        ):
            await cursor.execute(_PATIENCE)
            await cursor.execute(statement, values)
            form = _Form(file.name)
            while rows := await (await cursor.execute(_NEXT)).fetchall():
                yield form.rows([_opened(self._vault, file, row) for row in rows])
            yield form.end()

    async def _outputs(self, work: Export, archive: Archive) -> AsyncGenerator[bytes, None]:
        last: tuple[UUID, int] = (UUID(int=0), -1)
        while True:
            values = (work.account_id, *last, BATCH)
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_OUTPUTS, values)
                found = await cursor.fetchall()
            for id_, index, link, media_type in found:
                name = asset_name(id_, link, index, media_type)
                if await self._store.find(name) is None:
                    continue  # deleted meanwhile
                inside = f"assets/{id_.hex}/{index}.{EXTENSIONS[media_type]}"
                async with (
                    aclosing(self._store.read(name)) as content,
                    # What is compressed already does not get smaller.
                    aclosing(archive.add(inside, content, compressed=False)) as pieces,
                ):
                    async for piece in pieces:
                        yield piece
            if len(found) < BATCH:
                return
            last = (found[-1][0], found[-1][1])


class _Form:
    """Rows as the text of a file, by the ending of its name."""

    def __init__(self, name: str) -> None:
        self._kind = name.rpartition(".")[2]
        self._is_first = True

    def rows(self, rows: Sequence[dict[str, Any]]) -> bytes:
        """The next rows."""
        if self._kind == "csv":
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, list(rows[0]))
            if self._is_first:
                writer.writeheader()
            writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
            written = text.getvalue()
        elif self._kind == "jsonl":
            written = "".join(_json(row) + "\n" for row in rows)
        else:
            start = "[\n" if self._is_first else ",\n"
            written = start + ",\n".join(_json(row) for row in rows)
        self._is_first = False
        return written.encode()

    def end(self) -> bytes:
        """What closes the file."""
        if self._kind != "json":
            return b""
        return b"[]\n" if self._is_first else b"\n]\n"


def _opened(vault: Vault, file: ExportFile, row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if not name.startswith("_")}
    for name, sealed in (file.sealed or {}).items():
        if row[name] is not None:
            shown[name] = vault.open(sealed.purpose, row[name], *sealed.bound(row))
    return shown


def _json(row: dict[str, Any]) -> str:
    return json.dumps(row, default=_plain, ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | None) else str(value)
