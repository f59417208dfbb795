"""Inputs by URL and data URL: fetched before anything is accepted, and counted."""

import asyncio
import base64
from urllib.parse import quote
from uuid import UUID

import pytest

from core.body import Body
from core.engine.admission import Admission
from core.engine.inputs import AT_ONCE, IN_ALL, MAXIMUM_URLS, SHARE, Inputs
from core.engine.order import MAXIMUM_INLINE_BYTES, Order, RawInput
from core.errors import GatewayError, Reason
from core.model import Role
from tests.fix_core import PNG
from tests.scripted_net import Net, data_url

ONE, OTHER = UUID(int=1), UUID(int=2)


def by_url(url, parameter="image"):
    return RawInput(Role.IMAGE, Body(b""), parameter, Body(url))


def order(*inputs):
    return Order("m", Body("p"), inputs=inputs)


def slot(maximum=1 << 30):
    return Admission(10, maximum).enter()


async def fetched(net, *inputs, slot_=None, seconds=10.0):
    made = await Inputs(net, seconds).fetched(order(*inputs), slot_ or slot(), ONE)
    return [item.data.reveal() for item in made.inputs]


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
        async def fetch(self, url, parameter, took, owner=None):
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
        "data:image/png," + "%41" * 5000,
        "data:image/png;base64," + "%41" * 5000,
    ],
)
async def test_a_broken_data_url_is_refused_by_name(url):
    with pytest.raises(GatewayError) as caught:
        await fetched(Net(), by_url(url, "image[2]"))

    assert (caught.value.reason, caught.value.parameter) == (Reason.INVALID_INPUT, "image[2]")


async def test_base64_may_be_escaped_as_often_as_it_needs():
    data = PNG + b"\xff" * 60_000  # whose base64 is all slashes
    url = "data:image/png;base64," + quote(base64.b64encode(data).decode(), safe="")
    made = await Inputs(Net()).fetched(order(by_url(url)), slot(), ONE)

    assert made.inputs[0].data.reveal() == data


async def test_data_urls_count_as_inline_files():
    big = RawInput(Role.IMAGE, Body(bytes(MAXIMUM_INLINE_BYTES)), "image")
    with pytest.raises(GatewayError) as caught:
        await fetched(Net(), big, by_url(data_url(b"x")))

    assert caught.value.reason is Reason.REQUEST_TOO_LARGE
