"""`reapi export-ledger` and `reapi verify-ledger`: the whole ledger in a file, and recomputed."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
import uvloop

from billing.audit import Audit, Counts, Line, OutOfOrder
from billing.audit_sql import Snapshot, snapshot
from billing.chain import Bad
from core.keyring import KeyringError
from core.settings import Settings
from core.signing import Signer, key_id, verifier
from gateway import ledger_dump
from gateway.own_database import connect
from gateway.process import ServeError
from gateway.progress import Progress
from storage.embedded import PostgresError
from storage.pool import StorageUnavailable, storage_errors

FOUND: Final = 1
"""The exit code when something is wrong with the ledger."""
UNUSABLE: Final = 2
"""When it could not be read."""
_MOST_TOLD: Final = 20
"""Accounts whose first bad row is printed."""
_PATIENCE: Final = 3_600.0
"""Seconds for a statement: sorting years of rows takes a while."""


class _UnusableError(Exception):
    """What was given cannot be checked; the message says why."""


def export_ledger(settings: Settings, file: Path, account_id: UUID | None) -> int:
    """Write the ledger as it is at this moment to *file*; returns the exit code."""
    return _run(_export(settings, file, account_id))


def verify_file(file: Path, keys: Sequence[bytes]) -> int:
    """Recompute a dump; trusts *keys*, or those in it if there are none."""
    return _run(_verify_file(file, keys))


def verify_database(settings: Settings, account_id: UUID | None, keys: Sequence[bytes]) -> int:
    """Recompute what the gateway's own database says; trusts *keys*, or the gateway's own."""
    return _run(_verify_database(settings, account_id, keys))


def own_keys(settings: Settings) -> list[bytes]:
    """The public keys that follow from the secret file, which must be there."""
    if not settings.secret_file.is_file():
        raise KeyringError(f"{settings.secret_file.name} is not there; --key names public keys")
    return [key.raw for key in Signer(settings.open_keyring()).public_keys]


async def _export(settings: Settings, file: Path, account_id: UUID | None) -> int:
    keys = tuple(own_keys(settings))
    draft = file.with_name(f"{file.name}.part")
    async with _opened(settings, account_id) as books:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out, Progress("lines") as progress:
            header = ledger_dump.Header(books.taken_us, books.sealed_until_us, keys)
            out.write(header.written())
            count = 0
            async for line in books.lines:
                out.write(ledger_dump.written(line))
                count += 1
                progress.step()
            out.write(ledger_dump.end(count))
    draft.replace(file)
    print(f"wrote {count:,} lines to {file}")
    return 0


async def _verify_file(file: Path, keys: Sequence[bytes]) -> int:
    with file.open("rb") as rows:
        header, lines = ledger_dump.read(rows)
        whose = "named by you" if keys else "of the dump itself: name others with --key"
        _print_keys(keys or header.keys, whose)
        audit = Audit(verifier(keys or header.keys), header.sealed_until_us)
        return await _report(audit, _one_by_one(lines))


async def _verify_database(
    settings: Settings, account_id: UUID | None, keys: Sequence[bytes]
) -> int:
    trusted = keys or own_keys(settings)
    _print_keys(trusted, "named by you" if keys else "of this gateway's secret file")
    async with _opened(settings, account_id) as books:
        return await _report(Audit(verifier(trusted), books.sealed_until_us), books.lines)


async def _report(audit: Audit, lines: AsyncIterator[Line]) -> int:
    """Check line after line, and print what was found; returns the exit code."""
    bad: list[Bad] = []
    with Progress("lines") as progress:
        async for line in lines:
            bad += audit.take(line)
            progress.step()
    bad += audit.end()
    for each in bad[:_MOST_TOLD]:
        print(f"bad: {_told(each)}")
    if len(bad) > _MOST_TOLD:
        print(f"bad: {len(bad) - _MOST_TOLD:,} more accounts")
    counts = audit.counts
    _print_counts(counts)
    if bad or counts.sum_micros:
        return FOUND
    print("good: the ledger is what was sealed")
    return 0


def _told(bad: Bad) -> str:
    row = f"{bad.chain} row {bad.sequence}" if bad.sequence else f"{bad.chain} row"
    transfer = f", transfer {bad.transfer_id.hex}" if bad.transfer_id is not None else ""
    return f"account {bad.account_id.hex}, {row}{transfer}: {bad.fault}"


def _print_keys(keys: Sequence[bytes], whose: str) -> None:
    names = ", ".join([key_id(raw) for raw in keys]) or "none"
    print(f"keys {whose}: {names}")


def _print_counts(counts: Counts) -> None:
    print(
        f"checked {counts.accounts:,} accounts, {counts.rows:,} rows, {counts.seals:,} seals; "
        f"{counts.unsealed:,} rows are not sealed yet"
    )
    books = sum(counts.books.values())
    total = "0" if not counts.sum_micros else f"{counts.sum_micros:,}: THE BOOKS ARE NOT BALANCED"
    print(
        f"balances of customers {counts.balances_micros:,} and the operator's books {books:,} "
        f"micro-dollars add up to {total}"
    )


async def _one_by_one(lines: Iterator[Line]) -> AsyncIterator[Line]:
    for line in lines:
        yield line


@asynccontextmanager
async def _opened(settings: Settings, account_id: UUID | None) -> AsyncIterator[Snapshot]:
    async with AsyncExitStack() as stack:
        connection = await connect(settings, stack, "reapi-ledger", _PATIENCE)
        with storage_errors():
            try:
                yield await stack.enter_async_context(snapshot(connection, account_id))
            except (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedTable):
                raise _UnusableError(
                    "the database is of another version of the gateway; serve once, then verify"
                ) from None


def _run(work: Coroutine[object, object, int]) -> int:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except OutOfOrder:
        reason = "the lines of the dump are not in order"
    except (
        _UnusableError,
        ledger_dump.Unusable,
        KeyringError,
        ServeError,
        StorageUnavailable,
        PostgresError,
        OSError,
    ) as error:
        reason = str(error)
    print(f"reapi: {reason}", file=sys.stderr)
    return UNUSABLE
