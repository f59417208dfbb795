"""Edits whose inputs are URLs, over the contract: sent upstream, and kept nowhere."""

import asyncio
import gc

import grpc
import pytest

from core.engine.inputs import Inputs
from core.errors import GatewayError, Reason
from core.model import Role
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from reapi.v1 import parameters_pb2
from tests.fix_core import METADATA, PNG, jpeg
from tests.generating import SECONDS, generate, kinds, reason_of, start
from tests.scripted_net import Net, data_url


@pytest.fixture
def net(core):
    made = Net({"https://a.example/1.png": PNG})
    core.generations._inputs = Inputs(made)
    return made


def edit(*uris, **changes):
    message = start(**changes)
    for uri in uris:
        message.start.spec.parameters.inputs.add(uri=uri, parameter="image")
    return message


async def test_an_edit_by_url_sends_the_file_upstream(channel, core, net):
    events = await generate(channel, edit("https://a.example/1.png", detached=True))

    assert kinds(events)[-1] == "completed"
    assert core.upstream.asks[0].inputs[0].data.reveal() == PNG
    assert core.upstream.asks[0].inputs[0].width == 16
    await core.settled()
    assert (core.admission.calls, core.admission.bytes) == (0, 0)


async def test_an_edit_by_data_url_sends_the_file_upstream(channel, core, net):
    await generate(channel, edit(data_url(PNG), detached=True))

    assert core.upstream.asks[0].inputs[0].data.reveal() == PNG


@pytest.mark.parametrize("uri", ["ftp://a.example/x", "a.example", "file:///etc/passwd", ""])
async def test_another_scheme_is_refused_by_name(channel, core, net, uri):
    with pytest.raises(grpc.RpcError) as caught:
        await generate(channel, edit(uri))

    assert reason_of(caught.value).reason == "INVALID_INPUT"
    assert reason_of(caught.value).metadata["parameter"] == "image"
    assert net.asked == []


async def test_a_file_that_is_no_image_is_refused_by_name(channel, core, net):
    net.files["https://a.example/1.png"] = b"<html>"
    with pytest.raises(grpc.RpcError) as caught:
        await generate(channel, edit("https://a.example/1.png"))

    assert reason_of(caught.value).reason == "INVALID_INPUT"
    assert core.upstream.asked == []
    assert await core.balance() == (1000, 0)
    assert (core.admission.calls, core.admission.bytes) == (0, 0)


async def test_a_failed_fetch_holds_nothing(channel, core, net):
    failure = GatewayError(Reason.INVALID_INPUT, "`image` is too large.", parameter="image")
    net.files["https://a.example/1.png"] = failure
    with pytest.raises(grpc.RpcError) as caught:
        await generate(channel, edit("https://a.example/1.png"))

    assert "is too large" in caught.value.details()
    assert (core.admission.calls, core.admission.bytes) == (0, 0)


async def test_the_same_url_again_is_the_same_request_whatever_it_serves(channel, core, net):
    spec = {"request_id": "key-1"}
    url = "https://a.example/1.png"
    first = await generate(channel, edit(url, spec=spec, detached=True))
    net.files[url] = jpeg()
    again = await generate(channel, edit(url, spec=spec, detached=True))

    assert again[-1].completed.generation.name == first[-1].completed.generation.name
    assert len(core.upstream.asked) == 1
    with pytest.raises(grpc.RpcError) as caught:
        await generate(channel, edit(url + "?other", spec=spec, detached=True))
    assert reason_of(caught.value).reason == "IDEMPOTENCY_MISMATCH"


async def test_a_url_is_never_taken_for_a_file_of_the_same_bytes(channel, core, net):
    spec = {"request_id": "key-1"}
    await generate(channel, edit("https://a.example/1.png", spec=spec, detached=True))
    with pytest.raises(grpc.RpcError) as caught:
        await generate(channel, edit(data_url(PNG), spec=spec, detached=True))

    assert reason_of(caught.value).reason == "IDEMPOTENCY_MISMATCH"


async def test_a_bad_key_fetches_nothing(channel, core, net):
    bad = (("authorization", "Bearer rk_live_bad"),)
    request = pb.CreateGenerationRequest(spec=edit("https://a.example/1.png").start.spec)
    with pytest.raises(grpc.RpcError):
        await rpc.GenerationServiceStub(channel).CreateGeneration(
            request, metadata=bad, timeout=SECONDS
        )

    assert net.asked == []


async def test_a_create_by_url_works_too(channel, core, net):
    request = pb.CreateGenerationRequest(spec=edit("https://a.example/1.png").start.spec)
    await rpc.GenerationServiceStub(channel).CreateGeneration(
        request, metadata=METADATA, timeout=SECONDS
    )
    await core.settled()

    assert core.upstream.asks[0].inputs[0].data.reveal() == PNG


@pytest.mark.parametrize("method", ["CreateGeneration", "Generate"])
async def test_a_caller_who_leaves_during_a_fetch_leaves_nothing(channel, core, net, method):
    net.gate = asyncio.Event()
    stub = rpc.GenerationServiceStub(channel)
    message = edit("https://a.example/1.png", detached=True)
    if method == "Generate":
        call = stub.Generate(metadata=METADATA, timeout=SECONDS)
        await call.write(message)
    else:
        request = pb.CreateGenerationRequest(spec=message.start.spec)
        call = stub.CreateGeneration(request, metadata=METADATA, timeout=SECONDS)
    await asyncio.wait_for(net.begun.wait(), SECONDS)
    call.cancel()
    async with asyncio.timeout(SECONDS):
        while core.admission.calls or net.running:
            await asyncio.sleep(0.001)

    assert core.admission.bytes == 0
    assert core.upstream.asked == []
    assert await core.balance() == (1000, 0)


async def test_a_video_is_no_image(channel, core, net):
    net.files["https://a.example/1.png"] = bytes.fromhex("1a45dfa39f42828477") + b"webm"
    with pytest.raises(grpc.RpcError) as caught:
        await generate(channel, edit("https://a.example/1.png"))

    assert "not a readable PNG, JPEG or WebP image" in caught.value.details()


def test_the_role_of_an_input_by_url_is_kept():
    from core.services.parse import order as parsed

    spec = start().start.spec
    spec.parameters.inputs.add(uri="https://a.example/m", role=parameters_pb2.Input.ROLE_MASK)
    (item,) = parsed(spec, (), "").inputs

    assert (item.role, item.parameter) == (Role.MASK, "inputs[0]")
    assert "a.example" not in repr(item)


CANARY = "canary-3f9a7c"


@pytest.mark.parametrize(
    "served",
    [
        PNG + CANARY.encode(),
        CANARY.encode(),
        GatewayError(Reason.INVALID_INPUT, "`image` is too large.", parameter="image"),
    ],
    ids=["used", "no image", "not fetched"],
)
async def test_nothing_of_a_fetched_input_or_its_url_is_kept(channel, core, net, served):
    url = f"https://{CANARY}.example/{CANARY}.png?token={CANARY}"
    net.files[url] = served
    try:
        events = await generate(channel, edit(url, detached=True))
    except grpc.aio.AioRpcError as refused:
        events = [refused.details(), refused.trailing_metadata()]
    await core.settled()

    assert net.asked == [url]
    kept = [core.emitted, vars(core.records), vars(core.ledger), vars(core.limits)]
    kept += [events, list(core.store.objects), gc_texts()]
    assert CANARY not in repr(kept)


def gc_texts():
    """What the exceptions that are still alive say."""
    gc.collect()
    alive = [each for each in gc.get_objects() if isinstance(each, BaseException)]
    return [(str(each), getattr(each, "__dict__", {})) for each in alive]
