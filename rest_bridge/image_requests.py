"""Reads the bodies of image requests: JSON or a form, into a spec and its attachments."""

from contextlib import aclosing
from dataclasses import dataclass, field

from reapi.v1 import generation_service_pb2
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.image_fields import ImageRequest, read_fields, read_text_field
from rest_bridge.image_inputs import (
    Attachment,
    attach,
    from_json,
    from_parts,
    is_picture_field,
)
from rest_bridge.json_values import JsonObject, parse_object
from rest_bridge.multipart import MAXIMUM_TEXT_BYTES, FormReader, Part

_FORM = b"multipart/form-data"
_FORM_OVERHEAD = 256 * 1024
"""Boundaries and part headers of the largest form."""


@dataclass(slots=True)
class Work:
    """One image request, ready to be sent to core."""

    request: ImageRequest
    spec: generation_service_pb2.GenerationSpec = field(repr=False)
    attachments: list[bytes | bytearray] = field(repr=False)


async def read_generation(exchange: Exchange) -> Work:
    """Read the body of /images/generations."""
    _expect(exchange, b"application/json")
    request = read_fields(parse_object(await exchange.body(exchange.settings.json_bytes)).items())
    return Work(request, request.spec(exchange), [])


async def read_edit(exchange: Exchange) -> Work:
    """Read the body of /images/edits: a form, or JSON with data URLs."""
    if _content_type(exchange) == _FORM:
        request, attachments = await _read_form(exchange)
    else:
        _expect(exchange, b"application/json", _FORM)
        request, attachments = await _read_json_edit(exchange)
    settings = exchange.settings
    attach(request.parameters, attachments, settings.inline_count, settings.inline_bytes)
    return Work(request, request.spec(exchange), [a.data for a in attachments])


async def _read_form(exchange: Exchange) -> tuple[ImageRequest, list[Attachment]]:
    settings = exchange.settings
    reader = FormReader(exchange.headers[b"content-type"], settings.inline_bytes)
    largest = settings.inline_bytes * 4 // 3 + MAXIMUM_TEXT_BYTES + _FORM_OVERHEAD
    async with aclosing(exchange.chunks(largest)) as chunks:
        async for chunk in chunks:
            reader.feed(chunk)
    fields: JsonObject = {}
    pictures: list[Part] = []
    for part in reader.finish():
        if is_picture_field(part.name):
            pictures.append(part)
        elif part.is_file:
            raise ApiError(
                "UNKNOWN_PARAMETER", f"Unknown parameter: '{part.name}'.", parameter=part.name
            )
        else:
            _add_text(fields, part)
    return read_fields(fields.items()), from_parts(pictures)


def _add_text(fields: JsonObject, part: Part) -> None:
    """Add a text field: `name[]` collects a list, any other name comes once.

    `extras` is a JSON object of further fields, with their types: what a form
    cannot say otherwise.
    """
    if len(part.data) > MAXIMUM_TEXT_BYTES:
        raise ApiError(
            "REQUEST_TOO_LARGE",
            f"A text field may have at most {MAXIMUM_TEXT_BYTES} bytes.",
            parameter=part.name,
            metadata={"limit": str(MAXIMUM_TEXT_BYTES)},
        )
    if part.name == "extras" and not fields.keys() & (extras := parse_object(part.data)).keys():
        fields.update(extras)
        return
    if part.name.endswith("[]"):
        collected = fields.setdefault(part.name[:-2], [])
        if isinstance(collected, list):
            collected.append(part.text())
            return
    elif part.name not in fields:
        fields[part.name] = read_text_field(part.name, part.text())
        return
    raise ApiError("INVALID_PARAMETER", f"`{part.name}` is given twice.", parameter=part.name)


async def _read_json_edit(exchange: Exchange) -> tuple[ImageRequest, list[Attachment]]:
    settings = exchange.settings
    limit = settings.inline_bytes * 4 // 3 + settings.json_bytes
    body = parse_object(await exchange.body(limit))
    images, mask = body.pop("images", None), body.pop("mask", None)
    request = read_fields(body.items())
    return request, from_json(images, mask)


def _content_type(exchange: Exchange) -> bytes:
    return exchange.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _expect(exchange: Exchange, *accepted: bytes) -> None:
    """Refuse other content types; none at all counts as JSON."""
    found = _content_type(exchange)
    if found and found not in accepted:
        names = " or ".join(f"'{name.decode()}'" for name in accepted)
        raise ApiError(
            "UNSUPPORTED_CONTENT_TYPE",
            f"Unsupported content type. This endpoint only accepts {names} requests.",
        )
