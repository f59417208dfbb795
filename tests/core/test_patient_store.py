"""A bucket that is away for a minute costs nobody an output; reads say that it is away."""

from datetime import UTC, datetime

import pytest

from core.engine.outputs import discard
from core.engine.storing import LONGEST_DELAY, PATIENCE_SECONDS, PatientStore
from core.errors import GatewayError, Reason
from core.model import Asset
from storage.memory_objects import MemoryStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Away(MemoryStore):
    """Fails until *until* seconds of pauses have passed."""

    def __init__(self, until):
        super().__init__()
        self.until, self.now, self.pauses = until, 0.0, []

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def check(self):
        if self.now < self.until:
            raise OSError

    async def put(self, name, data):
        self.check()
        await super().put(name, data)

    async def find(self, name):
        self.check()
        return await super().find(name)

    async def read(self, name, offset=0, limit=0):
        self.check()
        async for piece in super().read(name, offset, limit):
            yield piece


def patient(store):
    return PatientStore(store, store.sleep)


@pytest.mark.parametrize("seconds", [0, 1, 60, 70])
async def test_a_bucket_that_is_away_for_a_minute_loses_nothing(seconds):
    store = Away(seconds)
    await patient(store).put("x", b"one")

    assert store.objects["x"][0] == b"one"
    assert store.now <= seconds + LONGEST_DELAY


async def test_a_bucket_that_stays_away_fails_in_the_end():
    store = Away(1e9)
    with pytest.raises(OSError, match=r"^$"):
        await patient(store).put("x", b"one")

    assert PATIENCE_SECONDS <= store.now <= PATIENCE_SECONDS + LONGEST_DELAY


async def test_who_reads_is_told_that_the_bucket_is_away():
    store = patient(Away(1))
    with pytest.raises(GatewayError) as found:
        await store.find("x")
    with pytest.raises(GatewayError) as read:
        await anext(store.read("x"))

    assert found.value.reason is read.value.reason is Reason.STORAGE_UNAVAILABLE
    assert found.value.retry_after == 1


async def test_an_output_that_cannot_be_deleted_now_does_not_keep_the_others():
    class Failing(MemoryStore):
        async def delete(self, name):
            if name == "b":
                raise OSError
            return await super().delete(name)

    store = Failing()
    assets = [
        Asset(index, name, "image/png", 1, bytes(32), NOW) for index, name in enumerate("abcd")
    ]
    for asset in assets[:3]:
        await store.put(asset.name, b"x")

    gone = await discard(store, assets)

    assert [asset.name for asset in gone] == ["a", "c", "d"]
    assert set(store.objects) == {"b"}


async def test_what_is_not_there_is_not_found():
    store = patient(Away(0))

    assert await store.find("x") is None
    assert await store.delete("x") is False
    with pytest.raises(FileNotFoundError):
        await anext(store.read("x"))


async def test_the_rest_is_the_stores():
    store = patient(Away(0))

    async def chunks():
        yield b"one"
        yield b"two"

    assert await store.put_stream("x", chunks()) == 6
    assert [piece async for piece in store.read("x", 1, 3)] == [b"net"]
    assert await store.delete("x") is True
