"""fal's own Python client, unmodified, against simulated fal."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import aiohttp
import pytest
from aiohttp import web
from fix_simulator import until
from PIL import Image

from simulator import Fault, Knobs, SimulatedChannel, Simulator

pytestmark = pytest.mark.prove

fal_client = pytest.importorskip("fal_client")

KEY = "fal-sim-0123456789abcdef:secret"
VEO = "fal-ai/veo3.1/fast"
VIDEO = {"prompt": "a fox", "duration": "4s", "resolution": "720p", "seed": 7}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel("fal-a", KEY, "fal")]) as opened:
        opened.configure(Knobs(queue_ms=0, run_ms=0))
        yield opened


@pytest.fixture
async def client(simulator: Simulator, monkeypatch: pytest.MonkeyPatch):
    # The client takes another host from the environment, but no other scheme than https.
    base = f"{simulator.base_url('fal-a')}/"
    monkeypatch.setattr("fal_client.client.QUEUE_URL_FORMAT", base)
    opened = fal_client.AsyncClient(key=KEY, default_timeout=10)
    yield opened
    await closed(opened)


async def closed(client) -> None:
    """Close its connections: it has no method for that."""
    await (await client._client).aclose()


async def fetched(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return await response.read()


async def test_subscribing_gives_the_images(client):
    output = await client.subscribe(
        "openai/gpt-image-2",
        {"prompt": "a fox", "num_images": 2, "image_size": {"width": 1536, "height": 1024}},
    )

    assert len(output["images"]) == 2
    first = output["images"][0]
    with Image.open(io.BytesIO(await fetched(first["url"]))) as image:
        assert (image.format, image.size) == ("PNG", (1536, 1024))
    assert (first["content_type"], first["width"], first["height"]) == ("image/png", 1536, 1024)


async def test_a_request_is_queued_runs_and_ends_in_a_video(client, simulator):
    simulator.configure(Knobs(queue_ms=100, run_ms=100))
    handle = await client.submit(VEO, VIDEO)
    seen = [await handle.status(with_logs=True)]
    while not isinstance(seen[-1], fal_client.Completed):
        seen.append(await handle.status())
    output = await handle.get()

    # A slow machine may miss a state, never see one out of turn.
    life = [fal_client.Queued, fal_client.InProgress, fal_client.Completed]
    assert [life.index(type(each)) for each in seen] == sorted(life.index(type(e)) for e in seen)
    assert (seen[-1].error, seen[-1].error_type) == (None, None)
    assert output["seed"] == 7
    assert (await fetched(output["video"]["url"]))[4:8] == b"ftyp"


async def test_the_paths_that_the_client_makes_up_are_the_same(client, simulator):
    handle = await client.submit(VEO, VIDEO)
    found = await client.get_handle(VEO, handle.request_id)

    assert (found.status_url, found.response_url, found.cancel_url) == (
        handle.status_url,
        handle.response_url,
        handle.cancel_url,
    )
    assert handle.status_url.startswith(f"{simulator.base_url('fal-a')}/fal-ai/veo3.1/requests/")
    assert "video" in await client.result(VEO, handle.request_id)


async def test_a_queued_request_is_cancelled_and_a_running_one_goes_on(client, simulator):
    simulator.configure(Knobs(queue_ms=60_000))
    queued = await client.submit(VEO, VIDEO)
    await queued.cancel()
    status = await queued.status()

    assert (type(status), status.error_type) == (fal_client.Completed, "client_cancelled")
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await queued.get()
    assert caught.value.error_type == "client_cancelled"
    simulator.configure(Knobs(queue_ms=0, run_ms=60_000))
    running = await client.submit(VEO, VIDEO)
    await running.cancel()
    assert isinstance(await running.status(), fal_client.InProgress)
    simulator.configure(Knobs(queue_ms=0, run_ms=0))
    done = await client.submit(VEO, VIDEO)
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await done.cancel()
    assert caught.value.response.json() == {"status": "ALREADY_COMPLETED"}


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"prompt": "moderation_blocked"}, "content_policy_violation"),
        ({}, "missing"),
        ({"prompt": "a fox", "duration": "5s"}, "one_of"),
        ({"prompt": "a fox", "seed": -1}, "greater_than_equal"),
        ({"prompt": 5}, "value_error"),
    ],
)
async def test_a_refusal_comes_with_the_result_and_is_typed(client, arguments, kind):
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await client.subscribe(VEO, arguments)

    (detail,) = caught.value.response.json()["detail"]
    assert (caught.value.status_code, caught.value.error_type) == (422, kind)
    assert (detail["type"], detail["loc"][0]) == (kind, "body")


async def test_a_job_can_fail_on_its_way(client, simulator):
    await simulator.set_fault("fal-a", Fault("job_fails", code="runner_disconnected"))
    handle = await client.submit(VEO, VIDEO)
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await handle.get()

    assert (caught.value.status_code, caught.value.error_type) == (503, "runner_disconnected")
    assert (await handle.status()).error_type == "runner_disconnected"


async def test_errors_of_the_account_are_typed(client, simulator):
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await client.submit("fal-ai/unknown", {})
    assert caught.value.status_code == 404
    await simulator.set_fault("fal-a", Fault("status", status=403, times=1))
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await client.submit(VEO, VIDEO)
    assert caught.value.message.startswith("User is locked. Reason: Exhausted balance.")
    stranger = fal_client.AsyncClient(key="wrong", default_timeout=10)
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await stranger.submit(VEO, VIDEO)
    await closed(stranger)
    assert caught.value.status_code == 401


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, list[tuple[dict, bytes]]]]:
    """Take webhooks: their headers and bodies."""
    told: list[tuple[dict, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        told.append((dict(request.headers), await request.read()))
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


async def test_a_webhook_tells_the_end_and_shows_who_signed_it(client, simulator):
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    async with receiver() as (url, told):
        handle = await client.submit(VEO, VIDEO, webhook_url=url)
        await until(lambda: len(told) == 1)
        await client.submit(VEO, {"prompt": "moderation_blocked"}, webhook_url=url)
        await until(lambda: len(told) == 2)
    keys = json.loads(await fetched(f"{simulator.base_url('fal-a')}/.well-known/jwks.json"))

    (headers, body), (_, failed) = told
    document = json.loads(body)
    assert (document["request_id"], document["status"]) == (handle.request_id, "OK")
    assert document["payload"]["video"]["url"] == (await handle.get())["video"]["url"]
    assert json.loads(failed)["status"] == "ERROR"
    assert json.loads(failed)["payload"]["detail"][0]["type"] == "content_policy_violation"
    given = {name.lower().removeprefix("x-fal-webhook-"): each for name, each in headers.items()}
    lines = (given["request-id"], given["user-id"], given["timestamp"], sha256(body).hexdigest())
    public = ed25519.Ed25519PublicKey.from_public_bytes(unpadded(keys["keys"][0]["x"]))
    # Raises if it is not.
    public.verify(bytes.fromhex(given["signature"]), "\n".join(lines).encode())


def unpadded(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def platform(simulator: Simulator, query: str, key: str = KEY) -> tuple[int, dict]:
    url = f"{simulator.base_url('fal-a')}/v1/models/requests/by-endpoint?{query}"
    headers = {"authorization": f"Key {key}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status, await response.json()


async def test_the_platform_api_lists_requests_by_endpoint_without_words(client, simulator):
    ids = [(await client.submit(VEO, VIDEO | {"seed": seed})).request_id for seed in range(3)]
    await client.submit("openai/gpt-image-2", {"prompt": "a fox"})

    status, page = await platform(simulator, f"endpoint_id={VEO}&expand=payloads&limit=2")
    assert status == 200
    assert [item["request_id"] for item in page["items"]] == [ids[2], ids[1]]
    assert [item["json_input"]["seed"] for item in page["items"]] == [2, 1]
    assert "a fox" not in json.dumps(page)
    assert page["has_more"]
    _, last = await platform(simulator, f"endpoint_id={VEO}&limit=2&cursor={page['next_cursor']}")
    assert [item["request_id"] for item in last["items"]] == [ids[0]]
    assert "json_input" not in last["items"][0]
    assert not last["has_more"]


async def test_the_platform_api_has_errors_of_its_own(simulator):
    for query, key, status, kind in (
        ("endpoint_id=a", "wrong", 401, "authorization_error"),
        ("", KEY, 400, "validation_error"),
        ("endpoint_id=a&limit=x", KEY, 400, "validation_error"),
        ("endpoint_id=a&limit=1000", KEY, 400, "validation_error"),
    ):
        found, body = await platform(simulator, query, key)
        assert (found, body["error"]["type"]) == (status, kind)


async def test_a_result_that_is_not_there_yet_is_a_400(client, simulator):
    simulator.configure(Knobs(queue_ms=60_000))
    handle = await client.submit(VEO, VIDEO)
    headers = {"authorization": f"Key {KEY}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(handle.response_url) as result,
        session.get(handle.status_url) as status,
    ):
        assert (result.status, await result.json()) == (
            400,
            {"detail": "Request is still in progress"},
        )
        assert status.status == 202
