"""Reads the bodies of image requests: JSON or a form, into a spec and its attachments."""

from dataclasses import dataclass, field

from reapi.v1 import generation_service_pb2
from rest_bridge.attachments import Attachment
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.image_fields import ImageRequest, read_fields, read_text_field
from rest_bridge.image_inputs import attach, from_json, from_parts, is_picture_field
from rest_bridge.json_values import JsonObject, parse_object
from rest_bridge.multipart import Part
from rest_bridge.request_bodies import (
    FORM,
    JSON,
    content_type,
    expect,
    largest_json,
    read_form,
    text_of,
)


@dataclass(slots=True)
class Work:
    """One image request, ready to be sent to core."""

    request: ImageRequest
    spec: generation_service_pb2.GenerationSpec = field(repr=False)
    attachments: list[bytes | bytearray] = field(repr=False)


async def read_generation(exchange: Exchange) -> Work:
    """Read the body of /images/generations."""
    expect(exchange, JSON)
    request = read_fields(parse_object(await exchange.body(exchange.settings.json_bytes)).items())
    return Work(request, request.spec(exchange), [])


async def read_edit(exchange: Exchange) -> Work:
    """Read the body of /images/edits: a form, or JSON with URLs."""
    if content_type(exchange) == FORM:
        request, attachments = await _read_form(exchange)
    else:
        expect(exchange, JSON, FORM)
        request, attachments = await _read_json_edit(exchange)
    settings = exchange.settings
    files = attach(request.parameters, attachments, settings.inline_count, settings.inline_bytes)
    return Work(request, request.spec(exchange), files)


async def _read_form(exchange: Exchange) -> tuple[ImageRequest, list[Attachment]]:
    fields: JsonObject = {}
    pictures: list[Part] = []
    for part in await read_form(exchange):
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
    text = text_of(part)
    if part.name == "extras" and not fields.keys() & (extras := parse_object(part.data)).keys():
        fields.update(extras)
        return
    if part.name.endswith("[]"):
        collected = fields.setdefault(part.name[:-2], [])
        if isinstance(collected, list):
            collected.append(text)
            return
    elif part.name not in fields:
        fields[part.name] = read_text_field(part.name, text)
        return
    raise ApiError("INVALID_PARAMETER", f"`{part.name}` is given twice.", parameter=part.name)


async def _read_json_edit(exchange: Exchange) -> tuple[ImageRequest, list[Attachment]]:
    body = parse_object(await exchange.body(largest_json(exchange.settings)))
    images, mask = body.pop("images", None), body.pop("mask", None)
    request = read_fields(body.items())
    return request, from_json(images, mask)
