"""Who may not send any more at the moment of writing sends nothing (semantics.md 17)."""

import pytest

from core.model import Piece
from core.providers import DIALECTS
from core.providers.driver import Driver
from core.providers.wire import Call
from tests.fix_upstream import Upstream, http
from tests.providers.asking import BULKY, channel, settled
from tests.providers.tapes_openai_images import ASK, answer


def _ignore(piece: Piece) -> None:
    del piece


class LostError(Exception):
    """What was about to be sent is somebody else's."""


class Clearance:
    """Lets so many writes pass, and notes what stood when it was asked."""

    def __init__(self, upstream: Upstream, writes: int = 0) -> None:
        self._upstream = upstream
        self._writes = writes
        self.asked: list[int] = []

    def __call__(self) -> None:
        self.asked.append(len(self._upstream.requests))
        if len(self.asked) > self._writes:
            raise LostError


async def test_nothing_is_sent_where_the_right_was_lost_while_connecting(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(200, b"{}"))
    clearance, target = Clearance(upstream), channel(upstream.address)
    with pytest.raises(LostError):
        await driver.call(Call("POST", "/jobs", {}), target, clear=clearance)
    with pytest.raises(LostError):
        await driver.attempt(DIALECTS[target.dialect], ASK, target, _ignore, clear=clearance)
    await settled()
    assert upstream.requests == []
    assert clearance.asked == [0, 0]


async def test_a_body_that_is_on_its_way_stops(driver: Driver, upstream: Upstream) -> None:
    upstream.plays(http(200, answer(1)))
    clearance, target = Clearance(upstream, writes=2), channel(upstream.address)
    with pytest.raises(LostError):
        await driver.attempt(DIALECTS[target.dialect], BULKY, target, _ignore, clear=clearance)
    await settled()
    assert upstream.requests == []
    assert len(clearance.asked) == 3


async def test_what_may_be_sent_is_asked_for_at_each_write_only(
    driver: Driver, upstream: Upstream
) -> None:
    upstream.plays(http(200, b"{}"))
    clearance = Clearance(upstream, writes=2)
    for _ in range(2):
        reply = await driver.call(
            Call("POST", "/jobs", {}), channel(upstream.address), clear=clearance
        )
        assert reply.status == 200
    assert clearance.asked == [0, 1]
