"""Bodies of requests by their content type: JSON, or a form read in memory."""

from contextlib import aclosing
from typing import Final

from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.multipart import MAXIMUM_TEXT_BYTES, FormReader, Part
from rest_bridge.settings import BridgeSettings

FORM: Final = b"multipart/form-data"
JSON: Final = b"application/json"
_FORM_OVERHEAD: Final = 256 * 1024
"""Boundaries and part headers of the largest form."""


def content_type(exchange: Exchange) -> bytes:
    """The content type without its parameters; empty if none is given."""
    return exchange.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def expect(exchange: Exchange, *accepted: bytes) -> None:
    """Refuse other content types; none at all counts as JSON."""
    if exchange.headers.get(b"content-type", b"") in accepted:
        return
    found = content_type(exchange)
    if found and found not in accepted:
        names = " or ".join(f"'{name.decode()}'" for name in accepted)
        raise ApiError(
            "UNSUPPORTED_CONTENT_TYPE",
            f"Unsupported content type. This endpoint only accepts {names} requests.",
        )


def largest_json(settings: BridgeSettings) -> int:
    """Bytes of the largest JSON body whose files stand in it as data URLs."""
    return settings.inline_bytes * 4 // 3 + settings.json_bytes


async def read_form(exchange: Exchange) -> list[Part]:
    """The parts of a form. Raises MALFORMED_REQUEST, REQUEST_TOO_LARGE."""
    inline_bytes = exchange.settings.inline_bytes
    reader = FormReader(exchange.headers[b"content-type"], inline_bytes)
    largest = inline_bytes * 4 // 3 + MAXIMUM_TEXT_BYTES + _FORM_OVERHEAD
    async with aclosing(exchange.chunks(largest)) as chunks:
        async for chunk in chunks:
            reader.feed(chunk)
    return reader.finish()


def text_of(part: Part) -> str:
    """A text field of a form. Raises REQUEST_TOO_LARGE, INVALID_PARAMETER for no UTF-8."""
    if len(part.data) > MAXIMUM_TEXT_BYTES:
        raise ApiError(
            "REQUEST_TOO_LARGE",
            f"A text field may have at most {MAXIMUM_TEXT_BYTES} bytes.",
            parameter=part.name,
            metadata={"limit": str(MAXIMUM_TEXT_BYTES)},
        )
    return part.text()
