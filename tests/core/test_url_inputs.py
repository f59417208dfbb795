"""Inputs by URL and data URL: fetched before anything is accepted, and counted."""

import asyncio
import base64
from urllib.parse import quote
from uuid import UUID

import grpc
import pytest

from core.body import Body
from core.engine.admission import Admission
from core.engine.inputs import AT_ONCE, IN_ALL, MAXIMUM_URLS, SHARE, Inputs
from core.engine.order import MAXIMUM_INLINE_BYTES, Order, RawInput
from core.errors import GatewayError, Reason
from core.model import Role
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from reapi.v1 import parameters_pb2
from tests.fix_core import METADATA, PNG, jpeg
from tests.generating import SECONDS, generate, kinds, reason_of, start

ONE, OTHER = UUID(int=1), UUID(int=2)


class Net:
    """URLs with their files; `gate` holds all of them back."""

    def __init__(self, files=None, gate=None):
        self.files, self.gate = files or {}, gate
        self.asked = []
        self.running = self.most = 0
        self.begun = asyncio.Event()

    async def fetch(self, url, parameter, took):
        self.asked.append(url.reveal())
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun.set()
        try:
            await (self.gate.wait() if self.gate else asyncio.sleep(0))
            found = self.files.get(url.reveal(), PNG)
            if isinstance(found, Exception):
                raise found
            took(len(found))
            return Body(found)
        finally:
            self.running -= 1


def by_url(url, parameter="image"):
    return RawInput(Role.IMAGE, Body(b""), parameter, Body(url))


def order(*inputs):
    return Order("m", Body("p"), inputs=inputs)


def slot(maximum=1 << 30):
    return Admission(10, maximum).enter()


async def fetched(net, *inputs, slot_=None, seconds=10.0):
    made = await Inputs(net, seconds).fetched(order(*inputs), slot_ or slot(), ONE)
    return [item.data.reveal() for item in made.inputs]


def data_url(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


async def test_an_order_without_urls_is_left_alone():
    plain = order(RawInput(Role.IMAGE, Body(PNG), "image"))

    assert await Inputs(Net()).fetched(plain, slot(), ONE) is plain


async def test_files_take_the_places_of_their_urls():
    net = Net({"http://a.example/1": b"one", "http://a.example/2": b"two"})
    inline = RawInput(Role.MASK, Body(b"mask"), "mask")
    found = await fetched(net, by_url("http://a.example/1"), inline, by_url("http://a.example/2"))

    assert found == [b"one", b"mask", b"two"]


async def test_fetched_bytes_are_counted_until_the_request_ends():
    admission = Admission(10, 1 << 20)
    taken = admission.enter()
    taken.grow(500)
    net = Net({"http://a.example/1": bytes(1000)})
    await fetched(net, by_url("http://a.example/1"), by_url(data_url(bytes(300))), slot_=taken)

    assert admission.bytes == 1800
    taken.release()
    assert admission.bytes == 0


async def test_a_full_process_refuses_before_it_keeps_the_bytes():
    net = Net({"http://a.example/1": bytes(1000)})
    with pytest.raises(GatewayError) as caught:
        await fetched(net, by_url("http://a.example/1"), slot_=slot(999))

    assert caught.value.reason is Reason.OVERLOADED


async def test_files_of_a_request_are_capped_together():
    half = bytes(MAXIMUM_INLINE_BYTES // 2)
    net = Net({"http://a.example/1": half, "http://a.example/2": half + b"x"})
    with pytest.raises(GatewayError) as caught:
        await fetched(net, by_url("http://a.example/1"), by_url("http://a.example/2", "image[1]"))

    assert caught.value.reason is Reason.INVALID_INPUT
    assert caught.value.parameter == "image[1]"


async def test_few_are_fetched_at_once():
    net = Net()
    await fetched(net, *(by_url(f"http://a.example/{n}") for n in range(MAXIMUM_URLS)))

    assert len(net.asked) == MAXIMUM_URLS
    assert 1 < net.most <= AT_ONCE


async def test_too_many_urls_are_refused_unasked():
    net = Net()
    inputs = [by_url(f"http://a.example/{n}", f"image[{n}]") for n in range(MAXIMUM_URLS + 1)]
    with pytest.raises(GatewayError) as caught:
        await fetched(net, *inputs)

    assert (caught.value.parameter, net.asked) == (f"image[{MAXIMUM_URLS}]", [])


async def test_the_first_failure_ends_the_others():
    failure = GatewayError(Reason.INVALID_INPUT, "x", parameter="image[1]")

    class Half(Net):
        async def fetch(self, url, parameter, took):
            if parameter == "image[1]":
                raise failure
            return await super().fetch(url, parameter, took)

    net = Half(gate=asyncio.Event())
    with pytest.raises(GatewayError) as caught:
        await fetched(net, by_url("http://a.example/0"), by_url("http://a.example/1", "image[1]"))

    assert caught.value is failure
    assert net.running == 0


async def test_what_takes_too_long_is_named():
    with pytest.raises(GatewayError) as caught:
        await fetched(Net(gate=asyncio.Event()), by_url("http://a.example/", "mask"), seconds=0.05)

    assert (caught.value.reason, caught.value.parameter) == (Reason.INVALID_INPUT, "mask")


async def test_a_caller_who_leaves_ends_the_fetches():
    net = Net(gate=asyncio.Event())
    fetching = asyncio.create_task(fetched(net, by_url("http://a.example/")))
    await asyncio.wait_for(net.begun.wait(), 10)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching

    assert net.running == 0


async def test_one_account_cannot_take_all_fetches():
    net = Net(gate=asyncio.Event())
    inputs = Inputs(net, 10.0)
    urls = [by_url(f"http://a.example/{n}") for n in range(AT_ONCE)]
    greedy = [
        asyncio.create_task(inputs.fetched(order(*urls), slot(), ONE))
        for _ in range(SHARE // AT_ONCE + 2)
    ]
    async with asyncio.timeout(10):
        while net.running < SHARE:
            await asyncio.sleep(0)
    other = asyncio.create_task(inputs.fetched(order(urls[0]), slot(), OTHER))
    async with asyncio.timeout(10):
        while net.running < SHARE + 1:
            await asyncio.sleep(0)

    net.gate.set()
    await asyncio.gather(other, *greedy)
    assert net.most == SHARE + 1
    assert inputs._shares == {}


async def test_a_process_that_fetches_enough_refuses_more():
    inputs = Inputs(Net())
    inputs._running = IN_ALL
    with pytest.raises(GatewayError) as caught:
        await inputs.fetched(order(by_url("http://a.example/")), slot(), ONE)

    assert caught.value.reason is Reason.OVERLOADED
    assert caught.value.retry_after


@pytest.mark.parametrize(
    "url",
    [
        data_url(PNG),
        data_url(PNG).replace("data:image/png", "DATA:image/png;charset=utf-8"),
        "data:;base64," + base64.b64encode(PNG).decode(),
        "data:image/png;base64," + quote(base64.b64encode(PNG).decode(), safe=""),
        "data:image/png," + quote(PNG),
        "data:," + quote(PNG),
    ],
)
async def test_a_data_url_is_an_inline_file(url):
    net = Net()
    made = await Inputs(net).fetched(order(by_url(url)), slot(), ONE)

    assert made.inputs[0].data.reveal() == PNG
    assert made.inputs[0].url is None
    assert net.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "data:",
        "data:image/png",
        "data:image/png;base64,",
        "data:image/png;base64,%%%%",
        "data:image/png;base64,AAA",
        "data:image/png;base64,AA\nAA",
        "data:image/png;base64,ÄÄÄÄ",
        "data:" + "x" * 200 + ",AAAA",
    ],
)
async def test_a_broken_data_url_is_refused_by_name(url):
    with pytest.raises(GatewayError) as caught:
        await fetched(Net(), by_url(url, "image[2]"))

    assert (caught.value.reason, caught.value.parameter) == (Reason.INVALID_INPUT, "image[2]")


async def test_data_urls_count_as_inline_files():
    big = RawInput(Role.IMAGE, Body(bytes(MAXIMUM_INLINE_BYTES)), "image")
    with pytest.raises(GatewayError) as caught:
        await fetched(Net(), big, by_url(data_url(b"x")))

    assert caught.value.reason is Reason.REQUEST_TOO_LARGE


# ---- over the contract


@pytest.fixture
def net(core):
    made = Net({"https://a.example/1.png": PNG})
    core.services._built["GenerationService"]._inputs = Inputs(made)
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
