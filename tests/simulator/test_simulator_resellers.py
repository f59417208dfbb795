"""Simulated kie.ai, OpenRouter and WaveSpeed over plain HTTP: callbacks, signatures, refusals."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiohttp import web
from fix_simulator import until

from simulator import Fault, Knobs, SimulatedChannel, Simulator

KEY = "reseller-simulated-key"
NAMES = ("kie", "openrouter", "wavespeed")
HEADERS = {"authorization": f"Bearer {KEY}", "user-agent": "Mozilla/5.0 (X11; Linux x86_64)"}
MARKER = "moderation_blocked"
VIDEO = {"prompt": "a fox", "resolution": "480p", "duration": 4}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(name, KEY, name) for name in NAMES]) as opened:
        opened.configure(Knobs(queue_ms=0, run_ms=0))
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers=HEADERS, trust_env=False) as opened:
        yield opened


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Take callbacks: their headers, by lower-case name, and bodies."""
    told: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        told.append((headers, await request.read()))
        return web.Response()

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", told
    finally:
        await runner.cleanup()


async def test_kie_tells_a_callback_what_a_look_would(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    base = f"{simulator.base_url('kie')}/api/v1"
    async with receiver() as (url, told):
        body = {"model": "bytedance/seedance-2", "input": VIDEO, "callBackUrl": url}
        made = (await http.post(f"{base}/jobs/createTask", json=body)).json()
        await until(lambda: bool(told))
    path = f"{base}/jobs/recordInfo?taskId={made['data']['taskId']}"
    shown = (await http.get(path)).json()

    assert json.loads(told[0][1]) == shown
    assert shown["data"]["state"] == "success"
    assert len(json.loads(shown["data"]["resultJson"])["resultUrls"]) == 1
    assert json.loads(shown["data"]["param"])["input"] == {"resolution": "480p", "duration": 4}


async def test_openrouter_signs_its_callbacks(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    async with receiver() as (url, told):
        body = {"model": "google/veo-3.1", **VIDEO, "resolution": "720p", "callback_url": url}
        made = await http.post(f"{simulator.base_url('openrouter')}/api/v1/videos", json=body)
        assert (made.status_code, made.json()["status"]) == (202, "pending")
        await until(lambda: bool(told))
    headers, sent = told[0]
    stamp, signature = headers["x-openrouter-signature"].split(",")
    signed = stamp.removeprefix("t=").encode() + b"," + sent

    assert signature == f"v1={hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()}"
    assert json.loads(sent)["type"] == "video.generation.completed"


async def test_wavespeed_signs_its_webhooks(simulator: Simulator, http: httpx.AsyncClient) -> None:
    base = f"{simulator.base_url('wavespeed')}/api/v3"
    secret = (await http.get(f"{base}/webhook/secret")).json()["data"]["secret"]
    async with receiver() as (url, told):
        path = f"{base}/google/nano-banana/text-to-image"
        await http.post(path, params={"webhook": url}, json={"prompt": "a fox"})
        await until(lambda: bool(told))
    headers, sent = told[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + sent
    key = secret.removeprefix("whsec_").encode()

    assert headers["webhook-signature"] == f"v3,{hmac.new(key, signed, hashlib.sha256).hexdigest()}"
    assert json.loads(sent)["status"] == "completed"


async def test_kie_answers_failures_with_200(simulator: Simulator, http: httpx.AsyncClient) -> None:
    url = f"{simulator.base_url('kie')}/api/v1/jobs/createTask"
    grok = {"prompt": "a fox", "duration": 6}
    cases: list[tuple[Any, int, str]] = [
        ({"model": "nothing", "input": {}}, 422, "model"),
        ({"model": "grok-imagine/text-to-video", "input": grok}, 500, "it must be a string"),
        ({"model": "grok-imagine/text-to-video", "input": {}}, 500, "This field is required"),
        ({"model": "grok-imagine/text-to-video"}, 500, "This field is required"),
        (
            {
                "model": "nano-banana-2",
                "input": {"prompt": "x", "image_input": ["data:image/png;base64,AAAA"]},
            },
            500,
            "is invalid",
        ),
    ]
    for body, code, words in cases:
        answer = await http.post(url, json=body)
        assert (answer.status_code, answer.json()["code"]) == (200, code)
        assert words in answer.json()["msg"]
    stranger = {**HEADERS, "authorization": "Bearer wrong"}
    assert (await http.post(url, json={}, headers=stranger)).json()["code"] == 401
    robot = await http.post(url, json={}, headers={"user-agent": "python"})
    assert (robot.status_code, robot.content) == (403, b"error code: 1010")


async def test_veo_at_kie_has_calls_of_its_own(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    base = f"{simulator.base_url('kie')}/api/v1"
    body = {"model": "veo3_fast", "prompt": "a fox", "aspect_ratio": "9:16"}
    made = (await http.post(f"{base}/veo/generate", json=body)).json()["data"]["taskId"]
    shown = (await http.get(f"{base}/veo/record-info?taskId={made}")).json()["data"]

    assert shown["successFlag"] == 1
    assert len(shown["response"]["resultUrls"]) == 1
    other = await http.get(f"{base}/jobs/recordInfo?taskId={made}")
    assert other.json()["code"] == 404


async def test_openrouter_makes_several_images_inline(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    url = f"{simulator.base_url('openrouter')}/api/v1/images"
    body = {"model": "openai/gpt-image-2", "prompt": "a fox", "n": 2, "size": "64x48"}
    made = (await http.post(url, json=body)).json()

    assert [item["media_type"] for item in made["data"]] == ["image/png"] * 2
    pictures = [base64.b64decode(item["b64_json"]) for item in made["data"]]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert made["usage"]["total_tokens"] > 0


async def test_openrouter_refuses_in_its_envelope(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    base = f"{simulator.base_url('openrouter')}/api/v1"
    frame = {"type": "image_url", "image_url": {"url": "https://files.example/x"}}
    cases: list[tuple[str, Any, int, str]] = [
        ("images", {"model": "nothing", "prompt": "x"}, 400, "not a valid model"),
        ("images", {"model": "openai/gpt-image-2"}, 400, "prompt is required"),
        ("images", {"model": "openai/gpt-image-2", "prompt": MARKER}, 403, "moderation"),
        ("videos", {"model": "google/veo-3.1", "resolution": "4k"}, 400, "resolution"),
        ("videos", {"model": "google/veo-3.1", "frame_images": [frame]}, 400, "frame_images"),
        ("videos", {"model": "google/veo-3.1", "input_references": [{}]}, 400, "references"),
        ("videos", [], 400, "Invalid"),
    ]
    for path, body, code, words in cases:
        answer = await http.post(f"{base}/{path}", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (code, code)
        assert words in answer.json()["error"]["message"]
    assert (await http.get(f"{base}/videos/nothing")).status_code == 404


async def test_a_video_at_openrouter_is_read_with_the_key_once_it_is_there(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    base = f"{simulator.base_url('openrouter')}/api/v1"
    simulator.configure(Knobs(queue_ms=60_000))
    body = {"model": "google/veo-3.1", **VIDEO, "resolution": "720p"}
    waiting = (await http.post(f"{base}/videos", json=body)).json()["id"]
    simulator.configure(Knobs(queue_ms=0, run_ms=0))
    made = (await http.post(f"{base}/videos", json=body)).json()["id"]

    assert (await http.get(f"{base}/videos/{waiting}/content")).status_code == 404
    content = await http.get(
        f"{base}/videos/{made}/content?index=0", headers={"range": "bytes=4-7"}
    )
    assert (content.status_code, content.content) == (206, b"ftyp")
    assert (await http.get(f"{base}/videos/{made}/content?index=1")).status_code == 404
    async with httpx.AsyncClient(trust_env=False) as stranger:
        assert (await stranger.get(f"{base}/videos/{made}/content")).status_code == 401


async def test_wavespeed_forgets_what_is_deleted(
    simulator: Simulator, http: httpx.AsyncClient
) -> None:
    base = f"{simulator.base_url('wavespeed')}/api/v3"
    path = f"{base}/google/nano-banana/text-to-image"
    made = (await http.post(path, json={"prompt": "a fox"})).json()["data"]["id"]

    assert (await http.delete(f"{base}/predictions/{made}")).status_code == 200
    assert (await http.get(f"{base}/predictions/{made}/result")).status_code == 404
    assert simulator.books()["wavespeed"].made == 1


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("kie", "/api/v1/jobs/createTask", {"model": "nano-banana-2", "input": {"prompt": "x"}}),
        ("openrouter", "/api/v1/videos", {"model": "google/veo-3.1", "prompt": "x"}),
        ("wavespeed", "/api/v3/google/nano-banana/text-to-image", {"prompt": "x"}),
    ],
)
async def test_a_lost_submission_made_a_job_all_the_same(
    simulator: Simulator, http: httpx.AsyncClient, name: str, path: str, body: dict[str, Any]
) -> None:
    await simulator.set_fault(name, Fault("lost"))
    with pytest.raises(httpx.RemoteProtocolError):
        await http.post(simulator.base_url(name) + path, json=body)

    assert simulator.books()[name].made == 1
