"""The bytes of OpenAI's image answers, made once. Pure.

Source: OpenAI's API reference, Images: a plain answer, and the events of a stream.
"""

import base64
import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import StrEnum

SIDE = 1024
SMALL_BYTES = 561
"""The whole answer is then about 1 KB."""
LARGE_BYTES = 1_125_000
"""1.5 million characters of base64."""
PREVIEWS = 2


class Shape(StrEnum):
    """What a request asks for; told apart by two members of its body."""

    SMALL = "small"
    LARGE = "large"
    STREAM = "stream"


def request(shape: Shape, model: str = "gpt-image-2") -> bytes:
    """The body of a request, written as compactly as the gateway will write its own."""
    quality = "high" if shape is Shape.LARGE else "low"
    streams = f',"stream":true,"partial_images":{PREVIEWS}' if shape is Shape.STREAM else ""
    prompt = "a lighthouse at dawn, seen from the sea"
    return f'{{"model":"{model}","prompt":"{prompt}","quality":"{quality}"{streams}}}'.encode()


def shape_of(body: bytes) -> Shape:
    """Which answer *body* asks for. Looks, and does not parse: this must not be the limit."""
    if b'"stream":true' in body:
        return Shape.STREAM
    return Shape.LARGE if b'"high"' in body else Shape.SMALL


def png(size: int) -> bytes:
    """A viewable PNG of exactly *size* bytes: black, and a private chunk of noise to fill it."""
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((SIDE // 8 + 1) * SIDE), 9)
    begin = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
    end = _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    padding = size - len(begin) - len(end) - 12
    if padding < 0:
        raise ValueError("too small for a picture")
    return begin + _chunk(b"noIs", hashlib.shake_256(b"reapi").digest(padding)) + end


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


@dataclass(frozen=True, slots=True)
class Answers:
    """HTTP/1.1 answers, ready to be written."""

    small: bytes
    large: bytes
    stream: tuple[bytes, ...]
    """Headers and first preview, then one event each; pauses belong in between."""


def answers() -> Answers:
    """Make them all: some milliseconds of work."""
    image = base64.b64encode(png(SMALL_BYTES)).decode()
    previews = [
        _event("partial_image", image, f',"partial_image_index":{n}') for n in range(PREVIEWS)
    ]
    final = _event("completed", image, f',"usage":{_USAGE}')
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"cache-control: no-cache\r\nx-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    first, *rest = (b"%x\r\n%b\r\n" % (len(event), event) for event in [*previews, final])
    return Answers(
        small=plain(200, "application/json", _body(image, "low")),
        large=plain(200, "application/json", _body(_large(), "high")),
        stream=(head + first, *rest[:-1], rest[-1] + b"0\r\n\r\n"),
    )


def plain(status: int, media_type: str, body: bytes) -> bytes:
    """One whole answer."""
    head = (
        f"HTTP/1.1 {status} Answer\r\ncontent-type: {media_type}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_USAGE = (
    '{"total_tokens":210,"input_tokens":10,"output_tokens":200,'
    '"input_tokens_details":{"text_tokens":10,"image_tokens":0}}'
)


def _large() -> str:
    return base64.b64encode(png(LARGE_BYTES)).decode()


def _body(image: str, quality: str) -> bytes:
    return (
        f'{{"created":1750000000,"background":"opaque","output_format":"png",'
        f'"quality":"{quality}","size":"{SIDE}x{SIDE}",'
        f'"data":[{{"b64_json":"{image}"}}],"usage":{_USAGE}}}'
    ).encode()


def _event(name: str, image: str, rest: str) -> bytes:
    return (
        f'event: image_generation.{name}\ndata: {{"type":"image_generation.{name}",'
        f'"b64_json":"{image}","created_at":1750000000,"size":"{SIDE}x{SIDE}","quality":"low",'
        f'"background":"opaque","output_format":"png"{rest}}}\n\n'
    ).encode()
