"""Operators take outputs down by their link: gone at once, and never back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from core.engine.taking_down import Link, TakingDown, read_link
from reapi.v1 import admin_service_pb2
from simulator import Simulator
from storage.memory_objects import MemoryStore
from storage.pool import open_pool
from tests.operator.operated import IMAGE, OPERATOR, asked, execute, operated, refused, slow
from tests.webhooks.whole_core import Whole

pb: Any = admin_service_pb2
ID, BITS = "ab" * 16, "cd" * 12
LINK = Link(UUID(ID), BITS, 1)


@pytest_asyncio.fixture
async def core(database_url: str, tmp_path: Path, simulator: Simulator) -> AsyncIterator[Whole]:
    async with operated(database_url, tmp_path / "outputs", simulator) as made:
        yield made


async def made(core: Whole, key: str = "") -> tuple[str, str]:
    """A generation that has ended, and the link of its output."""
    headers = {"idempotency-key": key} if key else {}
    answer = await core.ask("POST", "/api/v1/images/generations", json=IMAGE, headers=headers)
    await core.core.engine.drain(10)
    task = await core.ask("GET", f"/api/v1/generations/{answer['id'].rpartition('_')[2]}")
    (asset,) = task["generation"]["assets"]
    return task["generation"]["name"], asset["uri"]


def path_of(uri: str) -> str:
    return uri.removeprefix("https://gateway.test")


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "uri",
    [
        f"https://api.example.com/media/tasks/{ID}/{BITS}/1.png",
        f"http://cdn.example.com/some/prefix/media/tasks/{ID}/{BITS}/1.webp?a=b#c",
        f"/media/tasks/{ID}/{BITS}/1.mp4",
        f"media/tasks/{ID}/{BITS}/1.mp3",
    ],
)
def test_a_link_is_read_whatever_host_it_was_seen_under(uri: str) -> None:
    assert read_link(uri) == LINK


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "x",
        f"https://api.example.com/media/tasks/{ID}/{BITS}/",
        f"https://api.example.com/media/inputs/{ID}/{BITS}/1.png",
        f"https://api.example.com/?x=/media/tasks/{ID}/{BITS}/1.png",
        f"https://api.example.com/media/tasks/{ID}/{BITS}/1.png/../2.png",
    ],
)
def test_what_is_no_link_of_ours_is_none(uri: str) -> None:
    assert read_link(uri) is None


async def test_an_output_is_gone_from_its_link_its_generation_and_the_bucket(
    core: Whole, tmp_path: Path
) -> None:
    name, uri = await made(core)
    assert (await core.http.get(path_of(uri))).status_code == 200
    assert len(files(tmp_path)) == 1

    answer = await core.ask(
        "POST",
        "/api/v1/admin/assets:take_down",
        json={"uri": uri, "reason": "reported"},
        headers=OPERATOR,
    )

    assert answer == {
        "generation": name,
        "output_index": 0,
        "account": f"accounts/{core.account.hex}",
    }
    gone = await core.http.get(path_of(uri))
    assert (gone.status_code, gone.headers["cache-control"]) == (404, "no-store")
    assert files(tmp_path) == []
    shown = (await core.ask("GET", f"/api/v1/{name}"))["generation"]
    assert (shown["state"], shown["delivered_count"]) == ("STATE_SUCCEEDED", 1)
    assert not shown.get("assets")
    found = await asked(
        core, "ListAuditEntries", pb.ListAuditEntriesRequest(action="asset.take_down")
    )
    (entry,) = found.audit_entries
    assert entry.network_address == "127.0.0.1"
    assert (entry.resource, entry.reason, dict(entry.changes)) == (
        name,
        "reported",
        {"output_index": "0"},
    )


async def test_a_replay_does_not_bring_an_output_back(core: Whole) -> None:
    _, uri = await made(core, "a key")
    await asked(core, "TakeDownAsset", pb.TakeDownAssetRequest(uri=uri))

    again = await core.http.post(
        "/v1/images/generations", json=IMAGE, headers={"idempotency-key": "a key"}
    )
    task = await core.ask(
        "POST", "/api/v1/images/generations", json=IMAGE, headers={"idempotency-key": "a key"}
    )

    assert again.status_code != 200 or not again.json().get("data"), again.text
    assert uri not in str(task)
    assert (await core.http.get(path_of(uri))).status_code == 404


async def test_an_output_that_is_taken_down_while_it_is_made_is_never_shown(
    core: Whole, database_url: str, simulator: Simulator
) -> None:
    """Its row does not exist yet; whoever writes it finds that it is to be gone."""
    await slow(simulator, 700)
    answer = await core.ask("POST", "/api/v1/images/generations", json=IMAGE)
    id_ = answer["id"].rpartition("_")[2]
    uri = f"https://gateway.test/media/tasks/{id_}/{BITS}/0.png"
    taken = await asked(core, "TakeDownAsset", pb.TakeDownAssetRequest(uri=uri))
    assert taken.generation == f"generations/{id_}"
    await core.core.engine.drain(10)

    task = await core.ask("GET", f"/api/v1/generations/{id_}")
    assert task["generation"]["state"] == "STATE_SUCCEEDED"
    assert not task["generation"].get("assets")
    ((link, is_deleted),) = await execute(
        database_url, "SELECT link, deleted_at IS NOT NULL FROM asset"
    )
    assert is_deleted
    assert (await core.http.get(f"/media/tasks/{id_}/{link}/0.png")).status_code == 404


async def test_a_generation_that_ends_during_a_takedown_waits_for_it(
    core: Whole, database_url: str, simulator: Simulator
) -> None:
    """Whoever writes the row of the output must see what the other transaction writes."""
    await slow(simulator, 300)
    answer = await core.ask("POST", "/api/v1/images/generations", json=IMAGE)
    id_ = UUID(hex=answer["id"].rpartition("_")[2])

    async def known(_connection: object, _made: UUID) -> UUID | None:
        """Both rows are written and not committed: long enough for the output to arrive."""
        await asyncio.sleep(1.0)
        return None

    async with open_pool(database_url, name="test") as pool:
        taking_down = TakingDown(pool, MemoryStore())
        owner = await taking_down.take_down(Link(id_, BITS, 0), "", "", known)
    assert owner == core.account
    await core.core.engine.drain(10)

    assert await execute(database_url, "SELECT deleted_at IS NOT NULL FROM asset") == [(True,)]


async def test_a_repeat_is_noted_once_and_a_deleted_output_can_be_taken_down(
    core: Whole,
) -> None:
    name, uri = await made(core)
    await core.ask("DELETE", f"/api/v1/{name}")
    request = pb.TakeDownAssetRequest(uri=uri, request_id="one")
    for _ in range(2):
        assert (await asked(core, "TakeDownAsset", request)).generation == name

    found = await asked(
        core, "ListAuditEntries", pb.ListAuditEntriesRequest(action="asset.take_down")
    )
    assert len(found.audit_entries) == 1


async def test_a_link_that_is_not_quite_right_takes_nothing_down(core: Whole) -> None:
    _, uri = await made(core)
    bits = uri.split("/")[-2]
    for wrong in (uri.replace(bits, "0" * 24), uri.replace("/0.", "/1.")):
        request = pb.TakeDownAssetRequest(uri=wrong)
        assert await refused(core, "TakeDownAsset", request) == "NOT_FOUND"
    for wrong in ("", "https://gateway.test/media/x.png"):
        request = pb.TakeDownAssetRequest(uri=wrong)
        assert await refused(core, "TakeDownAsset", request) == "INVALID_ARGUMENT"
    assert (await core.http.get(path_of(uri))).status_code == 200
