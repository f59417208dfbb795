"""Reads the body of POST /videos: JSON or a form, into a job.

Besides OpenAI's fields: `first_frame`, `last_frame` and `reference_images`, each given
as `input_reference` is, and the fields of `job_fields`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from reapi.v1 import parameters_pb2
from rest_bridge.attachments import (
    Attachment,
    Role,
    from_part,
    from_reference,
    from_url,
    no_file_ids,
    wrong_type,
)
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.job_fields import Job, read_fields, read_text_field
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

_NAMES: Mapping[str, str] = {
    "duration": "seconds",
    "inputs": "input_reference",
    "with_audio": "generate_audio",
}
_FRAMES: Mapping[str, Role] = {
    # OpenAI's reference is the frame that the video starts with.
    "input_reference": parameters_pb2.Input.ROLE_FIRST_FRAME,
    "first_frame": parameters_pb2.Input.ROLE_FIRST_FRAME,
    "last_frame": parameters_pb2.Input.ROLE_LAST_FRAME,
}
_REFERENCES: Final = "reference_images"
"""Pictures to refer to, none of them a frame."""
_PART: Final = re.compile(
    rf"({'|'.join(_FRAMES)}|{_REFERENCES})(?:\[([0-9]{{0,3}})\])?(?:\[(image_url|file_id)\])?\Z"
)
"""Names of parts: `last_frame`, `input_reference[image_url]`, `reference_images[0][image_url]`."""


async def read_video(exchange: Exchange) -> Job:
    """Read the body. Content types: JSON, or the form that the SDKs always send."""
    if content_type(exchange) == FORM:
        job, attachments = _from_form(await read_form(exchange))
    else:
        expect(exchange, JSON, FORM)
        body = parse_object(await exchange.body(largest_json(exchange.settings)))
        attachments = _from_json(body)
        job = read_fields(body.items(), _NAMES)
    job.attach(_once(attachments), exchange.settings.inline_bytes)
    return job


def _from_json(body: JsonObject) -> list[Attachment]:
    """The pictures of a JSON body; their fields are taken out of it."""
    found = []
    for name, role in _FRAMES.items():
        if (value := body.pop(name, None)) is not None:
            found.append(_reference(value, name, role))
    references = body.pop(_REFERENCES, None)
    if references is not None and not isinstance(references, list):
        raise wrong_type(_REFERENCES, "an array")
    found += [
        _reference(item, f"{_REFERENCES}[{index}]", parameters_pb2.Input.ROLE_IMAGE)
        for index, item in enumerate(references or ())
    ]
    return found


def _reference(value: object, name: str, role: Role) -> Attachment:
    """OpenAI's object, or just the URL that would stand in it."""
    if isinstance(value, str):
        return from_url(value, name, role)
    return from_reference(value, name, role)


def _from_form(parts: Iterable[Part]) -> tuple[Job, list[Attachment]]:
    fields: JsonObject = {}
    attachments: list[Attachment] = []
    count = 0
    for part in parts:
        match = _PART.match(part.name)
        if match is not None:
            name, _, key = match.groups()
            if name == _REFERENCES:
                name, count = f"{name}[{count}]", count + 1
            attachments.append(_picture(part, name, key))
        elif part.is_file:
            raise ApiError(
                "UNKNOWN_PARAMETER", f"Unknown parameter: '{part.name}'.", parameter=part.name
            )
        else:
            _add_text(fields, part)
    return read_fields(fields.items(), _NAMES), attachments


def _picture(part: Part, name: str, key: str | None) -> Attachment:
    role = _FRAMES.get(name, parameters_pb2.Input.ROLE_IMAGE)
    if key == "file_id":
        raise no_file_ids(f"{name}.file_id")
    if key == "image_url":
        return from_url(part.text(), f"{name}.image_url", role)
    return from_part(part, name, role)


def _add_text(fields: JsonObject, part: Part) -> None:
    """Add a text field. `extras` is a JSON object of further fields, with their types."""
    text = text_of(part)
    if part.name == "extras":
        more = parse_object(part.data)
    else:
        more = {part.name: read_text_field(part.name, text)}
    if fields.keys() & more.keys():
        raise ApiError("INVALID_PARAMETER", f"`{part.name}` is given twice.", parameter=part.name)
    fields.update(more)


def _once(attachments: list[Attachment]) -> list[Attachment]:
    """Refuse a second picture for one frame."""
    seen = set()
    for attachment in attachments:
        if attachment.role == parameters_pb2.Input.ROLE_IMAGE:
            continue
        if attachment.role in seen:
            raise ApiError(
                "INVALID_PARAMETER",
                f"`{attachment.parameter}` is a second picture for the same frame.",
                parameter=attachment.parameter,
            )
        seen.add(attachment.role)
    return attachments
