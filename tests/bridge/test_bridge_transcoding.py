"""/api/v1: every annotated RPC as JSON over HTTP."""

import asyncio
import base64
import pkgutil

import grpc
import orjson
import pytest

import reapi.v1
from reapi.v1 import generation_service_pb2, webhook_service_pb2
from rest_bridge.errors import ApiError
from rest_bridge.proto_json import decode, decode_text, encode
from rest_bridge.transcoding import CONTRACT, bindings
from tests.bridge.scripted_core import (
    GENERATION_ID,
    GOOD_KEY,
    NAME,
    OPERATOR_TOKEN,
    WAIT,
    FakeCore,
    accepted,
    attempt,
    completed,
    failed,
    generation,
    outputs,
    status,
)
from tests.fix_bridge import Bridge

HEX = NAME.removeprefix("generations/")


def test_every_service_of_the_contract_is_transcoded() -> None:
    files = {file.name for file in CONTRACT}
    services = {
        f"reapi/v1/{module.name.removesuffix('_pb2')}.proto"
        for module in pkgutil.iter_modules(reapi.v1.__path__)
        if module.name.endswith("_service_pb2")
    }

    assert files == services


async def test_every_binding_is_a_route_that_core_answers(bridge: Bridge) -> None:
    """What the scripted core does not implement is UNIMPLEMENTED there: 404, never 405 or 500.

    What is the operator's is refused: 403.
    """
    for binding in bindings():
        path = binding.template
        while "{" in path:
            before, rest = path.split("{", 1)
            inner, after = rest.split("}", 1)
            _, _, pattern = inner.partition("=")
            path = before + (pattern or "*").replace("*", "x1") + after
        answer = await bridge.http.request(binding.method, path)
        assert answer.status_code in {200, 403, 404}, binding.template
        assert answer.headers["content-type"].startswith(("application/json", "text/event-stream"))
    assert bridge.defects == []


async def test_a_generation_is_read_with_proto_names_and_int64_as_text(bridge: Bridge) -> None:
    answer = await bridge.http.get(f"/api/v1/generations/{GENERATION_ID}")

    found = answer.json()["generation"]
    assert found["name"] == NAME
    assert found["charged_micros"] == "7500"
    assert found["attempt_count"] == 1
    assert found["state"] == "STATE_SUCCEEDED"
    assert found["create_time"] == "2023-11-14T22:13:20Z"
    assert found["assets"] == []
    assert answer.headers["x-reapi-generation"] == GENERATION_ID


async def test_a_zero_is_shown_and_not_left_out(bridge: Bridge) -> None:
    answer = await bridge.http.get("/api/v1/balance")

    assert answer.json() == {"credits": "4993.5", "held": ""}


async def test_query_parameters_become_fields(bridge: Bridge, fake_core: FakeCore) -> None:
    query = "page_size=5&kinds=KIND_IMAGE&kinds=KIND_VIDEO&oldest_first=true&models=a%20b"

    answer = await bridge.http.get(f"/api/v1/generations?{query}")

    assert answer.status_code == 200
    request = fake_core.requests[0]
    assert (request.page_size, list(request.kinds), request.oldest_first) == (5, [1, 2], True)
    assert list(request.models) == ["a b"]


WRONG_QUERIES = [
    ("nope=1", "nope", "unknown_parameter"),
    ("page_size=x", "page_size", "invalid_type"),
    ("page_size=99999999999", "page_size", "invalid_value"),
    ("page_size=1&page_size=2", "page_size", "invalid_value"),
    ("kinds=KIND_NOPE", "kinds", "invalid_value"),
    ("oldest_first=maybe", "oldest_first", "invalid_type"),
    ("page_token.x=1", "page_token.x", "unknown_parameter"),
]


async def test_a_wrong_query_is_named(bridge: Bridge) -> None:
    for query, param, code in WRONG_QUERIES:
        answer = await bridge.http.get(f"/api/v1/generations?{query}")

        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


async def test_a_create_takes_its_body_and_the_headers_of_retries(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    image = base64.b64encode(b"bytes").decode()
    spec = {
        "model": "gpt-image-2",
        "parameters": {
            "prompt": "a red square",
            "output_count": 2,
            "seed": "9007199254740993",
            "duration": "1.5s",
            "inputs": [{"role": "ROLE_MASK", "inline": image}],
            "extras": {"style": {"text": "vivid"}, "deep": {"list": {"items": [{"flag": True}]}}},
        },
    }

    answer = await bridge.http.post(
        "/api/v1/generations",
        json={"spec": spec},
        headers={"idempotency-key": "key-1", "x-stainless-retry-count": "1"},
    )

    assert answer.status_code == 200
    found = fake_core.requests[0].spec
    assert (found.request_id, found.retry_number) == ("key-1", 1)
    assert found.endpoint == "/api/v1/generations"
    assert found.parameters.seed == 9007199254740993
    assert (found.parameters.duration.seconds, found.parameters.inputs[0].inline) == (1, b"bytes")
    assert found.parameters.extras["deep"].list.items[0].flag


WRONG_BODIES = [
    ({"spec": {"modell": "x"}}, "spec.modell", "unknown_parameter"),
    ({"spec": {"model": 5}}, "spec.model", "invalid_type"),
    ({"spec": []}, "spec", "invalid_type"),
    ({"spec": {"parameters": {"output_count": "two"}}}, "spec.parameters.output_count")
    + ("invalid_type",),
    ({"spec": {"parameters": {"output_count": 2**31}}}, "spec.parameters.output_count")
    + ("invalid_value",),
    ({"spec": {"parameters": {"duration": "soon"}}}, "spec.parameters.duration", "invalid_value"),
    ({"spec": {"parameters": {"inputs": {}}}}, "spec.parameters.inputs", "invalid_type"),
    ({"spec": {"parameters": {"inputs": [{"inline": "%"}]}}}, "spec.parameters.inputs[0].inline")
    + ("invalid_value",),
    ({"spec": {"parameters": {"inputs": [{"uri": "a", "inline": "YQ=="}]}}},)
    + ("spec.parameters.inputs[0].inline", "invalid_value"),
    ({"spec": {"parameters": {"inputs": [{"role": "ROLE_X"}]}}}, "spec.parameters.inputs[0].role")
    + ("invalid_value",),
    ({"spec": {"parameters": {"extras": {"a": {"number": "x"}}}}},)
    + ("spec.parameters.extras.a.number", "invalid_type"),
]


async def test_a_wrong_body_is_named_and_never_repeated(bridge: Bridge) -> None:
    for body, param, code in WRONG_BODIES:
        answer = await bridge.http.post("/api/v1/generations", json=body)

        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert bridge.defects == []


async def test_a_bad_key_beats_a_bad_body_here_too(bridge: Bridge) -> None:
    answer = await bridge.http.post(
        "/api/v1/generations", content=b"{", headers={"authorization": "Bearer wrong"}
    )

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("credential", "code", "status_code"),
    [
        (OPERATOR_TOKEN, "malformed_request", 400),
        (GOOD_KEY, "permission_denied", 403),
        ("wrong", "invalid_api_key", 401),
    ],
)
async def test_a_bad_body_of_the_operator_is_told_to_the_operator_only(
    bridge: Bridge, credential: str, code: str, status_code: int
) -> None:
    answer = await bridge.http.patch(
        "/api/v1/admin/channels/openai-a",
        content=b"{",
        headers={"authorization": f"Bearer {credential}"},
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (status_code, code)


async def test_how_long_a_generation_may_take_is_passed_on(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    headers = {"x-reapi-timeout": "12.5"}
    body = {"spec": {"model": "gpt-image-2"}}
    answer = await bridge.http.post("/api/v1/generations", json=body, headers=headers)

    assert answer.status_code == 200
    assert fake_core.metadata["x-reapi-timeout"] == "12.5"

    await bridge.http.post("/api/v1/generations", json=body)
    assert "x-reapi-timeout" not in fake_core.metadata


async def test_custom_verbs_and_empty_bodies(bridge: Bridge, fake_core: FakeCore) -> None:
    answer = await bridge.http.post(f"/api/v1/generations/{HEX}:cancel")

    assert answer.status_code == 200
    assert fake_core.requests[0].name == NAME


async def test_a_generation_is_deleted_and_gone(bridge: Bridge, fake_core: FakeCore) -> None:
    answer = await bridge.http.delete(f"/api/v1/generations/{GENERATION_ID}")
    again = await bridge.http.delete(f"/api/v1/generations/{GENERATION_ID}")

    assert answer.json() == {"deleted_asset_count": 1}
    assert (again.status_code, again.json()["error"]["code"]) == (404, "generation_not_found")


async def test_core_s_error_keeps_its_reason(bridge: Bridge) -> None:
    answer = await bridge.http.get("/api/v1/generations/gen_unknown")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "generation_not_found")


async def test_a_watch_is_resumable_events_with_ids(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.script = [accepted(), attempt(), *outputs(b"final!"), completed()]

    whole = await bridge.http.get(f"/api/v1/generations/{HEX}:watch")
    rest = await bridge.http.get(f"/api/v1/generations/{HEX}:watch", headers={"last-event-id": "2"})

    assert whole.headers["content-type"].startswith("text/event-stream")
    frames = whole.text.strip().split("\n\n")
    assert [frame.split("\n")[0] for frame in frames] == ["id: 1", "id: 2", "id: 4", "id: 9"]
    assert [frame.split("\n")[1] for frame in frames] == [
        "event: accepted",
        "event: attempt",
        "event: output",
        "event: completed",
    ]
    data = orjson.loads(frames[2].split("\n")[2].removeprefix("data: "))
    assert data["output"]["data"] == base64.b64encode(b"final!").decode()
    assert data["seq"] == "4"
    assert rest.text.startswith("id: 4\n")
    assert fake_core.requests[1].after_seq == 2


async def test_a_watch_resumes_after_a_seq_of_the_query_too(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [accepted(), attempt(), *outputs(b"final!"), completed()]

    answer = await bridge.http.get(f"/api/v1/generations/{HEX}:watch?after_seq=4")

    assert answer.text.startswith("id: 9\nevent: completed\n")
    assert fake_core.requests[0].after_seq == 4


async def test_a_watch_ends_with_its_one_terminal_event_and_ends_the_call(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    why = status("UPSTREAM_ERROR", "No.")
    fake_core.script = [accepted(), failed(why), completed(), asyncio.Event().wait]

    answer = await bridge.http.get(f"/api/v1/generations/{HEX}:watch")

    assert [line for line in answer.text.split("\n") if line.startswith("event:")] == [
        "event: accepted",
        "event: failed",
    ]
    assert await asyncio.wait_for(fake_core.abandoned.get(), WAIT) == "watch cancelled"


async def test_a_reader_who_comes_back_after_the_end_is_told_to_stop(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [accepted(), completed()]
    url = f"/api/v1/generations/{HEX}:watch"

    again = await bridge.http.get(url, headers={"last-event-id": "9"})
    asked = await bridge.http.get(f"{url}?after_seq=9")

    assert (again.status_code, again.content) == (204, b"")
    assert (asked.status_code, asked.text) == (200, "")


async def test_a_watch_that_breaks_says_so_without_an_id(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [accepted(), grpc.StatusCode.UNAVAILABLE]

    answer = await bridge.http.get(f"/api/v1/generations/{HEX}:watch")

    frames = answer.text.strip().split("\n\n")
    assert frames[0].startswith("id: 1\n")
    assert orjson.loads(frames[1].removeprefix("data: "))["error"]["code"] == "overloaded"


async def test_a_watch_that_ends_without_a_terminal_event_was_cut(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [accepted()]

    answer = await bridge.http.get(f"/api/v1/generations/{HEX}:watch")

    frames = answer.text.strip().split("\n\n")
    assert frames[0].startswith("id: 1\n")
    assert orjson.loads(frames[1].removeprefix("data: "))["error"]["code"] == "internal_error"


async def test_of_two_places_to_resume_at_the_later_counts(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [accepted(), attempt(), *outputs(b"final!"), completed()]
    url = f"/api/v1/generations/{HEX}:watch?after_seq=2"

    later = await bridge.http.get(url, headers={"last-event-id": "4"})
    earlier = await bridge.http.get(url, headers={"last-event-id": "1"})

    assert later.text.startswith("id: 9\n")
    assert earlier.text.startswith("id: 4\n")


async def test_a_watch_pings_while_nothing_happens_and_ends_with_its_reader(
    start_bridge, fake_core: FakeCore
) -> None:
    fake_core.script = [asyncio.Event().wait]
    bridge = await start_bridge(heartbeat_seconds=0.05)

    async with bridge.http.stream("GET", f"/api/v1/generations/{HEX}:watch") as answer:
        assert await anext(answer.aiter_raw()) == b": ping\n\n"
    await bridge.http.aclose()

    assert await asyncio.wait_for(fake_core.abandoned.get(), WAIT) == "watch cancelled"


async def test_a_bad_last_event_id_is_named(bridge: Bridge) -> None:
    answer = await bridge.http.get(
        f"/api/v1/generations/{HEX}:watch", headers={"last-event-id": "x"}
    )

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Last-Event-ID")


async def test_a_watch_that_core_refuses_is_an_http_error(bridge: Bridge) -> None:
    answer = await bridge.http.get(
        f"/api/v1/generations/{HEX}:watch", headers={"authorization": "Bearer wrong"}
    )

    assert answer.status_code == 401


def test_a_failed_generation_shows_its_reason_as_json() -> None:
    found = generation()
    found.error.CopyFrom(status("UPSTREAM_ERROR", "No.", attempts="3"))

    detail = orjson.loads(encode(found))["error"]["details"][0]

    assert (detail["reason"], detail["metadata"]) == ("UPSTREAM_ERROR", {"attempts": "3"})


def test_field_masks_take_proto_names_and_camel_case() -> None:
    for text in ("url,event_types", "url,eventTypes"):
        request = webhook_service_pb2.UpdateWebhookEndpointRequest()
        decode_text(request, "update_mask", [text])
        assert list(request.update_mask.paths) == ["url", "event_types"]


def test_null_is_absent_and_camel_case_is_understood() -> None:
    request = generation_service_pb2.ListGenerationsRequest()

    decode({"pageSize": "7", "page_token": None, "models": ["a"]}, request)

    assert (request.page_size, request.page_token, list(request.models)) == (7, "", ["a"])


def test_deep_json_is_refused() -> None:
    value: dict[str, object] = {}
    for _ in range(100):
        value = {"list": {"items": [value]}}

    with pytest.raises(ApiError) as caught:
        decode(
            {"spec": {"parameters": {"extras": {"a": value}}}},
            generation_service_pb2.CreateGenerationRequest(),
        )
    assert caught.value.reason == "INVALID_TYPE"
