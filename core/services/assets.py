"""Files by their link: outputs and archives from the store, and inputs from memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import Protocol, TypeAlias

from core.engine.handouts import Handout
from core.engine.library import Library
from core.engine.outputs import Store
from core.errors import GatewayError, Reason
from core.model import Asset
from core.services.convert import PIECE, timestamp
from reapi.v1 import generation_pb2 as resource
from reapi.v1 import generation_service_pb2 as pb


class Archive(Protocol):
    """What somebody's data was gathered in (`accounts.exports.Export`)."""

    @property
    def size(self) -> int | None: ...

    @property
    def sha256(self) -> bytes | None: ...

    @property
    def expires_at(self) -> datetime | None: ...


Archives: TypeAlias = Callable[[str], Awaitable[Archive | None]]
"""Finds the archive that can be read at a path."""


async def no_archives(_path: str) -> None:
    """There are none."""


class Assets:
    """What `ReadAsset` serves.

    *handouts* finds an input that is handed out at a path, *archives* an archive.
    """

    def __init__(
        self,
        library: Library,
        store: Store,
        handouts: Callable[[str], Handout | None] = lambda _path: None,
        archives: Archives = no_archives,
    ) -> None:
        self.store = store
        self._library = library
        self._handouts = handouts
        self._archives = archives

    async def read(self, request: pb.ReadAssetRequest) -> AsyncIterator[pb.ReadAssetResponse]:
        """The file's facts, then the bytes of the range. Raises GatewayError."""
        if (handout := self._handouts(request.path)) is not None:
            for answer in _handed_out(handout, request):
                yield answer
            return
        asset = await self._stored(request.path)
        _check_range(request, asset.size_bytes)
        if await self.store.find(request.path) is None:
            raise GatewayError(Reason.ASSET_NOT_FOUND, "The output was deleted.")
        yield pb.ReadAssetResponse(asset=asset)
        if request.offset == asset.size_bytes:
            return
        try:
            reading = self.store.read(request.path, request.offset, request.limit)
            async with aclosing(reading) as pieces:
                async for data in pieces:
                    yield pb.ReadAssetResponse(data=data)
        except FileNotFoundError:
            raise GatewayError(Reason.ASSET_NOT_FOUND, "The output was deleted.") from None

    async def _stored(self, path: str) -> resource.Asset:
        """What is in the store; raises ASSET_NOT_FOUND."""
        archive = await self._archives(path)
        if archive is None:
            return _without_link(await self._library.output(path))
        asset = resource.Asset(
            media_type="application/zip",
            size_bytes=archive.size or 0,
            sha256=archive.sha256 or b"",
        )
        if archive.expires_at is not None:
            asset.expire_time.CopyFrom(timestamp(archive.expires_at))
        return asset


def _handed_out(handout: Handout, request: pb.ReadAssetRequest) -> Iterator[pb.ReadAssetResponse]:
    data = handout.data.reveal()
    _check_range(request, len(data))
    # Without a digest: up to 64 MiB would be hashed on the event loop, and a link never changes.
    yield pb.ReadAssetResponse(
        asset=resource.Asset(media_type=handout.media_type, size_bytes=len(data))
    )
    end = min(len(data), request.offset + request.limit) if request.limit else len(data)
    for at in range(request.offset, end, PIECE):
        yield pb.ReadAssetResponse(data=data[at : min(end, at + PIECE)])


def _check_range(request: pb.ReadAssetRequest, size: int) -> None:
    if request.offset < 0 or request.limit < 0 or request.offset > size:
        raise GatewayError(
            Reason.INVALID_PARAMETER, "The range is outside the output.", parameter="offset"
        )


def _without_link(asset: Asset) -> resource.Asset:
    return resource.Asset(
        output_index=asset.output_index,
        media_type=asset.media_type,
        size_bytes=asset.size_bytes,
        sha256=asset.sha256,
        expire_time=timestamp(asset.expire_at),
    )
