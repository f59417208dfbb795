"""Files that a request gives to the model: bytes, data URLs, or links that core fetches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pybase64

from reapi.v1 import parameters_pb2
from rest_bridge.errors import ApiError
from rest_bridge.multipart import Part
from rest_bridge.picture import probe

Role = parameters_pb2.Input.Role

_LONGEST_PREAMBLE: Final = 128
"""Bytes before the comma of a data URL."""
_LONGEST_LINK: Final = 8_192
"""Characters of a link: more than any signed URL of a storage service has."""
_PICTURES: Final = frozenset(
    {
        parameters_pb2.Input.ROLE_IMAGE,
        parameters_pb2.Input.ROLE_MASK,
        parameters_pb2.Input.ROLE_FIRST_FRAME,
        parameters_pb2.Input.ROLE_LAST_FRAME,
    }
)


@dataclass(slots=True)
class Attachment:
    """One file, under the name by which the caller knows it: its bytes, or where it is."""

    parameter: str
    role: Role
    data: bytes | bytearray = field(default=b"", repr=False)
    uri: str = field(default="", repr=False)
    """A link for core to fetch; empty where `data` is the file."""


def place(
    parameters: parameters_pb2.Parameters, attachments: Sequence[Attachment], maximum_bytes: int
) -> list[bytes | bytearray]:
    """Add *attachments* to the inputs of *parameters*, in order; the files to send with them.

    Raises REQUEST_TOO_LARGE above *maximum_bytes* in all, INVALID_INPUT for what is
    no picture where one is asked for. What is behind a link is core's to check.
    """
    if sum(len(a.data) for a in attachments) > maximum_bytes:
        raise ApiError(
            "REQUEST_TOO_LARGE",
            f"The files of a request may have at most {maximum_bytes} bytes in all.",
            metadata={"limit": str(maximum_bytes)},
        )
    files: list[bytes | bytearray] = []
    for attachment in attachments:
        found = parameters.inputs.add(role=attachment.role, parameter=attachment.parameter)
        if attachment.uri:
            found.uri = attachment.uri
            continue
        if attachment.role in _PICTURES:
            _check_picture(attachment)
        found.attachment_index = len(files)
        files.append(attachment.data)
    return files


def from_part(part: Part, parameter: str, role: Role) -> Attachment:
    """A part of a form: a file, bytes without a filename, or the text of a URL."""
    head = bytes(part.data[:_LONGEST_PREAMBLE]).lower()
    if not part.is_file and head.startswith((b"data:", b"http:", b"https:")):
        return from_url(part.text(), parameter, role)
    return Attachment(parameter, role, part.data)


def from_reference(item: object, name: str, role: Role) -> Attachment:
    """OpenAI's reference in JSON: `{image_url}`. Raises an error for `{file_id}`."""
    if not isinstance(item, dict):
        raise wrong_type(name, "an object")
    present = {key: value for key, value in item.items() if value is not None}
    for key in present:
        if key not in {"image_url", "file_id"}:
            raise ApiError(
                "UNKNOWN_PARAMETER",
                f"Unknown parameter: '{name}.{key}'.",
                parameter=f"{name}.{key}",
            )
    if "file_id" in present:
        raise no_file_ids(f"{name}.file_id")
    if "image_url" not in present:
        raise ApiError(
            "MISSING_PARAMETER",
            f"Missing required parameter: '{name}.image_url'.",
            parameter=f"{name}.image_url",
        )
    return from_url(present["image_url"], f"{name}.image_url", role)


def from_url(url: object, parameter: str, role: Role) -> Attachment:
    """A base64 data URL as its bytes, or an http(s) link as it is.

    Raises INVALID_TYPE, INVALID_INPUT for a data URL that is no base64, and
    INVALID_PARAMETER for every other scheme.
    """
    if not isinstance(url, str):
        raise wrong_type(parameter, "a string")
    head = url[:_LONGEST_PREAMBLE]
    scheme = head.partition(":")[0].lower()
    if scheme in {"http", "https"}:
        if len(url) > _LONGEST_LINK or not url.isprintable():
            raise ApiError("INVALID_PARAMETER", "The URL is not valid.", parameter=parameter)
        return Attachment(parameter, role, uri=url)
    if scheme != "data":
        raise ApiError(
            "INVALID_PARAMETER",
            "Expected an http(s) URL or a data URL: `data:image/png;base64,…`.",
            parameter=parameter,
        )
    preamble, comma, _ = head.partition(",")
    if comma and preamble.endswith(";base64"):
        try:
            data = pybase64.b64decode(url[len(preamble) + 1 :], validate=True)
        except ValueError:
            pass  # the exception goes no further: it may hold content
        else:
            return Attachment(parameter, role, data)
    raise ApiError(
        "INVALID_INPUT", "The data URL is not valid: it must be base64.", parameter=parameter
    )


def no_file_ids(parameter: str) -> ApiError:
    """The error for a reference to a file that was uploaded before."""
    return ApiError(
        "INVALID_PARAMETER",
        "File ids are not supported here. Send the image itself, its URL or a data URL.",
        parameter=parameter,
    )


def wrong_type(name: str, expected: str) -> ApiError:
    """The error for a JSON value of another type; *expected* is like `a string`."""
    return ApiError(
        "INVALID_TYPE", f"Invalid type for '{name}': expected {expected}.", parameter=name
    )


def _check_picture(attachment: Attachment) -> None:
    picture = probe(attachment.data)
    if picture is None:
        raise ApiError(
            "INVALID_INPUT",
            "The file is not a readable PNG, JPEG or WebP image.",
            parameter=attachment.parameter,
        )
    is_mask = attachment.role == parameters_pb2.Input.ROLE_MASK
    if is_mask and picture.media_type != "image/png":
        raise ApiError(
            "INVALID_INPUT", "The mask must be a PNG image.", parameter=attachment.parameter
        )
