"""Providers that take links only are given links to the bytes that were probed."""

import asyncio
import io
from dataclasses import replace
from types import MappingProxyType

import grpc
import pytest
from PIL import Image

from core.body import Body, Secret
from core.catalog.entries import Catalogue
from core.engine.handouts import reachable
from core.model import Ask, Channel, Input, Kind, Role
from core.providers.files import address
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from reapi.v1 import parameters_pb2
from tests.fix_core import PUBLIC_URL
from tests.generating import SECONDS, generate, kinds
from tests.jobs.following import reached, video
from tests.scripted_jobs import A, B


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 300)).save(out, "PNG")
    return out.getvalue()


BYTES = picture()


@pytest.fixture
def settings():
    return {"links": frozenset({Role.FIRST_FRAME})}


def from_a_frame() -> pb.GenerateRequest:
    asked = video()
    asked.start.spec.parameters.inputs.add(
        role=parameters_pb2.Input.ROLE_FIRST_FRAME, inline=BYTES, parameter="first_frame"
    )
    return asked


def links_of(core, channel=A) -> list[str]:
    return [
        item["image_url"]["url"]
        for task in core.upstream.tasks[channel]
        for item in task.fields["content"]
        if item["type"] == "image_url"
    ]


async def read(
    channel, link: str, offset: int = 0, limit: int = 0
) -> tuple[pb.ReadAssetResponse, bytes]:
    path = link.removeprefix(f"{PUBLIC_URL}/media/")
    request = pb.ReadAssetRequest(path=path, offset=offset, limit=limit)
    call = rpc.GenerationServiceStub(channel).ReadAsset(request, timeout=SECONDS)
    first, *rest = [answer async for answer in call]
    return first, b"".join(answer.data for answer in rest)


async def test_a_link_gives_the_bytes_while_the_job_runs_and_nothing_after(channel, core):
    gate = asyncio.Event()
    core.upstream.plan(A, "look", (gate,))
    running = asyncio.ensure_future(generate(channel, from_a_frame()))
    await reached(core, A, "look")
    (link,) = links_of(core)
    first, whole = await read(channel, link)
    _, part = await read(channel, link, 8, 5)
    gate.set()
    events = await running

    assert link.startswith(f"{PUBLIC_URL}/media/inputs/7.")
    assert (first.asset.media_type, first.asset.size_bytes) == ("image/png", len(BYTES))
    assert whole == BYTES
    assert part == BYTES[8:13]
    assert kinds(events)[-1] == "completed"
    with pytest.raises(grpc.aio.AioRpcError) as gone:
        await read(channel, link)
    assert gone.value.code() is grpc.StatusCode.NOT_FOUND


async def test_each_attempt_has_a_link_of_its_own(channel, core):
    core.upstream.lives[A] = [{"status": "failed", "error": {"code": "InternalServiceError"}}]
    events = await generate(channel, from_a_frame())

    assert kinds(events)[-1] == "completed"
    assert links_of(core, A) != links_of(core, B)
    assert len({*links_of(core, A), *links_of(core, B)}) == 2


def test_inputs_of_other_roles_are_told_inline():
    item = Input(Role.LAST_FRAME, Body(b"x"), "image/png", url=Body("https://example.org/x.png"))
    channel = Channel("a", "d", "m", "u", Secret("k"), links=frozenset({Role.FIRST_FRAME}))

    assert address(item, channel).startswith("data:image/png;base64,")


def only(channel: Channel) -> Catalogue:
    return Catalogue(
        "v", {}, MappingProxyType({"a": channel}), MappingProxyType({"m": (channel,)}), {}
    )


@pytest.mark.parametrize(
    ("public", "base", "is_linked"),
    [
        ("https://api.example.org", "https://provider.example", True),
        ("http://127.0.0.1:8080", "https://provider.example", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:9", True),
    ],
)
def test_links_are_promised_only_where_the_provider_can_reach_us(public, base, is_linked):
    unsupported = frozenset({"inline:video", "seed"})
    channel = Channel("a", "d", "m", base, Secret("k"), unsupported=unsupported)
    found = reachable(only(channel), public)

    expected = {"seed"} if is_linked else {"seed", "inline:video"}
    assert found.channels["a"].unsupported == expected
    assert found.routes["m"] == (found.channels["a"],)
    assert found.channels["a"].links == ({Role.VIDEO} if is_linked else frozenset())


def test_where_the_provider_cannot_reach_us_it_is_told_the_callers_own_link():
    unsupported = frozenset({"inline:video"})
    channel = Channel("a", "d", "m", "https://p.example", Secret("k"), unsupported=unsupported)
    item = Input(Role.VIDEO, Body(b"x"), "video/mp4", url=Body("https://example.org/x.mp4"))
    ask = Ask("m", Kind.VIDEO, Body("p"), (item,))

    assert address(item, channel) == "https://example.org/x.mp4"
    assert replace(ask, inputs=(item,)) == ask
