"""Callers pin and exclude channels and regions, wherever a generation can be started."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from core.catalog.loader import embedded_files, load, stand_in
from core.log import AttemptEnded
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc
from reapi.v1 import parameters_pb2 as parameters
from tests.fix_core import png
from tests.fix_gateway import eventually
from tests.webhooks.whole_core import Whole, whole_core

pytestmark = pytest.mark.prove

IMAGE = {"model": "gpt-image-2", "prompt": "a cat"}
VIDEO = {"model": "seedance-2.0", "prompt": "a cat", "seconds": "5"}
SPEECH = {"model": "gpt-4o-mini-tts", "input": "hello", "voice": "alloy"}
FILES = {"image": ("a.png", png(), "image/png")}
CREATES: dict[str, tuple[dict[str, Any], str, str]] = {
    "/v1/images/generations": ({"json": IMAGE}, "openai-b", "openai-c"),
    "/v1/images/edits": ({"data": IMAGE, "files": FILES}, "openai-b", "openai-c"),
    "/v1/videos": ({"json": VIDEO}, "seedance-b", "seedance-a"),
    "/v1/audio/speech": ({"json": SPEECH}, "speech-b", "speech-a"),
    "/api/v1/images/generations": ({"json": IMAGE}, "openai-b", "openai-c"),
    "/api/v1/videos/generations": (
        {"json": {"model": "seedance-2.0", "prompt": "a cat", "duration": 5}},
        "seedance-b",
        "seedance-a",
    ),
    "/api/v1/audio/generations": (
        {"json": {"model": "gpt-4o-mini-tts", "prompt": "hello", "voice": "alloy"}},
        "speech-b",
        "speech-a",
    ),
    "/api/v1/generations": (
        {"json": {"spec": {"model": "gpt-image-2", "parameters": {"prompt": "a cat"}}}},
        "openai-b",
        "openai-c",
    ),
}
"""Where a POST starts a generation: with what, and two channels of the model."""
BAD = ("fast", "", "only=", "only=a b", "only=a;", "exclude=a,,b", "region=é", "only", "=a")
"""Wishes that nobody could fulfil: each would be lost without a word."""


@pytest_asyncio.fixture
async def core(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    """Its providers are unreachable: every channel that may be asked is."""
    files = embedded_files()
    offered = load(files, stand_in(files, {}))
    async with whole_core(database_url, tmp_path / "outputs", offered) as made:
        yield made


def asked(core: Whole) -> set[str]:
    """The channels that were asked."""
    return {event.channel for event in core.emitted if isinstance(event, AttemptEnded)}


async def post(core: Whole, route: str, wish: str) -> httpx.Response:
    headers = {"x-reapi-routing": wish.encode()}
    return await core.http.post(route, headers=headers, **CREATES[route][0])


async def test_a_request_goes_where_its_caller_allows(core: Whole) -> None:
    """All routes at once: one whose wish was lost would ask channels that nobody wished."""
    ones, others = ({channels[n] for _, *channels in CREATES.values()} for n in (0, 1))
    for answer in await everywhere(core, lambda one, other: f"only={one}"):
        assert answer.status_code != 400, answer.text
    assert asked(core) == ones

    await everywhere(core, lambda one, other: f"only={one},{other}; exclude={one}")
    assert asked(core) == others

    for answer in await everywhere(core, lambda one, other: "region=moon"):
        assert answer.status_code == 400, answer.text
        assert error(answer)["code"] == "no_channel"
        assert error(answer)["param"] == "x-reapi-routing"
    assert asked(core) == set()


async def everywhere(core: Whole, wish: Callable[[str, str], str]) -> list[httpx.Response]:
    """Ask each route with a wish about its two channels; what is accepted runs to its end."""
    core.emitted.clear()
    answers = await asyncio.gather(
        *(post(core, route, wish(one, other)) for route, (_, one, other) in CREATES.items())
    )
    await core.core.engine.drain(20)
    return list(answers)


async def test_a_wish_that_cannot_be_read_is_refused_and_named(core: Whole) -> None:
    for route in CREATES:
        for wish in (*BAD, "only=" + ",".join(["a"] * 65)):
            answer = await post(core, route, wish)
            assert answer.status_code == 400, (route, wish, answer.text)
            assert error(answer)["param"] == "x-reapi-routing"
            assert "x-reapi-routing" in error(answer)["message"]
        assert asked(core) == set()


async def test_the_json_of_a_transcoded_request_says_it_too_and_counts(core: Whole) -> None:
    spec = {"model": "gpt-image-2", "parameters": {"prompt": "a cat"}}
    body = {"spec": {**spec, "routing": {"only_channels": ["openai-b"]}}}
    answer = await core.http.post(
        "/api/v1/generations", json=body, headers={"x-reapi-routing": "only=openai-c"}
    )
    assert answer.status_code == 200, answer.text
    await eventually(lambda: asked(core))
    assert asked(core) == {"openai-b"}


async def test_a_native_caller_is_heard(core: Whole) -> None:
    for routing, allowed in (
        (pb.RoutingPreference(only_channels=["openai-b"]), {"openai-b"}),
        (pb.RoutingPreference(excluded_channels=["openai-a", "openai-b"]), None),
        (pb.RoutingPreference(only_channels=["openai-a"], regions=["simulator"]), {"openai-a"}),
    ):
        core.emitted.clear()
        last = await generate(core, routing)
        assert last.WhichOneof("event") == "failed"
        assert asked(core)
        assert not asked(core).intersection(routing.excluded_channels)
        assert allowed in (None, asked(core))


async def test_a_native_wish_that_cannot_be_is_refused_with_its_field(core: Whole) -> None:
    for field in ("only_channels", "excluded_channels", "regions"):
        for names in (["a b"], [""], ["a"] * 65, ["x" * 65]):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await generate(core, pb.RoutingPreference(**{field: names}))
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            info = error_details_pb2.ErrorInfo()
            status = rpc_status.from_call(refused.value)
            assert status is not None
            status.details[0].Unpack(info)
            assert info.reason == "INVALID_PARAMETER"
            assert info.metadata["parameter"] == f"routing.{field}"
    assert asked(core) == set()


async def generate(core: Whole, routing: pb.RoutingPreference) -> Any:
    """The last event of a generation by gRPC."""
    spec = pb.GenerationSpec(
        model="gpt-image-2",
        parameters=parameters.Parameters(prompt="a cat"),
        routing=routing,
    )
    stub = generation_service_pb2_grpc.GenerationServiceStub(core.channel)
    key = core.http.headers["authorization"]
    call = stub.Generate(metadata=(("authorization", key),), timeout=30)
    await call.write(pb.GenerateRequest(start=pb.GenerateStart(spec=spec)))
    await call.done_writing()
    last = None
    async for response in call:
        last = response.event
    return last


def error(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.content)["error"]
    return found
