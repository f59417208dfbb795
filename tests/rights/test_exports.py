"""Archives of what is kept: complete, once, for a day."""

import asyncio
import csv
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from accounts import exports
from accounts.data_map import TABLES
from accounts.exports import Export
from core.engine.ids import new_id
from core.engine.taking_down import Link, TakingDown
from core.rights.archive import Archive
from core.rights.export_files import FILES
from core.rights.exporting import Exports, new_base
from storage.folder import FolderStore
from storage.pool import Pool
from tests.rights.full_account import HASH, LINK, VAULT, Full, fill, sign_up

EMAIL, NAME = "marie.curie@radium.example", "Marie Skłodowska"


class Desk:
    """An account, and what makes archives of it."""

    def __init__(self, pool: Pool, store: FolderStore, full: Full) -> None:
        self.pool = pool
        self.store = store
        self.full = full
        self.exports = Exports(pool, store, VAULT)

    async def ask(self, *, without_assets: bool = False) -> Export:
        id_ = new_id()
        asked = Export(
            self.full.account, id_, self.full.user, without_assets, datetime.now(UTC),
            None, None, None, None, new_base(id_),
        )  # fmt: skip
        async with self.pool.connection() as connection, connection.transaction():
            return await exports.create(connection, VAULT, asked, uuid4())

    async def read(self, id_: UUID) -> Export:
        async with self.pool.connection() as connection:
            found = await exports.get(connection, VAULT, self.full.account, id_)
        assert found is not None
        return found

    async def opened(self, export: Export) -> tuple[bytes, zipfile.ZipFile]:
        data = b"".join([piece async for piece in self.store.read(export.path)])
        return data, zipfile.ZipFile(io.BytesIO(data))

    async def all(self, statement: str, *values: Any) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(statement.encode(), values)).fetchall()


@pytest_asyncio.fixture
async def desk(pool: Pool, tmp_path: Path) -> AsyncIterator[Desk]:
    user, account = await sign_up(pool, EMAIL, NAME)
    full = await fill(pool, account, user, EMAIL, NAME)
    store = FolderStore(tmp_path / "outputs")
    await store.put(full.output, b"the output")
    yield Desk(pool, store, full)


def test_every_table_that_the_map_exports_has_its_file() -> None:
    assert {table.name: table.file for table in TABLES if table.file} == {
        file.table: file.name for file in FILES
    }


async def test_the_archive_holds_what_the_rows_say(desk: Desk) -> None:
    asked = await desk.ask()
    assert await desk.exports.work()
    export = await desk.read(asked.export_id)
    data, opened = await desk.opened(export)

    assert opened.testzip() is None
    assert (export.size, export.sha256) == (len(data), hashlib.sha256(data).digest())
    full = desk.full
    for file in FILES:
        rows = lines(opened.read(file.name), file.name)
        wanted = await desk.all(
            f"SELECT count(*) FROM {file.table}"
            + ("" if file.table in ("mail", "export") else " t " + where(file.where, full))
        )
        assert len(rows) >= 1, file.name
        if file.table not in ("mail", "export"):
            assert len(rows) == wanted[0][0], file.name
    profile = lines(opened.read("profile.json"), "json")[0]
    assert (profile["email"], profile["display_name"], profile["has_password"]) == (
        EMAIL, NAME, True,
    )  # fmt: skip
    assert lines(opened.read("account.json"), "json")[0]["display_name"] == f"{NAME} & Co"
    assert lines(opened.read("members.json"), "json")[0]["email"] == EMAIL
    assert lines(opened.read("invitations.json"), "json")[0]["email"] == "irene@radium.example"
    endpoint = lines(opened.read("webhook_endpoints.json"), "json")[0]
    assert (endpoint["url"], endpoint["display_name"]) == ("https://me.example/hook", "My hook")
    payment = lines(opened.read("payments.json"), "json")[0]
    assert (payment["paid_micros"], payment["invoice_url"]) == (
        12_100_000, "https://stripe.example/invoice",
    )  # fmt: skip
    ledger = lines(opened.read("ledger.csv"), "csv")
    assert sorted((row["kind"], row["amount_micros"]) for row in ledger) == [
        ("hold", "40000"), ("payment", "10000000"), ("settle", "40000"),
    ]  # fmt: skip
    assert opened.read(f"assets/{full.generation.hex}/0.png") == b"the output"


async def test_the_manifest_has_the_digest_of_every_file(desk: Desk) -> None:
    asked = await desk.ask()
    await desk.exports.work()
    _, opened = await desk.opened(await desk.read(asked.export_id))
    manifest = json.loads(opened.read("manifest.json"))

    told = {file["name"]: (file["size"], file["sha256"]) for file in manifest["files"]}
    assert told == {
        name: (len(content := opened.read(name)), hashlib.sha256(content).hexdigest())
        for name in opened.namelist()
        if name != "manifest.json"
    }
    assert manifest["account"] == f"accounts/{desk.full.account.hex}"


async def test_no_secret_is_in_it(desk: Desk) -> None:
    asked = await desk.ask()
    await desk.exports.work()
    _, opened = await desk.opened(await desk.read(asked.export_id))
    everything = b"".join(opened.read(name) for name in opened.namelist())

    digest = bytes(range(32))
    for secret in (HASH.encode(), digest, digest.hex().encode()):
        # The digest stands for those of outputs too, which are no secret.
        if secret in everything:
            assert secret == digest.hex().encode()
            shown = [name for name in opened.namelist() if secret in opened.read(name)]
            assert shown == ["exports.json", "assets.jsonl"]


async def test_outputs_are_left_out_where_that_was_asked_for(desk: Desk) -> None:
    asked = await desk.ask(without_assets=True)
    await desk.exports.work()
    _, opened = await desk.opened(await desk.read(asked.export_id))

    assert [name for name in opened.namelist() if name.startswith("assets/")] == []


async def test_who_asked_is_told_by_mail_once(desk: Desk) -> None:
    asked = await desk.ask()
    await desk.exports.work()

    assert not await desk.exports.work()
    mails = await desk.all("SELECT once FROM mail WHERE kind = 'export_ready'")
    assert mails == [(f"export/{asked.export_id.hex}",)]
    assert await desk.all(
        "SELECT 1 FROM rights_request WHERE kind = 'access' AND done_at IS NULL"
    ) == []  # fmt: skip


async def test_two_processes_make_it_once(desk: Desk) -> None:
    asked = await desk.ask()
    other = Exports(desk.pool, desk.store, VAULT)

    assert sorted(await asyncio.gather(desk.exports.work(), other.work())) == [False, True]
    assert (await desk.read(asked.export_id)).tries == 1


async def test_whoever_died_is_followed_by_another_process(desk: Desk, tmp_path: Path) -> None:
    asked = await desk.ask()
    async with desk.pool.connection() as connection:
        dead = await exports.claim(connection, VAULT, 60)
    assert dead is not None
    await desk.store.put(dead.path, b"half of it")
    assert not await desk.exports.work()
    await desk.all("UPDATE export SET lease_until = 'epoch' RETURNING true")
    assert await desk.exports.work()

    # It was not dead, only slow: what it says comes too late, and the archive stays whole.
    async with desk.pool.connection() as connection, connection.transaction():
        assert not await exports.ready(connection, VAULT, dead, 9, bytes(32), new_id())
    export = await desk.read(asked.export_id)
    _, opened = await desk.opened(export)
    assert opened.testzip() is None
    assert export.tries == 2
    assert export.expires_at is not None
    assert await desk.exports.remove_due(export.expires_at) == 2  # and the one of `full_account`
    assert await desk.store.find(dead.path) is None


async def test_a_bucket_that_fails_for_ever_ends_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> int:
        raise OSError

    asked = await desk.ask()
    monkeypatch.setattr(desk.store, "put_stream", fails)
    for _ in range(exports.TRIES):
        assert await desk.exports.work()
        await desk.all("UPDATE export SET lease_until = 'epoch' RETURNING true")

    assert not await desk.exports.work()
    assert (await desk.read(asked.export_id)).failed_at is not None


async def test_it_can_be_read_for_a_day_by_its_link_alone(desk: Desk) -> None:
    asked = await desk.ask()
    assert await desk.exports.find(asked.path) is None
    await desk.exports.work()
    export = await desk.read(asked.export_id)

    assert export.ready_at is not None
    assert export.expires_at == export.ready_at + timedelta(hours=24)
    found = await desk.exports.find(export.path)
    assert found is not None
    assert found.export_id == export.export_id
    guessed = f"tasks/{export.export_id.hex}/{'0' * 24}/1.zip"
    assert await desk.exports.find(guessed) is None
    just_before = export.expires_at - timedelta(microseconds=1)
    assert await desk.exports.remove_due(just_before) == 1  # of `full_account`, which is older
    assert await desk.exports.find(export.path) == found
    assert await desk.store.find(export.path) is not None
    assert await desk.exports.remove_due(export.expires_at) == 1
    assert await desk.exports.find(export.path) is None
    assert await desk.store.find(export.path) is None


async def test_an_archive_is_never_whole_in_memory() -> None:
    async def content() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(1 << 20)

    archive = Archive(datetime.now(UTC))
    sizes = [len(piece) async for piece in archive.add("zeros", content(), compressed=False)]
    sizes += [len(piece) async for piece in archive.close({})]

    assert max(sizes) < 3 << 20
    assert sum(sizes) == archive.size > 64 << 20


def lines(data: bytes, name: str) -> list[dict[str, Any]]:
    text = data.decode()
    if name.endswith("csv"):
        return list(csv.DictReader(io.StringIO(text)))
    if name.endswith("jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    found: list[dict[str, Any]] = json.loads(text)
    return found


def where(condition: str, full: Full) -> str:
    return "WHERE " + condition.replace("%(account)s", f"'{full.account}'").replace(
        "%(user)s", f"'{full.user}'"
    )


async def test_a_process_that_stops_in_the_middle_leaves_it_to_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def stuck(_name: str, chunks: AsyncIterator[bytes]) -> int:
        await anext(chunks)
        begun.set()
        await asyncio.Event().wait()
        return 0

    asked = await desk.ask()
    with monkeypatch.context() as patch:
        patch.setattr(desk.store, "put_stream", stuck)
        working = asyncio.create_task(desk.exports.work())
        await asyncio.wait_for(begun.wait(), 10)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
    await desk.all("UPDATE export SET lease_until = 'epoch' RETURNING true")
    assert await desk.exports.work()

    assert (await desk.read(asked.export_id)).ready_at is not None


async def taken_down(desk: Desk) -> None:
    link = Link(desk.full.generation, LINK, 0)

    async def new(_connection: Any, _id: UUID) -> None:
        """It is the first time."""

    async with desk.pool.connection() as connection:
        await connection.execute("DELETE FROM taken_down")  # nothing was, yet
    taking_down = TakingDown(desk.pool, desk.store)
    assert await taking_down.take_down(link, "", "", new) == desk.full.account


async def test_an_output_that_is_taken_down_is_in_no_archive_any_more(desk: Desk) -> None:
    whole, rows_only = await desk.ask(), await desk.ask(without_assets=True)
    while await desk.exports.work():
        pass
    path = (await desk.read(whole.export_id)).path
    assert await desk.exports.find(path) is not None
    await taken_down(desk)

    assert await desk.exports.find(path) is None
    assert await desk.exports.find((await desk.read(rows_only.export_id)).path) is not None
    await desk.exports.remove_due(datetime.now(UTC))
    assert await desk.store.find(path) is None


async def test_an_archive_that_is_made_when_an_output_is_taken_down_is_made_anew(
    desk: Desk,
) -> None:
    asked = await desk.ask()
    async with desk.pool.connection() as connection:
        work = await exports.claim(connection, VAULT, 60)
    assert work is not None
    await taken_down(desk)
    async with desk.pool.connection() as connection, connection.transaction():
        assert not await exports.ready(connection, VAULT, work, 1, bytes(32), uuid4())
    assert await desk.exports.work()

    made = await desk.read(asked.export_id)
    assert made.ready_at is not None
    _, archive = await desk.opened(made)
    assert not [name for name in archive.namelist() if name.startswith("assets/")]


async def test_archives_are_removed_while_another_is_made(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk.pool.connection() as connection:
        await connection.execute("UPDATE export SET expires_at = 'epoch' WHERE removed_at IS NULL")
    await desk.ask()
    is_made, may_end = asyncio.Event(), asyncio.Event()

    async def slow(*_: Any) -> bool:
        is_made.set()
        await may_end.wait()
        return False

    monkeypatch.setattr(desk.exports, "work", slow)  # an archive that takes hours
    async with asyncio.TaskGroup() as tasks:
        loops = [tasks.create_task(desk.exports.keep())]
        await asyncio.wait_for(is_made.wait(), 10)
        loops.append(tasks.create_task(desk.exports.keep_removing()))
        left = "SELECT count(*) FROM export WHERE removed_at IS NULL AND expires_at IS NOT NULL"
        async with asyncio.timeout(10):
            while await desk.all(left) != [(0,)]:
                await asyncio.sleep(0.01)
        for loop in loops:
            loop.cancel()
