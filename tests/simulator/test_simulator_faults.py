"""Each fault as a plain HTTP client sees it."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from fix_simulator import SIMULATED_CHANNELS, until

from simulator import Fault, Knobs, Simulator
from tests.simulator.image_callers import GENERATE, Caller


@pytest.fixture
async def caller(simulator: Simulator, simulated_credentials) -> AsyncIterator[Caller]:
    simulator.configure(Knobs(image="tiny"))
    opened = Caller(simulator, simulated_credentials["openai-a"])
    async with opened.session:
        yield opened
    for writer in opened.writers:
        writer.close()


def last_call(simulator: Simulator):
    return simulator.calls.newest()[-1]


async def arrived(simulator: Simulator, count: int) -> None:
    """Wait until openai-a has been called *count* times."""
    await until(lambda: simulator.calls.counts()["openai-a"] >= count)


async def ended(simulator: Simulator):
    """Wait until no call is running any more, and give the last one."""
    await until(lambda: all(call.outcome != "running" for call in simulator.calls.newest()))
    return last_call(simulator)


@pytest.mark.parametrize(
    ("status", "code", "type_", "expected_code"),
    [
        (400, "content_policy_violation", "invalid_request_error", "content_policy_violation"),
        (400, "moderation_blocked", "image_generation_user_error", "moderation_blocked"),
        (401, None, "invalid_request_error", "invalid_api_key"),
        (403, None, "invalid_request_error", None),
        (403, "unsupported_country_region_territory", "request_forbidden", ...),
        (404, None, "invalid_request_error", "model_not_found"),
        (409, None, "invalid_request_error", None),
        (429, None, "requests", "rate_limit_exceeded"),
        (429, "credit_balance_exhausted", "insufficient_quota", "credit_balance_exhausted"),
        (500, None, "server_error", None),
        (503, None, "service_unavailable_error", "server_is_overloaded"),
        (503, "slow_down", "service_unavailable_error", "slow_down"),
    ],
)
async def test_a_status_comes_with_openais_body(caller, status, code, type_, expected_code):
    await caller.fail("status", status=status, code=code)
    got, headers, body = await caller.answer()

    error = json.loads(body)["error"]
    assert got == status
    assert headers["content-type"] == "application/json"
    assert error["type"] == type_
    assert error["code"] == (code if expected_code is ... else expected_code)
    assert error["message"]
    assert {"param", "message", "type", "code"} <= set(error)


async def test_a_429_says_when_to_come_back(caller):
    await caller.fail("status", status=429, retry_after=7)
    _, headers, _ = await caller.answer()

    assert headers["retry-after"] == "7"
    assert headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize("status", [202, 204, 302])
async def test_a_status_below_400_comes_without_a_body(caller, status):
    await caller.fail("status", status=status)

    got, _, body = await caller.answer()
    assert (got, body) == (status, b"")


@pytest.mark.parametrize("status", [502, 504, 520])
async def test_a_status_of_the_edge_comes_as_its_html_page(caller, status):
    await caller.fail("status", status=status)
    got, headers, body = await caller.answer()

    assert (got, headers["content-type"]) == (status, "text/html")
    assert b"cloudflare" in body


async def test_a_stream_can_fail_half_way_with_an_error_event(caller):
    await caller.fail("status", status=500, after=2)
    status, _, body = await caller.answer(stream=True, partial_images=3)

    events = body.decode().strip().split("\n\n")
    assert status == 200
    assert [event.split("\n")[0] for event in events] == [
        "event: image_generation.partial_image",
        "event: image_generation.partial_image",
        "event: error",
    ]
    assert json.loads(events[-1].split("data: ")[1])["error"]["type"] == "server_error"


async def test_refused_means_connection_refused_until_healed_on_the_same_port(
    caller, simulator: Simulator
):
    url = caller.url
    for _ in range(3):
        await caller.fail("refuse")
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await caller.answer()
        assert isinstance(caught.value.os_error, ConnectionRefusedError)
        await simulator.clear_faults("openai-a")
        assert caller.url == url
        assert (await caller.answer())[0] == 200
    assert simulator.calls.counts()["openai-a"] == 3


async def test_refused_drops_idle_connections_but_lets_calls_in_flight_finish(
    caller, simulator: Simulator
):
    simulator.configure(Knobs(image="tiny", latency_ms=100))
    async with aiohttp.ClientSession() as keeping:

        async def call() -> int:
            post = keeping.post(caller.url, json=GENERATE, headers=caller.headers)
            async with post as response:
                await response.read()
                return response.status

        assert await call() == 200  # leaves an idle connection behind
        in_flight = asyncio.create_task(caller.answer())
        await arrived(simulator, 2)
        await caller.fail("refuse")
        with pytest.raises(aiohttp.ClientConnectorError):
            await call()
        assert (await in_flight)[0] == 200


async def test_another_fault_after_refuse_opens_the_port_again(caller):
    await caller.fail("refuse")
    await caller.fail("status", status=503)

    assert (await caller.answer())[0] == 503


async def test_reset_comes_before_the_headers(caller, simulator: Simulator):
    await caller.fail("reset")
    reader, _ = await caller.raw()
    with pytest.raises(ConnectionResetError):
        await reader.read(1)

    call = await ended(simulator)
    assert (call.outcome, call.fault, call.status, call.made) == ("faulted", "reset", None, 0)


async def test_reset_comes_after_so_many_bytes(caller, simulator: Simulator):
    await caller.fail("reset", after=100)
    reader, _ = await caller.raw()
    head = await reader.readuntil(b"\r\n\r\n")
    # One chunk of a chunked answer: its length in hexadecimal, then the bytes.
    chunk = await reader.readexactly(len(b"64\r\n") + 100 + len(b"\r\n"))
    with pytest.raises(ConnectionResetError):
        await reader.read(1)

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert chunk.startswith(b"64\r\nevent: image_generation.partial_image\n")
    assert (await ended(simulator)).made == 1


async def test_cut_and_lost_close_without_a_reset(caller):
    for kind in ("cut", "lost"):
        await caller.fail(kind)
        reader, _ = await caller.raw()
        received = await reader.read()
        assert received.endswith(b"\r\n\r\n") == (kind == "cut")


async def test_hang_sends_nothing_and_ends_when_the_caller_leaves(caller, simulator: Simulator):
    await caller.fail("hang")
    reader, writer = await caller.raw()
    await arrived(simulator, 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reader.read(1)
    assert last_call(simulator).outcome == "running"
    writer.close()

    call = await ended(simulator)
    assert (call.outcome, call.fault, call.status) == ("disconnected", "hang", None)


async def test_hang_can_fall_silent_after_so_many_events(caller, simulator: Simulator):
    await caller.fail("hang", after=2, unit="events")
    async with caller.post(stream=True, partial_images=3) as response:
        for _ in range(2):
            event = await response.content.readuntil(b"\n\n")
            assert event.startswith(b"event: image_generation.partial_image")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await response.content.read(1)
    assert (await ended(simulator)).status == 200


async def test_hanging_calls_end_at_once_when_the_simulator_closes(simulated_credentials):
    async with Simulator(SIMULATED_CHANNELS) as simulator:
        caller = Caller(simulator, simulated_credentials["openai-a"])
        await caller.fail("hang")
        calls = [asyncio.create_task(caller.answer()) for _ in range(20)]
        await arrived(simulator, 20)
        leaving = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - leaving < 1.0
    async with caller.session:
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, aiohttp.ClientError) for result in results)


async def test_slow_delays_the_headers(caller):
    await caller.fail("slow", delay_ms=80)
    started = asyncio.get_running_loop().time()
    assert (await caller.answer())[0] == 200

    assert asyncio.get_running_loop().time() - started >= 0.079


async def test_slow_drips_the_body_when_told_how_many_bytes_at_a_time(caller):
    await caller.fail("slow", delay_ms=5, after=100)
    started = asyncio.get_running_loop().time()
    _, _, body = await caller.answer()

    pieces = -(-len(body) // 100)
    assert json.loads(body)["data"]
    assert asyncio.get_running_loop().time() - started >= 0.005 * pieces


@pytest.mark.parametrize("after", [0, 1, 200, 1_000_000])
async def test_cut_closes_before_the_announced_length(caller, after):
    whole = await caller.answer()
    await caller.fail("cut", after=after)
    async with caller.post() as response:
        announced = int(response.headers["content-length"])
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()

    assert announced == len(whole[2])


@pytest.mark.parametrize(("after", "seen"), [(0, 0), (2, 2), (99, 3)])
async def test_cut_ends_a_stream_after_so_many_events_and_never_the_last(caller, after, seen):
    await caller.fail("cut", after=after)
    received = b""
    broken = False
    async with caller.post(stream=True, partial_images=3) as response:
        try:
            async for data in response.content.iter_any():
                received += data
        except aiohttp.ClientPayloadError:
            broken = True

    assert broken
    assert received.count(b"\n\n") == seen
    assert b"completed" not in received


async def test_garbage_is_html_with_status_200(caller):
    await caller.fail("garbage")
    status, headers, body = await caller.answer()

    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("variant", "data"),
    [("no_data", []), ("no_image", [{}]), ("null_image", [{"b64_json": None}])],
)
async def test_empty_is_a_success_without_an_image(caller, simulator, variant, data):
    await caller.fail("empty", variant=variant)
    status, _, body = await caller.answer()

    assert status == 200
    assert json.loads(body)["data"] == data
    assert last_call(simulator).made == 0


@pytest.mark.parametrize("variant", ["no_data", "no_image", "null_image"])
async def test_an_empty_stream_ends_without_an_image(caller, variant):
    await caller.fail("empty", variant=variant)
    _, _, body = await caller.answer(stream=True, partial_images=1)

    events = [json.loads(line[6:]) for line in body.decode().split("\n") if line[:5] == "data:"]
    finished = [event for event in events if event["type"] == "image_generation.completed"]
    assert events[0]["type"] == "image_generation.partial_image"
    assert len(finished) == (0 if variant == "no_data" else 1)
    assert all(not event.get("b64_json") for event in finished)


async def test_lost_does_the_work_and_never_answers(caller, simulator: Simulator):
    await caller.fail("lost")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await caller.answer(n=3)

    call = await ended(simulator)
    assert (call.outcome, call.fault, call.status, call.made) == ("faulted", "lost", None, 3)


@pytest.mark.parametrize("kind", ["job_fails", "job_hangs", "job_relents"])
async def test_faults_of_jobs_leave_calls_without_a_job_alone(caller, simulator, kind):
    await caller.fail(kind, times=1)

    assert (await caller.answer())[0] == 200
    assert simulator.faults()["openai-a"] == Fault(kind, times=1)


async def test_times_limits_a_fault_to_the_next_so_many_calls(caller, simulator: Simulator):
    await caller.fail("status", status=500, times=2)
    statuses = [(await caller.answer())[0] for _ in range(4)]

    assert statuses == [500, 500, 200, 200]
    assert simulator.faults()["openai-a"] is None


async def test_a_delay_comes_before_any_fault(caller):
    await caller.fail("status", status=500, delay_ms=80)
    started = asyncio.get_running_loop().time()
    assert (await caller.answer())[0] == 500

    assert asyncio.get_running_loop().time() - started >= 0.079


async def test_a_fault_stays_on_its_channel(caller, simulator: Simulator, simulated_credentials):
    await caller.fail("status", status=500)
    headers = {"authorization": f"Bearer {simulated_credentials['openai-b']}"}
    url = f"{simulator.base_url('openai-b')}/v1/images/generations"
    async with caller.session.post(url, json=GENERATE, headers=headers) as response:
        assert response.status == 200


async def test_a_caller_who_leaves_early_is_recorded_as_gone(caller, simulator: Simulator):
    simulator.configure(Knobs(image="tiny", latency_ms=60_000))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await caller.answer(n=2)

    call = await ended(simulator)
    assert (call.outcome, call.status, call.made) == ("disconnected", None, 2)
