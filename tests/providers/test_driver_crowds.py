"""Many calls at once that are left, cut and refused at random: nobody gets what is another's."""

import asyncio
import random
from collections import Counter
from dataclasses import replace

import orjson
import pybase64
import pytest

from core.body import Body
from core.errors import UpstreamError
from core.model import Ask, Channel, Deadlines, Final, Kind, Piece, Preview
from core.providers.driver import Driver
from tests.fix_upstream import Peer, Upstream, chunk, head, http
from tests.providers.asking import EVENTS, attempt, channel

CALLERS, CALLS = 20, 25


class Erratic:
    """An upstream that gives back the last word of the prompt, or fails in some way."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    async def answers(self, peer: Peer) -> None:
        fields = orjson.loads(peer.request.body)
        image = fields["prompt"].encode() * self._chance.choice([1, 20_000])
        if fields.get("stream"):
            pieces = [head(200, EVENTS), *map(chunk, self._events(image)), chunk(b"")]
        else:
            document = {"data": [{"b64_json": pybase64.b64encode(image).decode()}]}
            whole = http(200, orjson.dumps(document))
            cut = self._chance.randrange(len(whole))
            pieces = [whole[:cut], whole[cut:]]
        if self._chance.random() < 0.1:
            pieces.append(b"HTTP/1.1 200 OK\r\nConte")  # what nobody asked for, and half of it
        for piece in pieces:
            await self._pauses(peer)
            if self._chance.random() < 0.05:
                self._chance.choice([peer.reset, peer.close])()
                return
            await peer.send(piece)
        await self._pauses(peer)
        if self._chance.random() < 0.1:
            peer.close()

    async def _pauses(self, peer: Peer) -> None:
        if self._chance.random() < 0.3:
            await asyncio.sleep(self._chance.random() * 0.005)
        if peer.writer.is_closing():
            raise ConnectionError("the caller has left")

    def _events(self, image: bytes) -> list[bytes]:
        text = pybase64.b64encode(image).decode()
        return [
            b"data: %b\n\n" % orjson.dumps({"type": f"image_generation.{name}", "b64_json": text})
            for name in ("partial_image", "completed")
        ]


class Crowd:
    """Callers who know what they must get."""

    def __init__(self, driver: Driver, target: Channel, chance: random.Random) -> None:
        self._driver = driver
        self._target = target
        self._chance = chance
        self.seen: Counter[str] = Counter()

    async def calls(self, caller: int) -> None:
        for number in range(CALLS):
            task = asyncio.create_task(self._call(f"{caller:04}{number:04}"))
            if self._chance.random() < 0.25:
                await asyncio.sleep(self._chance.random() * 0.006)
                task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                self.seen["cancelled"] += 1

    async def _call(self, word: str) -> None:
        chance = self._chance
        short, long = chance.choice([0.004, 5.0]), chance.choice([0.01, 5.0, 5.0])
        target = replace(self._target, deadlines=Deadlines(3.0, short, long, short, long))
        ask = Ask("gpt-image-2", Kind.IMAGE, Body(word), partials=chance.choice([0, 1]))

        def take(piece: Piece) -> None:
            if isinstance(piece, Final | Preview):
                image = piece.data.reveal()
                assert image == word.encode() * (len(image) // len(word))
                self.seen["image"] += 1
            if chance.random() < 0.05:
                raise InterruptedError

        try:
            await attempt(self._driver, ask, target, take)
        except InterruptedError:
            self.seen["left"] += 1
        except UpstreamError as error:
            self.seen[error.fault] += 1


@pytest.mark.parametrize("seed", [1, 2])
async def test_in_a_crowd_nobody_gets_what_is_anothers_and_nothing_is_left_open(
    upstream: Upstream, seed: int
) -> None:
    chance = random.Random(seed)
    upstream.plays(Erratic(chance).answers)
    async with Driver() as driver:
        crowd = Crowd(driver, channel(upstream.address), chance)
        await asyncio.gather(*(crowd.calls(caller) for caller in range(CALLERS)))
        await comes_down(upstream, to=CALLERS)  # those that can serve again

    await comes_down(upstream, to=0)
    assert {"image", "cancelled", "left", "lost", "timeout"} <= set(crowd.seen)
    assert crowd.seen["image"] > CALLERS


async def comes_down(upstream: Upstream, to: int) -> None:
    """Wait until no more than so many connections are open."""
    async with asyncio.timeout(5):
        while upstream.open > to:
            await asyncio.sleep(0)
