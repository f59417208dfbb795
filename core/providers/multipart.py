"""`multipart/form-data` as slices of what is already in memory, never spooled. Pure."""

from collections.abc import Sequence

import orjson

from core.body import Body
from core.model import Input
from core.providers.wire import Part

# Small enough that progress of an upload is seen often, large enough to cost nothing.
_SLICE = 256 * 1024


_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


def field(name: str, value: str | float | bool) -> Part:  # noqa: FBT001 - a value, not a switch
    """A plain field; numbers and booleans are written as in JSON."""
    return Part(name, Body(value.encode() if isinstance(value, str) else orjson.dumps(value)))


def file(name: str, item: Input) -> Part:
    """A file part, named after its role: what the caller's file is called stays with us."""
    filename = f"{item.role}.{_EXTENSIONS.get(item.media_type, 'bin')}"
    return Part(name, item.data, filename, item.media_type)


def media_type(boundary: str) -> str:
    """The Content-Type of a body with this boundary."""
    return f"multipart/form-data; boundary={boundary}"


def encode(parts: Sequence[Part], boundary: str) -> list[bytes | memoryview]:
    """The body in order, in slices of at most 256 KiB.

    `boundary` must not occur in any part: a random one of 128 bits does not.
    """
    slices: list[bytes | memoryview] = []
    opening = f"--{boundary}\r\n"
    for part in parts:
        slices.append((opening + _head(part)).encode())
        slices.extend(sliced(part.data.reveal()))
        opening = f"\r\n--{boundary}\r\n"
    slices.append(f"{opening[:-2]}--\r\n".encode())
    return slices


def sliced(data: bytes) -> Sequence[bytes | memoryview]:
    """*data* in slices of at most 256 KiB that share its memory."""
    if len(data) <= _SLICE:
        return (data,)
    view = memoryview(data)
    return [view[start : start + _SLICE] for start in range(0, len(data), _SLICE)]


def _head(part: Part) -> str:
    head = f'Content-Disposition: form-data; name="{part.name}"'
    if part.filename:
        head += f'; filename="{part.filename}"'
    if part.media_type:
        head += f"\r\nContent-Type: {part.media_type}"
    return head + "\r\n\r\n"
