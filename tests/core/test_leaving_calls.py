"""How a caller's wish ends a call to a provider, and what it does not end."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from core.engine.calls import Leaving
from core.engine.events import Live
from core.errors import GatewayError, Reason

FREE: Any = SimpleNamespace(bills_on_cancel=False)
BILLED: Any = SimpleNamespace(bills_on_cancel=True)
SECONDS = 5


class Calls:
    """Calls of one generation: `answer` ends them."""

    def __init__(self) -> None:
        self.live = Live(UUID(int=1), UUID(int=2), 1)
        self.begun = asyncio.Event()
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def call(self, channel: Any) -> str:
        with Leaving(self.live, channel):
            self.begun.set()
            answer = await self.answer
        await asyncio.sleep(0)  # what follows a call is not ended by the wish to leave it
        return answer


@pytest.fixture
async def calls() -> Calls:
    return Calls()


async def begin(calls: Calls, channel: Any) -> "asyncio.Task[str]":
    task = asyncio.create_task(calls.call(channel))
    await calls.begun.wait()
    return task


async def test_a_wish_ends_the_call_and_only_the_call(calls: Calls) -> None:
    task = await begin(calls, FREE)
    calls.live.ask_to_cancel()

    with pytest.raises(GatewayError) as raised:
        await asyncio.wait_for(task, SECONDS)
    assert raised.value.reason is Reason.CANCELLED
    assert task.cancelling() == 0, "whoever made the call may go on"
    assert calls.live.on_cancel == set()


async def test_a_channel_that_bills_for_it_is_heard_to_its_end(calls: Calls) -> None:
    task = await begin(calls, BILLED)
    calls.live.ask_to_cancel()
    await asyncio.sleep(0)
    calls.answer.set_result("made")

    assert await asyncio.wait_for(task, SECONDS) == "made"


async def test_an_answer_that_came_before_the_wish_is_taken(calls: Calls) -> None:
    task = await begin(calls, FREE)
    calls.answer.set_result("made")
    calls.live.ask_to_cancel()

    assert await asyncio.wait_for(task, SECONDS) == "made"
    assert task.cancelling() == 0


async def test_whoever_else_cancels_in_the_same_moment_is_heard(calls: Calls) -> None:
    task = await begin(calls, FREE)
    calls.live.ask_to_cancel()
    asyncio.get_running_loop().call_soon(task.cancel)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, SECONDS)
    assert task.cancelled()


async def test_a_call_that_failed_by_itself_is_no_cancel(calls: Calls) -> None:
    task = await begin(calls, FREE)
    calls.answer.set_exception(ValueError())
    calls.live.ask_to_cancel()

    with pytest.raises(ValueError, match=r"^\Z"):
        await asyncio.wait_for(task, SECONDS)
