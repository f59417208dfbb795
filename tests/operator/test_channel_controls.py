"""The operator drains, disables and re-weights channels: it holds in every process, and is noted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
import pytest_asyncio

from core.keyring import admin_token
from core.log import AttemptEnded, ChannelControlled
from reapi.v1 import admin_pb2, admin_service_pb2, admin_service_pb2_grpc
from tests.webhooks.whole_core import KEYRING, Whole, whole_core

OPERATOR = {"authorization": f"Bearer {admin_token(KEYRING)}"}
CHANNELS = "/api/v1/admin/channels"
PATIENCE = 20.0
"""Seconds; that it is one at most, `tests/prove/test_operator_controls.py` shows."""


@pytest_asyncio.fixture
async def two(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[Whole, Whole]]:
    """Two cores on one database."""
    async with (
        whole_core(database_url, tmp_path / "outputs") as one,
        whole_core(database_url, tmp_path / "outputs") as other,
    ):
        yield one, other


@pytest_asyncio.fixture
async def core(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_core(database_url, tmp_path / "outputs") as made:
        yield made


async def update(core: Whole, channel: str, mask: str = "", **fields: Any) -> Any:
    """PATCH one channel; the answer, whatever it is."""
    request_id = fields.pop("request_id", "")
    params = {"update_mask": mask, "request_id": request_id}
    return await core.http.patch(
        f"{CHANNELS}/{channel}",
        json=fields,
        params={name: value for name, value in params.items() if value},
        headers=OPERATOR,
    )


async def shown(core: Whole, channel: str) -> dict[str, Any]:
    found = await core.ask("GET", f"{CHANNELS}/{channel}", headers=OPERATOR)
    item: dict[str, Any] = found["channel"]
    return item


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await check():
            await asyncio.sleep(0.01)


async def is_shown(core: Whole, channel: str, **expected: Any) -> bool:
    item = await shown(core, channel)
    return {name: item.get(name) for name in expected} == expected


def notes(database_url: str) -> list[tuple[Any, ...]]:
    """What the audit log has about channels."""
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "SELECT actor, action, target, changes FROM audit_log WHERE action LIKE 'channel.%' "
            "ORDER BY at"
        ).fetchall()


async def test_a_drain_in_one_process_holds_in_the_other(
    two: tuple[Whole, Whole],
) -> None:
    one, other = two
    answer = await update(one, "openai-a", admission="ADMISSION_DRAINING")
    assert answer.status_code == 200, answer.text
    assert answer.json()["channel"]["admission"] == "ADMISSION_DRAINING"
    assert await is_shown(one, "openai-a", admission="ADMISSION_DRAINING"), "here at once"
    await until(lambda: is_shown(other, "openai-a", admission="ADMISSION_DRAINING"))

    assert (await update(other, "openai-a", admission="ADMISSION_OPEN")).status_code == 200
    await until(lambda: is_shown(one, "openai-a", admission="ADMISSION_OPEN"))
    events = [event for event in other.emitted if isinstance(event, ChannelControlled)]
    assert [(event.channel, event.admission) for event in events] == [
        ("openai-a", "draining"),
        ("openai-a", "open"),
    ]


async def test_it_holds_also_where_no_notice_is_heard(
    two: tuple[Whole, Whole], database_url: str
) -> None:
    one, other = two
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TRIGGER channel_overlay_changed ON channel_overlay")
    assert (await update(one, "openai-b", weight=7)).status_code == 200
    await until(lambda: is_shown(other, "openai-b", weight=7))


async def test_a_process_that_starts_later_knows_it_before_it_serves(
    core: Whole, database_url: str, tmp_path: Path
) -> None:
    await update(core, "openai-a", admission="ADMISSION_DISABLED", weight=5)
    async with whole_core(database_url, tmp_path / "outputs") as later:
        item = await shown(later, "openai-a")
    assert (item["admission"], item["weight"]) == ("ADMISSION_DISABLED", 5)


async def test_a_request_that_only_closed_channels_could_serve_is_told_so(core: Whole) -> None:
    names = ["openai-a", "openai-b", "openai-c"]
    routing = {"x-reapi-routing": f"only={','.join(names)}"}
    ask = {"model": "gpt-image-2", "prompt": "a cat"}
    for name in names:
        await update(core, name, admission="ADMISSION_DRAINING")

    answer = await core.http.post("/v1/images/generations", json=ask, headers=routing)

    assert answer.status_code == 503, answer.text
    assert answer.json()["error"]["code"] == "overloaded"
    assert "The operator has closed every channel" in answer.json()["error"]["message"]
    assert answer.headers["retry-after"] == "10"

    await update(core, names[0], admission="ADMISSION_OPEN")
    answer = await core.http.post("/v1/images/generations", json=ask, headers=routing)
    assert "closed" not in answer.text, "its provider is unreachable, but it was asked"
    assert {e.channel for e in core.emitted if isinstance(e, AttemptEnded)} == {names[0]}


async def test_every_change_is_noted(core: Whole, database_url: str) -> None:
    await update(core, "openai-a", admission="ADMISSION_DRAINING", weight=50)
    await update(core, "openai-a", "weight")
    await update(core, "openai-a", "admission")

    of = ("operator", "channel.update", "channels/openai-a")
    assert notes(database_url) == [
        (*of, {"admission": "draining", "weight": "50"}),
        (*of, {"weight": "catalogue"}),
        (*of, {"admission": "open"}),
    ]
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT * FROM channel_overlay").fetchall() == []


async def test_the_same_request_again_changes_nothing(core: Whole, database_url: str) -> None:
    once = {"admission": "ADMISSION_DRAINING", "request_id": "mine"}
    await update(core, "openai-a", **once)
    await update(core, "openai-a", admission="ADMISSION_OPEN")
    again = await update(core, "openai-a", **once)
    assert again.json()["channel"]["admission"] == "ADMISSION_OPEN"
    assert len(notes(database_url)) == 2

    for channel, weight in (("openai-b", None), ("openai-a", 3)):
        more = {} if weight is None else {"weight": weight}
        answer = await update(core, channel, **once, **more)
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["param"] == "request_id"


async def test_an_etag_of_the_past_changes_nothing(core: Whole) -> None:
    before = (await shown(core, "openai-a"))["etag"]
    assert (await update(core, "openai-a", weight=3, etag=before)).status_code == 200
    answer = await update(core, "openai-a", weight=4, etag=before)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "channel.etag")
    item = await shown(core, "openai-a")
    assert item["weight"] == 3
    assert item["etag"] != before


async def test_of_changes_that_come_at_once_with_one_etag_one_is_made(
    two: tuple[Whole, Whole],
) -> None:
    etag = (await shown(two[0], "openai-a"))["etag"]
    answers = await asyncio.gather(
        *(update(two[n % 2], "openai-a", weight=n + 1, etag=etag) for n in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7


async def test_what_cannot_be_is_refused_and_named(core: Whole, database_url: str) -> None:
    cases: list[tuple[str, str, dict[str, Any], int, str | None]] = [
        ("nobody", "", {"weight": 1}, 404, None),
        ("openai-a", "", {}, 400, "channel.admission"),
        ("openai-a", "region", {"region": "moon"}, 400, "update_mask"),
        ("openai-a", "", {"weight": 0}, 400, "channel.weight"),
        ("openai-a", "", {"weight": 1_000_001}, 400, "channel.weight"),
        ("openai-a", "", {"weight": 1, "request_id": "x" * 256}, 400, "request_id"),
    ]
    for channel, mask, fields, status, parameter in cases:
        answer = await update(core, channel, mask, **fields)
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["param"] == parameter
    assert notes(database_url) == []


async def test_an_admission_that_there_is_not_is_refused_over_grpc(core: Whole) -> None:
    stub = admin_service_pb2_grpc.AdminServiceStub(core.channel)
    channel = admin_pb2.Channel(name="channels/openai-a")
    channel.admission = 17  # type: ignore[assignment]  # what a newer client may send
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.UpdateChannel(
            admin_service_pb2.UpdateChannelRequest(channel=channel),
            metadata=tuple(OPERATOR.items()),
        )
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "channel.admission" in str(refused.value.details())


async def test_pages_of_channels_hold_each_once_in_the_order_of_names(core: Whole) -> None:
    names: list[str] = []
    token = ""
    while True:
        params = {"page_size": "7", "page_token": token}
        page = await core.ask("GET", CHANNELS, params=params, headers=OPERATOR)
        names += [item["name"] for item in page["channels"]]
        token = page.get("next_page_token", "")
        if not token:
            break
        assert len(page["channels"]) == 7
    assert names == sorted(set(names))
    assert "channels/openai-a" in names

    foreign = await core.http.get(CHANNELS, params={"page_token": "bm9wZQ=="}, headers=OPERATOR)
    assert (foreign.status_code, foreign.json()["error"]["param"]) == (400, "page_token")
    negative = await core.http.get(CHANNELS, params={"page_size": "-1"}, headers=OPERATOR)
    assert (negative.status_code, negative.json()["error"]["param"]) == (400, "page_size")


async def test_channels_of_a_model_are_listed_with_what_the_catalogue_says(core: Whole) -> None:
    params = {"models": "gpt-image-2", "page_size": "100"}
    page = await core.ask("GET", CHANNELS, params=params, headers=OPERATOR)
    found = {item["name"].removeprefix("channels/"): item for item in page["channels"]}
    assert all("gpt-image-2" in item["models"] for item in found.values())
    one = found["openai-a"]
    assert (one["provider"], one["dialect"], one["region"]) == (
        "openai",
        "openai_images",
        "simulator",
    )
    assert one["credential_present"] is True
    wrong = await core.http.get(CHANNELS, params={"models": "nothing"}, headers=OPERATOR)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "models")


async def test_health_is_shown_by_operation(core: Whole) -> None:
    only = {"x-reapi-routing": "only=openai-a"}
    ask = {"model": "gpt-image-2", "prompt": "a cat"}
    await core.http.post("/v1/images/generations", json=ask, headers=only)
    health = (await shown(core, "openai-a"))["health"]
    assert [item["operation"] for item in health] == ["image.generate"]


async def test_only_the_operator_may(core: Whole) -> None:
    for method, path in (("GET", CHANNELS), ("PATCH", f"{CHANNELS}/openai-a")):
        answer = await core.http.request(
            method, path, json={"weight": 1} if method != "GET" else None
        )
        assert answer.status_code == 403, answer.text
