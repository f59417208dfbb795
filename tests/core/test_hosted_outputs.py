"""Outputs that a provider hosts are copied into the store as they come in."""

import hashlib
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.body import Body, Secret
from core.engine.outputs import KEEP_DAYS, Wish, check, keep_hosted, new_link
from core.errors import Fault, Phase, UpstreamError
from core.fetch.result import Download
from core.model import Channel, Final, Hosted, Kind
from storage.folder import FolderStore
from storage.memory_objects import MemoryStore
from tests.films import INDEX_FIRST, INDEX_LAST
from tests.fix_core import jpeg, png

CHANNEL = Channel("c", "d", "m", "http://127.0.0.1:1", Secret("sk"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = UUID(int=5)


class Peer:
    """A fetcher that yields what a test wrote down."""

    def __init__(self, *chunks, then=None):
        self.chunks, self.then = chunks, then
        self.left = False

    @asynccontextmanager
    async def open(self, hosted, channel, budget=None):
        async def chunks():
            for chunk in self.chunks:
                yield chunk
            if self.then is not None:
                raise self.then

        try:
            yield Download(None, chunks())
        finally:
            self.left = True


def wish(kind=Kind.VIDEO, media_type=""):
    return Wish(ID, "ab" * 12, NOW, kind, media_type)


async def keep(peer, wanted, store):
    hosted = Hosted(3, Body("http://127.0.0.1:1/f"))
    try:
        return await keep_hosted(store, peer, hosted, CHANNEL, wanted)
    finally:
        assert peer.left


def pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("data", [INDEX_FIRST, INDEX_LAST])
async def test_a_video_is_kept_with_all_that_is_known_of_it(data, size):
    store = MemoryStore()
    kept = await keep(Peer(*pieces(data, size)), wish(), store)

    assert kept.asset.name == f"tasks/{ID.hex}/{'ab' * 12}/3.mp4"
    assert store.objects[kept.asset.name][0] == data
    record = kept.record
    assert (record.media_type, record.width, record.height) == ("video/mp4", 64, 48)
    assert (record.size_bytes, record.sha256) == (len(data), hashlib.sha256(data).digest())
    assert (record.output_index, record.link, record.keep_days) == (3, "ab" * 12, KEEP_DAYS)
    assert kept.seconds == pytest.approx(1.0, abs=0.1)
    assert kept.data is None


@pytest.mark.parametrize(("data", "type_"), [(png(), "image/png"), (jpeg(), "image/jpeg")])
async def test_an_image_is_kept_with_its_size(data, type_):
    kept = await keep(Peer(*pieces(data, 5)), wish(Kind.IMAGE), MemoryStore())

    assert (kept.record.media_type, kept.record.width, kept.record.height) == (type_, 16, 16)


async def test_an_image_whose_size_stands_far_behind_is_read():
    start, rest = jpeg()[:2], jpeg()[2:]
    profile = b"\xff\xe2\xff\xff" + bytes(65533)
    data = start + profile * 10 + rest
    kept = await keep(Peer(*pieces(data, 1000)), wish(Kind.IMAGE), MemoryStore())

    assert kept.record.width == 16


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", wish()),
        (b"<html>not found</html>" * 10, wish()),
        (png(), wish()),
        (INDEX_LAST, wish(Kind.IMAGE)),
        (jpeg(), wish(Kind.IMAGE, "image/png")),
        (INDEX_LAST[:-1], wish()),
        (INDEX_FIRST[:-1], wish()),
        (INDEX_LAST[: INDEX_LAST.index(b"moov") - 4], wish()),
        (png()[:20], wish(Kind.IMAGE)),
    ],
)
async def test_what_was_not_asked_for_is_refused_and_leaves_nothing(data, wanted, tmp_path):
    with pytest.raises(UpstreamError) as caught:
        await keep(Peer(*pieces(data, 10)), wanted, FolderStore(tmp_path))

    assert (caught.value.fault, caught.value.phase) == (Fault.INVALID_RESPONSE, Phase.BODY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_download_that_breaks_leaves_nothing(tmp_path):
    broken = UpstreamError(Fault.LOST, Phase.BODY)
    with pytest.raises(UpstreamError) as caught:
        await keep(Peer(INDEX_LAST[:500], then=broken), wish(), FolderStore(tmp_path))

    assert caught.value is broken
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_store_that_fails_says_so():
    class Full(MemoryStore):
        async def put_stream(self, name, chunks):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="space"):
        await keep(Peer(INDEX_LAST), wish(), Full())


async def test_it_is_never_whole_in_memory():
    """Each chunk is stored before the next is asked for."""
    order = []

    class Slow(MemoryStore):
        async def put_stream(self, name, chunks):
            size = 0
            async for chunk in chunks:
                order.append("stored")
                size += len(chunk)
            return size

    class Noting(Peer):
        @asynccontextmanager
        async def open(self, hosted, channel, budget=None):
            async def chunks():
                for chunk in self.chunks:
                    order.append("fetched")
                    yield chunk

            yield Download(None, chunks())
            self.left = True

    await keep(Noting(*pieces(INDEX_LAST, 200)), wish(), Slow())

    assert order == ["fetched", "stored"] * (len(order) // 2)


def test_links_cannot_be_guessed():
    assert len({new_link() for _ in range(100)}) == 100
    assert len(new_link()) == 24


def test_a_final_of_another_kind_is_no_output():
    film, picture = Final(0, Body(INDEX_LAST)), Final(1, Body(png()))

    assert [final for final, _ in check([film, picture])] == [picture]
    assert [final for final, _ in check([film, picture], "", Kind.VIDEO)] == [film]
