"""Files by their link: outputs from the store, and inputs that providers fetch from memory."""

from collections.abc import AsyncIterator, Callable, Iterator

from core.engine.handouts import Handout
from core.engine.library import Library
from core.engine.outputs import Store
from core.errors import GatewayError, Reason
from core.model import Asset
from core.services.convert import PIECE, timestamp
from reapi.v1 import generation_pb2 as resource
from reapi.v1 import generation_service_pb2 as pb


class Assets:
    """What `ReadAsset` serves; *handouts* finds an input that is handed out at a path."""

    def __init__(
        self,
        library: Library,
        store: Store,
        handouts: Callable[[str], Handout | None] = lambda _path: None,
    ) -> None:
        self.store = store
        self._library = library
        self._handouts = handouts

    async def read(self, request: pb.ReadAssetRequest) -> AsyncIterator[pb.ReadAssetResponse]:
        """The file's facts, then the bytes of the range. Raises GatewayError."""
        if (handout := self._handouts(request.path)) is not None:
            for answer in _handed_out(handout, request):
                yield answer
            return
        found = await self._library.output(request.path)
        _check_range(request, found.size_bytes)
        if await self.store.find(found.name) is None:
            raise GatewayError(Reason.ASSET_NOT_FOUND, "The output was deleted.")
        yield pb.ReadAssetResponse(asset=_without_link(found))
        if request.offset == found.size_bytes:
            return
        try:
            async for data in self.store.read(request.path, request.offset, request.limit):
                yield pb.ReadAssetResponse(data=data)
        except FileNotFoundError:
            raise GatewayError(Reason.ASSET_NOT_FOUND, "The output was deleted.") from None


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
