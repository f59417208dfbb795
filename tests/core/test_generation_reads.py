"""Reading generations back: get, list, watch, delete, and what is not there."""

import grpc
import pytest

from core.body import Body
from core.engine.records import Listing
from core.model import Final, Report
from reapi.v1 import chat_service_pb2 as chat_pb
from reapi.v1 import chat_service_pb2_grpc as chat_rpc
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import METADATA, PNG
from tests.generating import generate, kinds, reason_of, start


async def test_get_list_watch_and_delete_see_only_the_accounts_own(channel, core):
    stub = rpc.GenerationServiceStub(channel)
    names = [(await generate(channel, start()))[-1].completed.generation.name for _ in range(3)]
    listed = await stub.ListGenerations(pb.ListGenerationsRequest(page_size=2), metadata=METADATA)
    rest = await stub.ListGenerations(
        pb.ListGenerationsRequest(page_size=2, page_token=listed.next_page_token), metadata=METADATA
    )
    found = [item.name for item in (*listed.generations, *rest.generations)]

    assert found == names[::-1]
    watched = [
        response.event
        async for response in stub.WatchGeneration(
            pb.WatchGenerationRequest(name=names[0]), metadata=METADATA
        )
    ]
    assert kinds(watched) == ["accepted", "attempt", "output", "usage", "completed"]
    deleted = await stub.DeleteGeneration(
        pb.DeleteGenerationRequest(name=names[0]), metadata=METADATA
    )
    assert deleted.deleted_asset_count == 1
    assert len(core.store.objects) == 2
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetGeneration(pb.GetGenerationRequest(name=names[0]), metadata=METADATA)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_page_may_begin_after_any_generation_by_its_id(channel):
    stub = rpc.GenerationServiceStub(channel)
    names = [(await generate(channel, start()))[-1].completed.generation.name for _ in range(3)]
    digits = names[1].removeprefix("generations/")
    for id_ in (names[1], f"gen_{digits}", f"video_{digits}", f"task_{digits}", digits):
        for oldest_first, found in ((False, names[0]), (True, names[2])):
            page = await stub.ListGenerations(
                pb.ListGenerationsRequest(page_token=id_, oldest_first=oldest_first),
                metadata=METADATA,
            )

            assert [item.name for item in page.generations] == [found]


@pytest.mark.parametrize("token", ["video_1", "generations/", "gen_" + "g" * 32, "A" * 32, "0x"])
async def test_a_page_token_that_is_none_is_refused(channel, token):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.GenerationServiceStub(channel).ListGenerations(
            pb.ListGenerationsRequest(page_token=token), metadata=METADATA
        )

    assert dict(reason_of(caught.value).metadata) == {"parameter": "page_token"}


@pytest.mark.parametrize(
    "name", ["", "generations/x", "generations/" + "0" * 32, "gen_" + "1" * 32]
)
async def test_a_name_that_is_nobodys_is_not_found(channel, name):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.GenerationServiceStub(channel).GetGeneration(
            pb.GetGenerationRequest(name=name), metadata=METADATA
        )

    assert reason_of(caught.value).reason == "GENERATION_NOT_FOUND"


async def test_what_is_not_built_says_so(channel):
    call = chat_rpc.ChatServiceStub(channel).Complete(chat_pb.CompleteRequest(), metadata=METADATA)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()

    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert dict(reason_of(caught.value).metadata) == {"endpoint": "ChatService.Complete"}


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("/v1/images/edits", "/v1/images/edits"),
        ("/api/v1/generations", "/api/v1/generations"),
        ("/api/v1/images/generations", "/api/v1/images/generations"),
        ("", ""),
        ("a canary prompt", ""),
    ],
)
async def test_only_known_routes_are_kept_as_endpoint(channel, core, told, kept):
    await generate(channel, start(spec={"endpoint": told}))
    (row,) = await core.records.generations(core.account, Listing(10))

    assert row.endpoint == kept


@pytest.mark.parametrize("told", ["/v1/videos", "/api/v1/audio/generations", "/v1/audio/speech"])
async def test_a_route_of_another_kind_refuses_the_model_by_name(channel, core, told):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await generate(channel, start(spec={"endpoint": told}))

    found = reason_of(caught.value)
    assert (found.reason, found.metadata["parameter"]) == ("INVALID_PARAMETER", "model")
    assert "/v1/images/generations" in caught.value.details()
    assert await core.balance() == (1000, 0)


async def test_a_providers_echo_in_its_report_is_not_kept(channel, core):
    echo = Report(None, "a canary prompt", "canary", "1024x1024", "png")
    core.upstream.play("openai-a", (Final(0, Body(PNG)), echo))
    events = await generate(channel, start())
    made = events[-1].completed.generation

    assert (made.size, made.quality, made.background, made.output_format) == (
        "",
        "",
        "1024x1024",
        "png",
    )
    assert "canary" not in str(core.records.__dict__)


@pytest.mark.parametrize(
    ("told", "named"),
    [
        *((name, name) for name in ("image", "image[]", "mask", "input_reference")),
        *((name, name) for name in ("images[3].image_url", "image_with_roles[0].url")),
        *((name, name) for name in ("image_urls[31]", "mask_url", "reference_images[2]")),
        *((name, "inputs[0]") for name in ("", "a canary", "image[canary]", "image.canary")),
        *((name, "inputs[0]") for name in ("image[0].url.url", "image_urls[0000]", "mask\n")),
    ],
)
async def test_only_known_names_of_inputs_are_repeated(channel, told, named):
    asked = start()
    asked.start.spec.parameters.inputs.add(inline=b"no image", parameter=told)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await generate(channel, asked)

    assert dict(reason_of(caught.value).metadata) == {"parameter": named}
