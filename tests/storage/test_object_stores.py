"""One contract for every store of outputs: the folder, a real bucket, and the twin in memory."""

import asyncio
import os
import stat
import threading
from contextlib import aclosing

import pytest

from storage.folder import PIECE, SMALL, WRITTEN_AT_ONCE, FolderStore, is_name
from storage.memory_objects import MemoryStore
from storage.s3_upload import PART_BYTES


@pytest.fixture(params=["folder", "synced folder", "memory", "s3"])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryStore()
    if request.param == "s3":
        return request.getfixturevalue("s3_store")
    return FolderStore(tmp_path / "outputs", sync=request.param == "synced folder")


async def content(store, name, offset=0, limit=0):
    return b"".join([piece async for piece in store.read(name, offset, limit)])


@pytest.mark.parametrize(
    "size", [0, 1, SMALL, SMALL + 1, PIECE, WRITTEN_AT_ONCE + 1, 3 * PIECE + 7, PART_BYTES + 1]
)
async def test_what_was_put_is_read_back_whole(store, size):
    data = bytes(i % 251 for i in range(size))
    await store.put("tasks/a/b/0.png", data)

    assert await content(store, "tasks/a/b/0.png") == data
    assert (await store.find("tasks/a/b/0.png")).size == size


@pytest.mark.parametrize(
    ("offset", "limit"),
    [(0, 1), (5, 10), (PIECE - 1, 2), (10, 0), (0, 5 * PIECE), (2 * PIECE, 0), (2 * PIECE, 9)],
)
async def test_a_range_is_read(store, offset, limit):
    data = bytes(i % 251 for i in range(2 * PIECE))
    await store.put("x", data)

    assert (
        await content(store, "x", offset, limit) == data[offset : offset + limit if limit else None]
    )


async def test_pieces_are_at_most_a_mebibyte(store):
    await store.put("x", bytes(3 * PIECE))

    assert max([len(piece) async for piece in store.read("x")]) <= PIECE


async def test_nothing_is_read_of_an_empty_object(store):
    await store.put("x", b"")

    assert await content(store, "x", 0, 10) == b""


async def test_who_stops_reading_leaves_nothing_open(store):
    await store.put("x", bytes(3 * PIECE))
    for _ in range(70):  # more than a store has connections
        async with aclosing(store.read("x")) as pieces:
            assert await anext(pieces)


async def test_an_object_is_replaced(store):
    await store.put("x", b"one")
    await store.put("x", b"other")

    assert await content(store, "x") == b"other"


async def test_what_is_not_there_is_not_found(store):
    assert await store.find("nothing") is None
    assert await store.delete("nothing") is False
    with pytest.raises(FileNotFoundError):
        await content(store, "nothing")


async def test_a_deleted_object_is_gone(store):
    await store.put("x", b"one")

    assert await store.delete("x") is True
    assert await store.find("x") is None


async def test_odd_names_are_never_found(store):
    odd = ["", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a b", "a\0b", "~", "a~b"]
    for name in [*odd, ".hidden", "x" * 201]:
        assert not is_name(name)
        assert await store.find(name) is None
        assert await store.delete(name) is False
        with pytest.raises(FileNotFoundError):
            await content(store, name)


async def test_outputs_are_for_their_owner_only_and_no_drafts_stay(tmp_path):
    store = FolderStore(tmp_path)
    await store.put("a/b", b"x")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]


async def yields(*chunks, then=None):
    for chunk in chunks:
        yield chunk
    if then is not None:
        raise then


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        (b"",),
        (b"one",),
        (b"one", b"", b"two"),
        (bytes(PIECE),) * 3,
        (bytes(PIECE),) * (PART_BYTES // PIECE),
        (b"x" * (PIECE - 7),) * (2 * PART_BYTES // PIECE),
    ],
    ids=lambda chunks: f"{len(chunks)} of {len(chunks[-1]) if chunks else 0}",
)
async def test_what_streamed_in_is_read_back_whole(store, chunks):
    data = b"".join(chunks)

    assert await store.put_stream("tasks/a/b/0.mp4", yields(*chunks)) == len(data)
    assert await content(store, "tasks/a/b/0.mp4") == data


async def test_a_stream_replaces_an_object_of_its_name(store):
    await store.put("x", b"one")
    await store.put_stream("x", yields(b"ot", b"her"))

    assert await content(store, "x") == b"other"


async def test_a_stream_appears_only_when_it_is_complete(store):
    await store.put("x", b"one")
    seen = []

    async def chunks():
        yield b"half"
        seen.append(await store.find("x"))
        seen.append(await content(store, "x"))

    await store.put_stream("x", chunks())

    assert (seen[0].size, seen[1]) == (3, b"one")


async def test_a_broken_stream_leaves_nothing_behind(store, tmp_path):
    with pytest.raises(ZeroDivisionError):
        await store.put_stream("x", yields(b"half", then=ZeroDivisionError()))

    assert await store.find("x") is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_cancelled_stream_leaves_nothing_behind(store, tmp_path):
    begun = asyncio.Event()

    async def chunks():
        yield b"half"
        begun.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(store.put_stream("x", chunks()))
    await asyncio.wait_for(begun.wait(), 10)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert await store.find("x") is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_stream_cancelled_during_its_sync_leaves_nothing_behind(tmp_path, monkeypatch):
    store = FolderStore(tmp_path, sync=True)
    begun, gate, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def slow(descriptor):
        loop.call_soon_threadsafe(begun.set)
        assert gate.wait(10)
        os.fstat(descriptor)  # still open: raises otherwise

    monkeypatch.setattr("storage.folder.os.fsync", slow)
    putting = asyncio.create_task(store.put_stream("x", yields(b"all")))
    await asyncio.wait_for(begun.wait(), 10)
    putting.cancel()
    loop.call_soon(gate.set)
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert await store.find("x") is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_full_disk_leaves_no_draft(tmp_path, monkeypatch):
    store = FolderStore(tmp_path)

    def full(_descriptor, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("storage.folder.os.write", full)
    with pytest.raises(OSError, match="space"):
        await store.put_stream("x", yields(b"all"))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_streams_of_one_name_at_a_time_do_not_mix(store):
    await asyncio.gather(
        *(store.put_stream("x", yields(*[bytes([n]) * 1000] * 50)) for n in range(5))
    )

    assert len(set(await content(store, "x"))) == 1
