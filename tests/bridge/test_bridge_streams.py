"""`stream: true`: server-sent events, byte for byte."""

import asyncio
import base64

import openai
import pytest

from tests.bridge.scripted_core import (
    CREATED,
    GENERATION_ID,
    WAIT,
    FakeCore,
    accepted,
    attempt,
    completed,
    failed,
    outputs,
    picture,
    status,
    success,
)
from tests.bridge.scripted_previews import partials
from tests.fix_bridge import Bridge

URL = "/v1/images/generations"
ASK = {"model": "gpt-image-2", "prompt": "a red square", "stream": True}


async def test_the_sdk_sees_partials_and_one_completed_event_last(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    preview, final = picture(size=(4, 4)), picture()
    fake_core.script = [
        accepted(),
        attempt(),
        *partials(preview, 0, piece=10),
        *partials(preview, 1),
        *outputs(final, piece=7),
        completed(),
    ]

    stream = await bridge.openai.images.generate(**ASK, partial_images=2)
    events = [event async for event in stream]

    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    assert base64.b64decode(events[0].b64_json) == preview
    assert base64.b64decode(events[2].b64_json) == final
    assert events[2].usage.total_tokens == 115
    assert fake_core.calls[0].start.spec.partial_count == 2


async def test_the_frames_are_exactly_openai_s(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.script = [accepted(), *partials(b"prev"), *outputs(b"final!"), completed()]

    answer = await bridge.http.post(URL, json={**ASK, "quality": "low"})

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-reapi-generation"] == GENERATION_ID
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-ratelimit-limit-requests"] == "60"
    assert "x-reapi-credits" not in answer.headers
    usage = (
        '{"input_tokens":15,"output_tokens":100,"total_tokens":115,'
        '"input_tokens_details":{"image_tokens":5,"text_tokens":10},'
        '"output_tokens_details":{"image_tokens":90,"text_tokens":10}}'
    )
    assert answer.text == (
        "event: image_generation.partial_image\n"
        'data: {"type":"image_generation.partial_image","b64_json":"cHJldg==",'
        f'"partial_image_index":0,"created_at":{CREATED},"size":"auto","quality":"low",'
        '"background":"auto","output_format":"png"}\n'
        "\n"
        "event: image_generation.completed\n"
        'data: {"type":"image_generation.completed","b64_json":"ZmluYWwh",'
        f'"created_at":{CREATED},"size":"1024x1024","quality":"high","background":"opaque",'
        f'"output_format":"png","usage":{usage}}}\n'
        "\n"
    )


async def test_without_partials_a_stream_is_just_the_completed_event(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    answer = await bridge.http.post(URL, json={**ASK, "partial_images": 0})

    assert answer.text.count("event:") == 1
    assert answer.text.startswith("event: image_generation.completed\n")
    assert answer.headers["x-reapi-credits"] == "7.5"
    assert fake_core.calls[0].start.spec.partial_count == 0


async def test_several_images_have_one_event_each_and_the_usage_adds_up(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = success(picture(), picture(size=(3, 3)), b"z" * 200_000)

    stream = await bridge.openai.images.generate(**{**ASK, "n": 3})
    events = [event async for event in stream]

    assert [event.type for event in events] == ["image_generation.completed"] * 3
    assert [event.usage.total_tokens for event in events] == [0, 0, 115]
    assert base64.b64decode(events[2].b64_json) == b"z" * 200_000


@pytest.mark.parametrize(
    ("model", "asked", "key"), [("flux", None, "b64_json"), ("flux", "url", "url")]
)
async def test_a_stream_carries_images_unless_urls_are_asked_for(
    bridge: Bridge, model: str, asked: str | None, key: str
) -> None:
    answer = await bridge.http.post(URL, json={**ASK, "model": model, "response_format": asked})

    assert f'{{"type":"image_generation.completed","{key}":"' in answer.text


async def test_an_error_before_the_first_output_is_a_real_http_error(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [accepted(), attempt(), failed(status("UPSTREAM_TIMEOUT", "Too slow."))]

    answer = await bridge.http.post(URL, json=ASK)

    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "upstream_timeout"


async def test_an_error_after_a_partial_is_a_last_frame_that_both_sdks_raise(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [
        accepted(),
        *partials(b"prev"),
        failed(status("STREAM_INTERRUPTED", "Cut.")),
    ]

    answer = await bridge.http.post(URL, json=ASK)
    assert answer.status_code == 200
    assert answer.text.endswith(
        'data: {"error":{"message":"Cut.","type":"server_error","param":null,'
        '"code":"stream_interrupted"}}\n\n'
    )

    with pytest.raises(openai.APIError) as caught:
        async for _ in await bridge.openai.images.generate(**ASK):
            pass
    assert caught.value.code == "stream_interrupted"


async def test_headers_wait_for_a_heartbeat_at_most_and_pings_are_comments(
    start_bridge, fake_core: FakeCore
) -> None:
    go_on = asyncio.Event()
    fake_core.script = [accepted(), go_on.wait, *outputs(b"final!"), completed()]
    bridge = await start_bridge(heartbeat_seconds=0.05)

    async with bridge.http.stream("POST", URL, json=ASK) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_raw()
        first = await anext(lines)
        go_on.set()
        rest = b"".join([chunk async for chunk in lines])

    text = (first + rest).decode()
    assert text.startswith(": ping\n\n")
    assert text.replace(": ping\n\n", "").startswith("event: image_generation.completed\n")
    assert "x-reapi-credits" not in answer.headers


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        (URL, ASK),
        ("/v1/audio/speech", {"model": "m", "input": "a", "voice": "v", "stream_format": "sse"}),
    ],
    ids=["images", "speech"],
)
async def test_nobody_hears_a_heartbeat_before_the_call_is_admitted(
    start_bridge, fake_core: FakeCore, path: str, ask: dict[str, object]
) -> None:
    fake_core.admit.clear()
    fake_core.refusal = status("OVERLOADED", "Too busy.")
    bridge = await start_bridge(heartbeat_seconds=0.01)
    asking = asyncio.ensure_future(bridge.http.post(path, json=ask))
    await fake_core.called()
    await asyncio.sleep(0.1)  # ten heartbeats

    fake_core.admit.set()

    assert (await asking).status_code == 503


async def test_the_sdk_survives_pings(start_bridge, fake_core: FakeCore) -> None:
    fake_core.script = [
        accepted(),
        lambda: asyncio.sleep(0.12),
        *partials(b"prev"),
        lambda: asyncio.sleep(0.12),
        *outputs(b"final!"),
        completed(),
    ]
    bridge = await start_bridge(heartbeat_seconds=0.05)

    events = [event async for event in await bridge.openai.images.generate(**ASK)]

    assert len(events) == 2


async def test_a_stream_that_outlives_the_limit_ends_with_an_error_frame(
    start_bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [accepted(), *partials(b"prev"), asyncio.Event().wait]
    bridge = await start_bridge(sync_seconds=0.2)

    answer = await bridge.http.post(URL, json=ASK)

    assert '"code":"still_running"' in answer.text.split("\n\n")[-2]
    assert fake_core.calls[0].start.detached


async def test_no_id_and_no_retry_line_ever_appears_under_v1(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    answer = await bridge.http.post(URL, json=ASK)

    fields = {line.split(":", 1)[0] for line in answer.text.splitlines() if line}
    assert fields == {"event", "data"}


async def test_a_caller_who_leaves_in_the_middle_cancels_the_call(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [accepted(), *partials(b"prev"), asyncio.Event().wait]

    async with bridge.http.stream("POST", URL, json=ASK) as answer:
        await anext(answer.aiter_raw())
    await bridge.http.aclose()

    await asyncio.wait_for(fake_core.calls[0].cancelled.wait(), WAIT)
    assert fake_core.abandoned.empty()
    assert bridge.defects == []
