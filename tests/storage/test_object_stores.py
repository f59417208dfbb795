"""One contract for every store of outputs: the folder, and its twin in memory."""

import stat

import pytest

from storage.folder import PIECE, SMALL, WRITTEN_AT_ONCE, FolderStore, is_name
from storage.memory_objects import MemoryStore


@pytest.fixture(params=["folder", "synced folder", "memory"])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryStore()
    return FolderStore(tmp_path / "outputs", sync=request.param == "synced folder")


async def content(store, name, offset=0, limit=0):
    return b"".join([piece async for piece in store.read(name, offset, limit)])


@pytest.mark.parametrize(
    "size", [0, 1, SMALL, SMALL + 1, PIECE, WRITTEN_AT_ONCE + 1, 3 * PIECE + 7]
)
async def test_what_was_put_is_read_back_whole(store, size):
    data = bytes(i % 251 for i in range(size))
    await store.put("tasks/a/b/0.png", data)

    assert await content(store, "tasks/a/b/0.png") == data
    assert (await store.find("tasks/a/b/0.png")).size == size


@pytest.mark.parametrize(
    ("offset", "limit"), [(0, 1), (5, 10), (PIECE - 1, 2), (10, 0), (0, 5 * PIECE)]
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


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../x",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "a b",
        "a\0b",
        "~",
        "a~b",
        ".hidden",
        "x" * 201,
    ],
)
async def test_odd_names_are_never_found(store, name):
    assert not is_name(name)
    assert await store.find(name) is None


async def test_outputs_are_for_their_owner_only_and_no_drafts_stay(tmp_path):
    store = FolderStore(tmp_path)
    await store.put("a/b", b"x")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]
