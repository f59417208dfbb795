"""Simulated Topaz over plain HTTP: its order of calls, and what it refuses."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from simulator import Fault, Knobs, SimulatedChannel, Simulator
from tests.films import film

KEY = "topaz-simulated-key"
FILM = film(size=(64, 48))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel("enhance-a", KEY, "topaz")]) as opened:
        opened.configure(Knobs(queue_ms=0, run_ms=0))
        yield opened


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    base, headers = simulator.base_url("enhance-a"), {"x-api-key": KEY}
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as opened:
        yield opened


def order(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "source": {
            "container": "mp4",
            "size": len(FILM),
            "duration": 1.0,
            "frameCount": 10,
            "frameRate": 10,
            "resolution": {"width": 64, "height": 48},
        },
        "filters": [{"model": "prob-4", "videoType": "Progressive", "auto": "Auto"}],
        "output": {
            "resolution": {"width": 128, "height": 96},
            "frameRate": 10,
            "audioTransfer": "Copy",
            "audioCodec": "AAC",
            "dynamicCompressionLevel": "High",
            "videoEncoder": "H264",
        },
    }
    for path, value in changes.items():
        place, name = body, path
        while "__" in name:
            head, _, name = name.partition("__")
            place = place[head]
        place[name] = value
    return body


async def ordered(http: httpx.AsyncClient, **changes: Any) -> str:
    answer = await http.post("/video/", json=order(**changes))
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["requestId"]
    return found


async def accepted(http: httpx.AsyncClient, request_id: str) -> str:
    answer = await http.patch(f"/video/{request_id}/accept")
    assert answer.status_code == 202
    (url,) = answer.json()["urls"]
    return str(url)


async def put(url: str, data: bytes = FILM) -> httpx.Response:
    """Without the key: another host's business."""
    async with httpx.AsyncClient(trust_env=False) as stranger:
        return await stranger.put(url, content=data)


async def completed(http: httpx.AsyncClient, request_id: str, etag: str) -> httpx.Response:
    body = {"uploadResults": [{"partNum": 1, "eTag": etag}]}
    return await http.patch(f"/video/{request_id}/complete-upload/", json=body)


async def status(http: httpx.AsyncClient, request_id: str) -> dict[str, Any]:
    answer = await http.get(f"/video/{request_id}/status")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def line(http: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await http.get("/video/history")).json()["result"][0]
    return found


async def test_a_request_goes_through_every_state(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    request_id = await ordered(http)
    assert (await status(http, request_id))["status"] == "requested"
    url = await accepted(http, request_id)
    assert (await status(http, request_id))["status"] == "accepted"
    answer = await put(url)
    again = await put(url)
    assert answer.headers["etag"] == again.headers["etag"]
    simulator.configure(Knobs(queue_ms=60_000))
    assert (await completed(http, request_id, answer.headers["etag"])).status_code == 202

    assert (await status(http, request_id))["status"] == "initializing"
    assert [each["operation"] for each in (await line(http))["transactions"]] == ["reserve"]
    assert (await http.get("/video/status")).json()["isAvailable"]


async def test_a_finished_one_has_a_fresh_link_each_time(http: httpx.AsyncClient) -> None:
    request_id = await ordered(http)
    answer = await put(await accepted(http, request_id))
    await completed(http, request_id, answer.headers["etag"].strip('"'))
    first, second = await status(http, request_id), await status(http, request_id)

    assert (first["status"], first["progress"]) == ("complete", 100)
    assert first["download"]["expiresIn"] == 86_400_000
    assert second["download"]["expiresAt"] >= first["download"]["expiresAt"]
    cost = first["estimates"]["cost"][0]
    assert (await line(http))["transactions"] == [
        {"operation": "reserve", "amount": cost},
        {"operation": "commit", "amount": cost},
    ]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"source__container": "webm"}, "source.container"),
        ({"source__duration": 0}, "source.duration"),
        ({"source__frameCount": None}, "source.frameCount"),
        ({"source__size": 600 << 20}, "source.size"),
        ({"source__resolution__width": 1.5}, "source.resolution.width"),
        ({"filters": []}, "filters"),
        ({"filters": [{"model": "nothing-1"}]}, "filters[0].model"),
        ({"output__audioCodec": None}, "output.audioCodec"),
        ({"output__resolution__width": 5000}, "output.resolution.width"),
        ({"output": None}, "output"),
    ],
)
async def test_a_wrong_order_is_refused(
    http: httpx.AsyncClient, changes: dict[str, Any], named: str
) -> None:
    answer = await http.post("/video/", json=order(**changes))

    assert answer.status_code == 400
    assert named in answer.json()["message"]


async def test_a_step_out_of_turn_is_refused(http: httpx.AsyncClient) -> None:
    request_id = await ordered(http)
    assert (await completed(http, request_id, "x")).status_code == 409
    url = await accepted(http, request_id)
    assert (await http.patch(f"/video/{request_id}/accept")).status_code == 409
    assert (await completed(http, request_id, "x")).status_code == 400
    answer = await put(url)
    assert (await completed(http, request_id, "wrong")).status_code == 400
    assert (await completed(http, request_id, answer.headers["etag"])).status_code == 202
    assert (await completed(http, request_id, answer.headers["etag"])).status_code == 409
    assert (await put(url)).status_code == 404
    assert (await http.delete(f"/video/{request_id}")).status_code == 409
    for method, path in (("PATCH", "accept"), ("GET", "status")):
        assert (await http.request(method, f"/video/nothing/{path}")).status_code == 404


async def test_an_upload_needs_a_link_that_was_given(http: httpx.AsyncClient) -> None:
    url = await accepted(http, await ordered(http))

    assert (await put(url.replace("X-Tos-Signature=", "X-Tos-Signature=0"))).status_code == 403
    assert (await put(url.replace("/1?", "/2?"))).status_code == 403
    async with httpx.AsyncClient(trust_env=False) as stranger:
        assert (await stranger.post(url, content=FILM)).status_code == 405


@pytest.mark.parametrize("data", [b"no film", FILM[:-20], film(size=(64, 64))])
async def test_what_is_not_the_file_that_was_announced_fails_and_is_refunded(
    http: httpx.AsyncClient, data: bytes
) -> None:
    request_id = await ordered(http)
    answer = await put(await accepted(http, request_id), data)
    await completed(http, request_id, answer.headers["etag"])
    ended = await status(http, request_id)

    assert (ended["status"], ended["errorCode"]) == ("failed", "INVALID_INPUT")
    assert [each["operation"] for each in (await line(http))["transactions"]] == [
        "reserve",
        "rollback",
    ]


async def test_nobody_without_the_key_is_answered(simulator: Simulator) -> None:
    async with httpx.AsyncClient(
        base_url=simulator.base_url("enhance-a"), trust_env=False
    ) as stranger:
        answers = [await stranger.get("/video/status"), await stranger.post("/video/", json={})]

    assert [(one.status_code, one.json()) for one in answers] == [
        (401, {"message": "Unauthorized"})
    ] * 2


async def test_credits_that_are_missing_show_at_the_acceptance(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    await simulator.set_fault("enhance-a", Fault("status", status=402, on="call"))
    answer = await http.patch(f"/video/{await ordered(http)}/accept")

    assert (answer.status_code, answer.json()) == (402, {"message": "Insufficient credits"})
