"""Reads the bodies of reAPI's task dialect: JSON whose files are URLs (reapi.md 2.5, 7)."""

from collections.abc import Mapping
from typing import Final

from reapi.v1 import parameters_pb2
from rest_bridge.attachments import Attachment, Role, from_url, wrong_type
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.job_fields import Job, read_fields
from rest_bridge.json_values import JsonObject, parse_object
from rest_bridge.request_bodies import JSON, expect, largest_json

_NAMES: Mapping[str, str] = {
    "inputs": "image_urls",
    "with_audio": "generate_audio",
    "image": "image_urls",
    "first_frame": "first_frame_image",
    "video": "video_url",
    "audio": "audio_url",
}
"""What this dialect calls parameters, and inputs that are missing."""
_ROLES: Mapping[str, Role] = {
    "first_frame": parameters_pb2.Input.ROLE_FIRST_FRAME,
    "last_frame": parameters_pb2.Input.ROLE_LAST_FRAME,
    "reference_image": parameters_pb2.Input.ROLE_IMAGE,
}
_LISTS: Mapping[str, Role] = {
    "image_urls": parameters_pb2.Input.ROLE_IMAGE,
    "video_urls": parameters_pb2.Input.ROLE_VIDEO,
    "audio_urls": parameters_pb2.Input.ROLE_AUDIO,
}
_SINGLES: Mapping[str, Role] = {
    "first_frame_image": parameters_pb2.Input.ROLE_FIRST_FRAME,
    "last_frame_image": parameters_pb2.Input.ROLE_LAST_FRAME,
    "image_url": parameters_pb2.Input.ROLE_IMAGE,
    "video_url": parameters_pb2.Input.ROLE_VIDEO,
    "audio_url": parameters_pb2.Input.ROLE_AUDIO,
    "mask_url": parameters_pb2.Input.ROLE_MASK,
}
_WITH_ROLES: Final = "image_with_roles"


async def read_task(exchange: Exchange, limit: int | None = None) -> Job:
    """Read the body of /api/v1/{images,videos,audio}/generations, of at most *limit* bytes."""
    expect(exchange, JSON)
    body = parse_object(await exchange.body(limit or largest_json(exchange.settings)))
    attachments = _inputs(body)
    job = read_fields(body.items(), _NAMES)
    job.attach(attachments, exchange.settings.inline_bytes)
    return job


def _inputs(body: JsonObject) -> list[Attachment]:
    """The files of a body, in the order in which the model sees them; they are taken out of it."""
    found = []
    for name, role in _LISTS.items():
        found += [
            from_url(item, f"{name}[{index}]", role)
            for index, item in enumerate(_taken_list(body, name))
        ]
    found += [
        _with_role(item, f"{_WITH_ROLES}[{index}]")
        for index, item in enumerate(_taken_list(body, _WITH_ROLES))
    ]
    for name, role in _SINGLES.items():
        if (url := body.pop(name, None)) is not None:
            found.append(from_url(url, name, role))
    return found


def _taken_list(body: JsonObject, name: str) -> list[object]:
    value = body.pop(name, None)
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong_type(name, "an array")
    return value


def _with_role(item: object, name: str) -> Attachment:
    """`{url, role}`. A role that is not named is that of a reference."""
    if not isinstance(item, dict):
        raise wrong_type(name, "an object")
    for key in item.keys() - {"url", "role"}:
        raise ApiError(
            "UNKNOWN_PARAMETER", f"Unknown parameter: '{name}.{key}'.", parameter=f"{name}.{key}"
        )
    url, text = item.get("url"), item.get("role")
    if url is None:
        raise ApiError(
            "MISSING_PARAMETER",
            f"Missing required parameter: '{name}.url'.",
            parameter=f"{name}.url",
        )
    role = _ROLES.get(text) if isinstance(text, str) else None
    if text is not None and role is None:
        names = ", ".join(f"'{known}'" for known in _ROLES)
        raise ApiError(
            "INVALID_PARAMETER",
            f"Invalid value for '{name}.role'. Supported values are: {names}.",
            parameter=f"{name}.role",
        )
    return from_url(url, f"{name}.url", role or parameters_pb2.Input.ROLE_IMAGE)
