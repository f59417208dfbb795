"""How long hosted outputs are brought home: providers and buckets are given different patience."""

import asyncio
from uuid import UUID

import pytest

from core.body import Body, Secret
from core.engine import turns
from core.engine.mirroring import (
    CALL_PATIENCE,
    JOB_PATIENCE,
    LINK_SECONDS,
    LONGEST_DELAY,
    Mirror,
)
from core.errors import Fault, GatewayError, Phase, Reason, UpstreamError
from core.model import Channel, Hosted, Kind
from storage.memory_objects import MemoryStore
from tests.scripted_jobs import Films

CHANNEL = Channel("c", "d", "m", "http://127.0.0.1:1", Secret("sk"))
FILM = Hosted(0, Body("http://127.0.0.1:1/0.mp4"))
GONE = UpstreamError(Fault.NOT_FOUND, Phase.BODY, 404)
CUT = UpstreamError(Fault.LOST, Phase.BODY)
TRY_SECONDS = 2.0


class World(MemoryStore):
    """A bucket that is away until *until*, by a clock that only pauses and tries move."""

    def __init__(self, until):
        super().__init__()
        self.until, self.now, self.tries = until, 0.0, 0
        self.films = Films()
        self.mirror = Mirror(self, self.films, self.sleep, lambda: self.now)

    async def sleep(self, seconds):
        self.now += seconds

    async def put_stream(self, name, chunks):
        self.tries += 1
        self.now += TRY_SECONDS
        if self.now < self.until:
            await anext(chunks)
            raise OSError
        return await super().put_stream(name, chunks)

    async def keep(self, patience=JOB_PATIENCE, hosted=(FILM,)):
        kept = await self.mirror.keep(UUID(int=1), hosted, CHANNEL, Kind.VIDEO, patience=patience)
        assert set(self.objects) == {item.asset.name for item in kept}
        return kept


@pytest.mark.parametrize("patience", [CALL_PATIENCE, JOB_PATIENCE], ids=["call", "job"])
async def test_a_bucket_that_is_away_for_a_minute_loses_nothing(patience):
    world = World(60)

    assert len(await world.keep(patience)) == 1
    assert world.now <= 60 + LONGEST_DELAY + TRY_SECONDS


async def test_what_a_job_made_waits_for_its_turn_behind_other_downloads(monkeypatch):
    monkeypatch.setattr(turns, "DOWNLOADS_AT_ONCE", 1)
    timeout = asyncio.timeout
    monkeypatch.setattr(
        asyncio, "timeout", lambda seconds: timeout(None if seconds is None else seconds / 1000)
    )
    world = World(0)
    async with world.mirror._turns.turn(CHANNEL.name):
        with pytest.raises(UpstreamError):
            await world.keep(CALL_PATIENCE)
        waiting = asyncio.ensure_future(world.keep())
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done, "that others take long is no failure of the provider"

    assert len(await waiting) == 1


async def test_what_a_job_made_is_brought_home_as_long_as_its_link_lives():
    world = World(LINK_SECONDS - LONGEST_DELAY)

    assert len(await world.keep()) == 1


@pytest.mark.parametrize("patience", [CALL_PATIENCE, JOB_PATIENCE], ids=["call", "job"])
async def test_a_bucket_that_stays_away_is_given_up_in_the_end(patience):
    world = World(1e9)
    with pytest.raises(GatewayError) as caught:
        await world.keep(patience)

    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    assert patience.store_seconds <= world.now
    assert world.now <= patience.store_seconds + LONGEST_DELAY + 2 * TRY_SECONDS
    assert world.objects == {}


async def test_a_link_that_dies_while_the_bucket_is_away_is_the_buckets_failure():
    """It is not made again elsewhere: somebody has paid for it already."""
    world = World(1e9)
    world.films.steps = [world.films.always, GONE, GONE]
    with pytest.raises(GatewayError) as caught:
        await world.keep()

    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE


async def test_a_provider_that_fails_meanwhile_is_forgiven_once_it_gives_the_film():
    world = World(200)
    film = world.films.always
    world.films.steps = ([CUT] * 8 + [film]) * 2

    assert len(await world.keep()) == 1


async def test_who_is_cancelled_while_the_bucket_is_away_leaves_nothing():
    world, waiting = World(1e9), asyncio.Event()

    async def sleep(_seconds):
        waiting.set()
        await asyncio.Event().wait()

    world.mirror = Mirror(world, world.films, sleep)
    keeping = asyncio.create_task(world.keep())
    await asyncio.wait_for(waiting.wait(), 10)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping

    assert world.objects == {}
