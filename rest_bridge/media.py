"""`/media/…`: outputs by their link, with byte ranges and validators (RFC 9110 13 and 14)."""

from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING

from reapi.v1 import generation_pb2, generation_service_pb2
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.headers import NO_STORE, Header
from rest_bridge.server_stream import ServerStream

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.generation_service_pb2_grpc import GenerationServiceAsyncStub

_Stream = ServerStream[generation_service_pb2.ReadAssetResponse]

_LONGEST_CACHE_SECONDS = 300
"""Short, so that a deletion wins over caches."""
_INPUTS = "inputs/"
"""Paths of what a caller sent, handed out to a provider while its job runs: no cache keeps it."""
_ARCHIVE = ".zip"
"""The ending of paths of archives of somebody's data: likewise."""

_FIXED_HEADERS: tuple[Header, ...] = (
    (b"accept-ranges", b"bytes"),
    (b"x-content-type-options", b"nosniff"),
    (
        b"content-security-policy",
        b"sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'",
    ),
    (b"cross-origin-resource-policy", b"cross-origin"),
)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes *first* to *last*, both included."""

    first: int
    last: int


class Unsatisfiable(Exception):
    """The range lies outside of the file."""


def parse_range(text: bytes, size: int) -> ByteRange | None:
    """The one range of a `Range` header; None to send the whole file.

    Several ranges, other units and malformed ones are ignored, as RFC 9110 allows.
    Raises Unsatisfiable.
    """
    unit, equals, spec = text.strip().partition(b"=")
    first, dash, last = (piece.strip() for piece in spec.partition(b"-"))
    if unit.strip().lower() != b"bytes" or not equals or not dash or len(spec) > 40:
        return None
    if not first and last.isdigit():
        length = min(int(last), size)
        if length == 0:
            raise Unsatisfiable
        return ByteRange(size - length, size - 1)
    if not first.isdigit() or (last and not last.isdigit()):
        return None
    begin, end = int(first), int(last) if last else size - 1
    if last and end < begin:
        return None
    if begin >= size:
        raise Unsatisfiable
    return ByteRange(begin, min(end, size - 1))


class Media:
    """The outputs. The link is the permission: no credential is read or passed on."""

    def __init__(self, stub: "GenerationServiceAsyncStub") -> None:
        self._stub = stub

    async def read(self, exchange: Exchange) -> None:
        """GET and HEAD /media/{path}."""
        wants_range = b"range" in exchange.headers and exchange.method == "GET"
        # A range needs the size first: ask for one byte, then for the right ones.
        async with self._open(exchange, 0, 1 if wants_range else 0) as stream:
            asset = await _first(stream)
            headers = _headers(asset, exchange.arguments["path"])
            if _matches(exchange.headers.get(b"if-none-match"), asset):
                await exchange.start(304, headers)
                await exchange.write(b"", more=False)
                return
            if exchange.method == "HEAD":
                await exchange.answer(200, headers, length=asset.size_bytes)
                return
            if not wants_range:
                await exchange.start(200, _sized(headers, asset.size_bytes))
                await _copy(stream, exchange, asset.size_bytes)
                return
        await self._read_range(exchange, asset, headers)

    async def _read_range(
        self, exchange: Exchange, asset: generation_pb2.Asset, headers: list[Header]
    ) -> None:
        size = asset.size_bytes
        condition = exchange.headers.get(b"if-range")
        wanted = None
        if condition is None or condition.strip() == _etag(asset):
            try:
                wanted = parse_range(exchange.headers[b"range"], size)
            except Unsatisfiable:
                await exchange.answer(416, [*headers, (b"content-range", b"bytes */%d" % size)])
                return
        status, offset, length = 200, 0, size
        if wanted is not None:
            status, offset, length = 206, wanted.first, wanted.last - wanted.first + 1
            span = b"bytes %d-%d/%d" % (wanted.first, wanted.last, size)
            headers = [*headers, (b"content-range", span)]
        async with self._open(exchange, offset, length) as stream:
            await _first(stream)
            await exchange.start(status, _sized(headers, length))
            await _copy(stream, exchange, length)

    def _open(self, exchange: Exchange, offset: int, limit: int) -> _Stream:
        request = generation_service_pb2.ReadAssetRequest(
            path=exchange.arguments["path"], offset=offset, limit=limit
        )
        call = self._stub.ReadAsset(
            request,
            metadata=(("x-request-id", exchange.request_id),),
            timeout=exchange.settings.stream_seconds,
        )
        return ServerStream(call, exchange)


async def _first(stream: _Stream) -> generation_pb2.Asset:
    message = await stream.read()
    if message is None or not message.HasField("asset"):
        raise ApiError("INTERNAL")
    return message.asset


async def _copy(stream: _Stream, exchange: Exchange, length: int) -> None:
    """Send *length* bytes of the file.

    One that ends early leaves the answer incomplete: the server then closes the
    connection, and the caller sees that something is missing.
    """
    left = length
    while left > 0:
        message = await stream.read()
        if message is None:
            return
        if data := message.data[:left]:
            left -= len(data)
            await exchange.write(data, more=left > 0)
    if length == 0:
        await exchange.write(b"", more=False)


def _sized(headers: list[Header], length: int) -> list[Header]:
    return [*headers, (b"content-length", b"%d" % length)]


def _etag(asset: generation_pb2.Asset) -> bytes:
    return b'"%s"' % asset.sha256.hex().encode()


def _matches(condition: bytes | None, asset: generation_pb2.Asset) -> bool:
    """Whether an `If-None-Match` names what we have; weak comparison."""
    if condition is None:
        return False
    ours = _etag(asset)
    names = (name.strip().removeprefix(b"W/") for name in condition.split(b","))
    return condition.strip() == b"*" or ours in names


def _headers(asset: generation_pb2.Asset, path: str) -> list[Header]:
    age = _LONGEST_CACHE_SECONDS
    if asset.HasField("expire_time"):
        age = max(0, min(age, asset.expire_time.seconds - int(time())))
    is_private = path.startswith(_INPUTS) or path.endswith(_ARCHIVE)
    return [
        (b"content-type", asset.media_type.encode("ascii", "replace")),
        (b"etag", _etag(asset)),
        NO_STORE if is_private else (b"cache-control", b"public, max-age=%d" % age),
        *_FIXED_HEADERS,
    ]
