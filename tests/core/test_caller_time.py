"""`x-reapi-timeout`: the caller's time, where the call itself outlives it."""

import asyncio
from contextlib import suppress

import grpc
import pytest

from core.errors import Fault, Phase, Reason, UpstreamError
from core.policy.deadlines import is_over
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import DELIVERY, METADATA
from tests.generating import SECONDS, failed_reason, kinds, reason_of, start

SILENCE = UpstreamError(Fault.TIMEOUT, Phase.FIRST_BYTE)


async def asked(channel, timeout, **changes):
    """The events of a detached generation whose caller gave it so long."""
    metadata = (*METADATA, ("x-reapi-timeout", timeout))
    call = rpc.GenerationServiceStub(channel).Generate(metadata=metadata, timeout=SECONDS)
    try:
        await call.initial_metadata()
        with suppress(asyncio.InvalidStateError):  # it was refused: reading tells why
            await call.write(start(detached=True, **changes))
        return [response.event async for response in call]
    finally:
        call.cancel()


async def test_when_the_time_is_over_the_generation_fails_and_costs_nothing(channel, core):
    over = asyncio.Event()
    core.upstream.play("openai-a", (over, SILENCE))

    async def end() -> None:
        """What the driver's deadline does."""
        while not core.upstream.asked:
            await asyncio.sleep(0.005)
        asyncio.get_running_loop().call_later(0.4, over.set)

    ending = asyncio.ensure_future(end())
    events = await asked(channel, "0.4")
    await ending

    assert failed_reason(events[-1]) == "DEADLINE_EXCEEDED"
    await core.settled()
    assert await core.balance() == (1000, 0)
    assert core.upstream.asked == ["openai-a"], "no other channel is asked after the end"


async def test_what_is_made_in_time_is_delivered(channel, core):
    events = await asked(channel, "30")

    assert kinds(events)[-1] == "completed"
    assert await core.balance() == (993, 0)


async def test_a_long_time_is_forgotten_when_the_generation_ends(channel, core):
    await asked(channel, "86400")
    await core.settled()
    loop = asyncio.get_running_loop()
    left = [each for each in loop._scheduled if each.when() > loop.time() + 1000]

    assert [each for each in left if not each.cancelled()] == []


async def test_without_the_word_a_detached_generation_has_no_end(channel, core):
    over = asyncio.Event()
    core.upstream.play("openai-a", (over, SILENCE), DELIVERY)
    call = rpc.GenerationServiceStub(channel).Generate(metadata=METADATA, timeout=1)
    await call.initial_metadata()
    await call.write(start(detached=True))
    with pytest.raises(grpc.aio.AioRpcError):
        async for _ in call:
            pass
    over.set()
    await core.settled()

    assert await core.balance() == (993, 0), "another channel was asked, and it delivered"


async def test_what_cannot_be_cut_is_asked_to_stop(channel, core):
    release = asyncio.Event()
    core.upstream.play("openai-a", (release, *DELIVERY))
    call = asyncio.ensure_future(asked(channel, "0.3"))
    async with asyncio.timeout(SECONDS):
        while not any(live.cancel_asked for live in core.engine._live.values()):
            await asyncio.sleep(0.005)
    release.set()

    assert kinds(await call)[-1] == "completed", "it bills on cancel, so it was heard to its end"
    await core.settled()
    assert await core.balance() == (993, 0)


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "0", "0.05", "1e3", "nan", "86401", "1.2345", "1,5"]
)
async def test_a_value_that_is_no_time_is_refused_by_name(channel, core, value):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asked(channel, value)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    info = reason_of(caught.value)
    assert (info.reason, info.metadata["parameter"]) == ("INVALID_PARAMETER", "x-reapi-timeout")
    assert core.upstream.asked == []
    assert core.admission.calls == 0


def test_silence_is_the_callers_own_only_when_its_time_is_over() -> None:
    assert is_over(Reason.UPSTREAM_TIMEOUT, 5.0, 5.0)
    assert not is_over(Reason.UPSTREAM_TIMEOUT, 5.0, 4.0)
    assert not is_over(Reason.UPSTREAM_TIMEOUT, None, 5.0)
    assert not is_over(Reason.UPSTREAM_ERROR, 5.0, 5.0)
