"""A bucket's connections: whoever holds many of them holds up nobody who stores."""

import asyncio

import pytest

from storage import s3
from storage.s3 import S3Store
from storage.s3_errors import BucketError

MEBIBYTE = 1 << 20
SECONDS = 20


async def test_who_reads_slowly_keeps_nobody_from_storing(bucket, monkeypatch):
    monkeypatch.setattr(s3, "CONNECTIONS", 3)
    monkeypatch.setattr(s3, "READS", 2)
    async with S3Store(bucket) as store:
        await store.put("tasks/large.png", bytes(8 * MEBIBYTE))
        readers = [store.read("tasks/large.png") for _ in range(3)]
        first = [asyncio.create_task(anext(reader)) for reader in readers]
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*first[:2])
            await store.put("tasks/next.png", b"stored")
        assert not first[2].done()
        await readers[0].aclose()
        async with asyncio.timeout(SECONDS):
            assert await first[2]
        for reader in readers[1:]:
            await reader.aclose()


async def test_a_call_that_gets_no_connection_is_given_up(bucket, monkeypatch):
    monkeypatch.setattr(s3, "CONNECTIONS", 1)
    async with S3Store(bucket) as store:
        await store.put("tasks/large.png", bytes(8 * MEBIBYTE))
        reader = store.read("tasks/large.png")
        await anext(reader)
        monkeypatch.setattr(s3, "CALL_SECONDS", 0.5)
        with pytest.raises(BucketError) as caught:
            await store.put("tasks/next.png", b"stored")
        await reader.aclose()

    assert caught.value.code == "TimeoutError"


async def test_a_reader_whose_turn_does_not_come_is_told(bucket, monkeypatch):
    monkeypatch.setattr(s3, "READS", 1)
    async with S3Store(bucket) as store:
        await store.put("tasks/large.png", bytes(8 * MEBIBYTE))
        reader = store.read("tasks/large.png")
        await anext(reader)
        monkeypatch.setattr(s3, "CALL_SECONDS", 0.5)
        with pytest.raises(BucketError) as caught:
            await anext(store.read("tasks/large.png"))
        await reader.aclose()
        monkeypatch.undo()

        assert await anext(store.read("tasks/large.png"))
    assert caught.value.code == "TimeoutError"
