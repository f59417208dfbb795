"""Whoever can do anything to the database, and has no key, is found: where, and by the command."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from billing import audit_sql
from billing.audit import Audit
from billing.chain import Bad, Fault, extended
from billing.ledger import Clawback, Credit, Hold, Loss, Settle, Void
from billing.sealing import Sealer
from core.settings import Settings
from core.signing import verifier
from gateway import verify_command
from gateway.cli import run
from storage.commits import Commit
from storage.embedded import EmbeddedPostgres
from tests.fix_commit import Customer, PostgresHouse
from tests.ledgers import PUBLIC, SIGNER, STRANGER

pytestmark = pytest.mark.prove


TABLES = ("transfer", "ledger_chain", "ledger_seal", "balance")
PLACES = {"account_id", "chain", "sequence"}
"""Columns that say where a row stands."""
AT_ONCE = timedelta(0)
BROKEN = (psycopg.errors.UniqueViolation, psycopg.errors.NotNullViolation)


@pytest.fixture
async def house(postgres_house: PostgresHouse) -> PostgresHouse:
    async def none() -> list[str]:
        return []  # holds without generations, and worse

    postgres_house.violations = none
    return postgres_house


@pytest.fixture
async def customer(house: PostgresHouse) -> Customer:
    """One with a little of everything, sealed in three steps."""
    made = await house.customer(credit=10_000)
    await house.customer(credit=5)
    account = made.account_id
    for step in range(3):
        settled, voided = Hold(uuid4(), account, 900), Hold(uuid4(), account, 300)
        for part in (
            settled,
            voided,
            Settle(uuid4(), account, settled.transfer_id, 1_000),
            Void(uuid4(), account, voided.transfer_id),
            Loss(uuid4(), account, 70),
            Credit(uuid4(), account, 50 + step),
            Hold(uuid4(), account, 10),
        ):
            await house.commit(Commit((part,)))
        if step == 1:
            await house.commit(Commit((Clawback(uuid4(), account, 20_000),)))
        await Sealer(house.pool, SIGNER, AT_ONCE).run()
    return made


@asynccontextmanager
async def intruder(
    house: PostgresHouse, server: EmbeddedPostgres
) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A superuser whom neither triggers nor checks stop; what he does is undone."""
    base, _, _ = server.admin_url.rpartition("/")
    name = house.url.rpartition("/")[2]
    async with await psycopg.AsyncConnection.connect(f"{base}/{name}") as connection:
        await free(connection)
        yield connection
        await connection.rollback()


async def free(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute("SET session_replication_role = replica")
    for table in TABLES:
        cursor = await connection.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'",
            [table],
        )
        for (name,) in await cursor.fetchall():
            await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    await connection.execute("ALTER DOMAIN transfer_kind DROP CONSTRAINT transfer_kind_known")


async def audited(connection: psycopg.AsyncConnection[Any]) -> list[Bad]:
    cursor = await connection.execute("SELECT sealed_until FROM ledger_sealing")
    until = (await cursor.fetchone())[0]
    audit = Audit(verifier(PUBLIC), audit_sql._micros(until))
    bad = [
        found async for line in audit_sql._merged(connection, None) for found in audit.take(line)
    ]
    return [*bad, *audit.end()]


def others(column: str, value: Any) -> list[Any]:
    """Values that the column might be given instead."""
    match value:
        case UUID():
            changed = [UUID(int=value.int ^ 1)]
            return [*changed, None] if column == "resolves" else changed
        case int():
            return [value + 1, value - 1, -value - 1]
        case bytes():
            return [bytes([value[0] ^ 1]) + value[1:], value[:-1]]
        case str() if column == "chain":
            return ["operator" if value == "customer" else "customer", "else"]
        case str() if column == "kind":
            return [kind for kind in ("grant", "payment", "void", "overrun", "x") if kind != value]
        case str():
            return ["0" * 16]
        case None:
            return [uuid4()]
    return [f"{value + audit_sql._MICROSECOND}"]


async def rows_of(connection: psycopg.AsyncConnection[Any], table: str) -> list[dict[str, Any]]:
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    place = "ctid::text AS place"
    if table == "transfer":
        statement = (
            "SELECT t.ctid::text AS place, c.sequence AS at, c.chain AS of, t.* FROM transfer t"
            " JOIN ledger_chain c ON c.account_id = t.account_id AND c.transfer_id = t.id"
        )
    elif table == "balance":
        statement = f"SELECT {place}, 0 AS at, 'customer' AS of, b.* FROM balance b"
    else:
        statement = f"SELECT {place}, sequence AS at, chain AS of, b.* FROM {table} b"
    await cursor.execute(statement)
    return await cursor.fetchall()


@pytest.mark.parametrize("table", TABLES)
async def test_any_change_of_any_column_of_any_row_is_found_where_it_is(
    house: PostgresHouse, customer: Customer, postgres_server: EmbeddedPostgres, table: str
) -> None:
    tried = 0
    async with intruder(house, postgres_server) as connection:
        assert await audited(connection) == []
        for row in await rows_of(connection, table):
            columns = set(row) - {"place", "at", "of", "debit", "credit"}
            for column in sorted(columns):
                for value in others(column, row[column]):
                    try:
                        async with connection.transaction(force_rollback=True):
                            await connection.execute(
                                f"UPDATE {table} SET {column} = %s WHERE ctid = %s::tid",
                                (value, row["place"]),
                            )
                            found = await audited(connection)
                    except BROKEN:
                        continue
                    tried += 1
                    assert found, (table, column, value)
                    if table != "balance" and (table == "transfer" or column not in PLACES):
                        bad = found[0] if len(found) == 1 else next(
                            item for item in found if item.account_id == row["account_id"]
                        )  # fmt: skip
                        where = (bad.account_id, bad.chain, bad.sequence)
                        assert where == (row["account_id"], row["of"], row["at"]), (column, bad)
    assert tried >= 6


@pytest.mark.parametrize("table", TABLES)
async def test_any_row_that_is_deleted_is_missed(
    house: PostgresHouse, customer: Customer, postgres_server: EmbeddedPostgres, table: str
) -> None:
    async with intruder(house, postgres_server) as connection:
        for row in await rows_of(connection, table):
            async with connection.transaction(force_rollback=True):
                await connection.execute(
                    f"DELETE FROM {table} WHERE ctid = %s::tid", [row["place"]]
                )
                (bad,) = await audited(connection)
            assert (bad.account_id, bad.chain) == (row["account_id"], row["of"])
            if table in {"transfer", "ledger_chain"}:
                assert bad.sequence == row["at"]


async def test_two_rows_that_change_places_are_found(
    house: PostgresHouse, customer: Customer, postgres_server: EmbeddedPostgres
) -> None:
    async with intruder(house, postgres_server) as connection:
        await connection.execute("ALTER TABLE ledger_chain DROP CONSTRAINT ledger_chain_row_once")
        await connection.execute(
            "UPDATE ledger_chain a SET transfer_id = b.transfer_id FROM ledger_chain b"
            " WHERE a.account_id = %(id)s AND b.account_id = %(id)s AND a.chain = 'customer'"
            "   AND b.chain = 'customer' AND a.sequence IN (4, 5) AND a.sequence + b.sequence = 9",
            {"id": customer.account_id},
        )
        (bad,) = await audited(connection)
    assert (bad.sequence, bad.fault) == (4, Fault.ROW_CHANGED)


async def test_digests_that_are_computed_anew_do_not_fit_the_seals(
    house: PostgresHouse, customer: Customer, postgres_server: EmbeddedPostgres
) -> None:
    account = customer.account_id
    async with intruder(house, postgres_server) as connection:
        await connection.execute(
            "UPDATE transfer SET amount_micros = amount_micros + 5 WHERE account_id = %s"
            " AND kind = 'grant' AND amount_micros = 10000",
            [account],
        )
        await connection.execute("UPDATE balance SET posted = posted + 5")
        cursor = await connection.execute(
            "SELECT c.sequence, t.id, t.kind, t.amount_micros, t.resolves, t.releases_micros,"
            " t.created_at FROM ledger_chain c JOIN transfer t ON t.account_id = c.account_id"
            " AND t.id = c.transfer_id WHERE c.account_id = %s AND c.chain = 'customer'"
            " ORDER BY c.sequence",
            [account],
        )
        entries = [audit_sql._entry((account, *row[1:])) for row in await cursor.fetchall()]
        for link in extended(None, entries):
            now = link.standing
            await connection.execute(
                "UPDATE ledger_chain SET chain_sha256 = %s, posted = %s, held = %s, debt = %s"
                " WHERE account_id = %s AND chain = 'customer' AND sequence = %s",
                (
                    *(link.chain_sha256, now.posted_micros, now.held_micros, now.debt_micros),
                    *(account, link.sequence),
                ),
            )
        bad = next(item for item in await audited(connection) if item.account_id == account)
    assert (bad.chain, bad.fault) == ("customer", Fault.SEAL_WRONG)
    assert 1 < bad.sequence <= 8  # what the first seal covers


# ---- the command


@pytest.fixture
def settings(house: PostgresHouse, tmp_path: Path) -> Settings:
    (tmp_path / "secrets.json").write_text(
        json.dumps({"keys": [base64.b64encode(b"k" * 32).decode()]})
    )
    return Settings.from_env({"REAPI_HOME": str(tmp_path), "REAPI_DATABASE_URL": house.url})


async def command(work: Any, *arguments: Any) -> int:
    return await asyncio.to_thread(work, *arguments)


async def test_the_command_finds_nothing_where_nothing_is(
    settings: Settings, customer: Customer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = tmp_path / "ledger.jsonl"
    assert await command(verify_command.export_ledger, settings, dump, None) == 0
    assert await command(verify_command.verify_file, dump, []) == 0
    assert await command(verify_command.verify_file, dump, PUBLIC) == 0
    assert await command(verify_command.verify_database, settings, None, []) == 0
    told = capsys.readouterr().out
    assert "add up to 0" in told
    assert "2 accounts" in told
    account = customer.account_id
    assert await command(verify_command.export_ledger, settings, dump, account) == 0
    assert await command(verify_command.verify_file, dump, []) == 0
    assert "1 accounts" in capsys.readouterr().out
    assert dump.stat().st_mode & 0o777 == 0o600


async def test_the_command_names_the_row_in_a_dump_and_in_the_database(
    settings: Settings,
    customer: Customer,
    house: PostgresHouse,
    postgres_server: EmbeddedPostgres,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with intruder(house, postgres_server) as connection:
        cursor = await connection.execute(
            "UPDATE transfer SET amount_micros = amount_micros + 1 WHERE (account_id, id) ="
            " (SELECT account_id, transfer_id FROM ledger_chain WHERE sequence = 3"
            "   AND chain = 'customer' LIMIT 1) RETURNING id",
        )
        (id_,) = await cursor.fetchone()
        await connection.commit()

    dump = tmp_path / "ledger.jsonl"
    assert await command(verify_command.export_ledger, settings, dump, None) == 0
    assert await command(verify_command.verify_file, dump, PUBLIC) == 1
    from_file = capsys.readouterr().out
    assert await command(verify_command.verify_database, settings, None, []) == 1
    for told in (from_file, capsys.readouterr().out):
        line = f"account {customer.account_id.hex}, customer row 3, transfer {id_.hex}: "
        assert f"bad: {line}{Fault.ROW_CHANGED}" in told


@pytest.mark.parametrize("at", [0, 5, -2, -1])
async def test_a_dump_that_is_not_whole_is_no_dump(
    settings: Settings,
    customer: Customer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    at: int,
) -> None:
    dump = tmp_path / "ledger.jsonl"
    await command(verify_command.export_ledger, settings, dump, None)
    lines = dump.read_bytes().splitlines(keepends=True)
    del lines[at]
    dump.write_bytes(b"".join(lines))
    assert await command(verify_command.verify_file, dump, []) == 2
    lines[2] = b'{"is": "row"}\n'
    dump.write_bytes(b"".join(lines))
    assert await command(verify_command.verify_file, dump, []) == 2
    assert "line" in capsys.readouterr().err


async def test_a_forger_with_keys_of_his_own_is_found_by_who_names_the_right_ones(
    settings: Settings, customer: Customer, house: PostgresHouse, tmp_path: Path
) -> None:
    forged = [key.raw for key in STRANGER.public_keys]
    assert await command(verify_command.verify_database, settings, None, forged) == 1
    assert await command(verify_command.verify_database, settings, None, PUBLIC) == 0


async def test_the_command_line_reads_keys_and_accounts(
    settings: Settings, customer: Customer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = tmp_path / "ledger.jsonl"
    await command(verify_command.export_ledger, settings, dump, None)
    key = PUBLIC[0].hex()
    assert await command(run, ["verify-ledger", str(dump), "--key", key]) == 0
    assert await command(run, ["verify-ledger", str(dump), "--key", "ab" * 32]) == 1
    assert await command(run, ["verify-ledger", str(tmp_path / "none")]) == 2
    for wrong in (["--key", "xyz"], ["--account", "me"], ["--database"]):
        with pytest.raises(SystemExit):
            await command(run, ["verify-ledger", str(dump), *wrong])
