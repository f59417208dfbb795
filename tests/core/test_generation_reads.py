"""Reading generations back: get, list, watch, delete, and what is not there."""

import grpc
import pytest

from core.engine.records import Listing
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import METADATA
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
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.GenerationServiceStub(channel).QuoteGeneration(
            pb.QuoteGenerationRequest(), metadata=METADATA
        )

    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert dict(reason_of(caught.value).metadata) == {
        "endpoint": "GenerationService.QuoteGeneration"
    }


@pytest.mark.parametrize(
    ("told", "kept"),
    [("/v1/images/edits", "/v1/images/edits"), ("", ""), ("a canary prompt", "")],
)
async def test_only_known_routes_are_kept_as_endpoint(channel, core, told, kept):
    await generate(channel, start(spec={"endpoint": told}))
    (row,) = await core.records.generations(core.account, Listing(10))

    assert row.endpoint == kept
