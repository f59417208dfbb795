"""The pictures of an edit: from form parts or data URLs to attachments of the contract."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pybase64

from reapi.v1 import parameters_pb2
from rest_bridge.errors import ApiError
from rest_bridge.multipart import Part
from rest_bridge.picture import probe

_LONGEST_PREAMBLE = 128
"""Bytes before the comma of a data URL."""


@dataclass(slots=True)
class Attachment:
    """One file, under the name by which the caller knows it."""

    parameter: str
    role: parameters_pb2.Input.Role
    data: bytes | bytearray = field(repr=False)


def attach(
    parameters: parameters_pb2.Parameters,
    attachments: Sequence[Attachment],
    maximum_count: int,
    maximum_bytes: int,
) -> None:
    """Point the inputs of *parameters* at *attachments*, in order.

    Raises MISSING_PARAMETER without an image, INVALID_PARAMETER for too many,
    REQUEST_TOO_LARGE above *maximum_bytes* in all, INVALID_INPUT for what is no picture.
    """
    images = [a for a in attachments if a.role == parameters_pb2.Input.ROLE_IMAGE]
    if not images:
        raise ApiError(
            "MISSING_PARAMETER", "Missing required parameter: 'image'.", parameter="image"
        )
    if len(images) > maximum_count:
        raise ApiError(
            "INVALID_PARAMETER",
            f"At most {maximum_count} images are accepted.",
            parameter=images[maximum_count].parameter,
        )
    if sum(len(a.data) for a in attachments) > maximum_bytes:
        raise ApiError(
            "REQUEST_TOO_LARGE",
            f"The files of a request may have at most {maximum_bytes} bytes in all.",
            metadata={"limit": str(maximum_bytes)},
        )
    for index, attachment in enumerate(attachments):
        _check_picture(attachment)
        parameters.inputs.add(
            role=attachment.role, attachment_index=index, parameter=attachment.parameter
        )


def from_parts(parts: Iterable[Part]) -> list[Attachment]:
    """The pictures among the parts of a form: `image`, `image[]`, `image[0]`, `mask`, `mask[]`.

    A picture may come as a file, as bytes without a filename, or as the text of a
    data URL. Indexed images come in the order of their indices.
    """
    images: list[tuple[int, Part]] = []
    masks: list[Part] = []
    for part in parts:
        base, index = _split_index(part.name)
        if base == "mask":
            masks.append(part)
        else:
            images.append((len(images) if index is None else index, part))
    images.sort(key=lambda pair: pair[0])
    alone = len(images) == 1 and images[0][1].name == "image"
    found = [
        Attachment(
            "image" if alone else f"image[{position}]",
            parameters_pb2.Input.ROLE_IMAGE,
            _content(part, "image" if alone else f"image[{position}]"),
        )
        for position, (_, part) in enumerate(images)
    ]
    if len(masks) > 1:
        raise ApiError("INVALID_PARAMETER", "Only one mask is accepted.", parameter="mask")
    found += [
        Attachment("mask", parameters_pb2.Input.ROLE_MASK, _content(part, "mask")) for part in masks
    ]
    return found


def is_picture_field(name: str) -> bool:
    """Whether a form field of this name holds a picture."""
    return _split_index(name)[0] in {"image", "mask"}


def from_json(images: object, mask: object) -> list[Attachment]:
    """The pictures of a JSON edit: `images: [{image_url}]` and `mask: {image_url}`, data URLs."""
    found = []
    if images is not None:
        if not isinstance(images, list):
            raise _wrong_type("images", "an array")
        found = [
            Attachment(
                f"images[{index}].image_url",
                parameters_pb2.Input.ROLE_IMAGE,
                _referenced(item, f"images[{index}]"),
            )
            for index, item in enumerate(images)
        ]
    if not found:
        raise ApiError(
            "MISSING_PARAMETER", "Missing required parameter: 'images'.", parameter="images"
        )
    if mask is not None:
        data = _referenced(mask, "mask")
        found.append(Attachment("mask.image_url", parameters_pb2.Input.ROLE_MASK, data))
    return found


def _split_index(name: str) -> tuple[str, int | None]:
    """`image[3]` as ("image", 3); `image[]` and `image` as ("image", None); others unchanged."""
    base, bracket, rest = name.partition("[")
    if not bracket or base not in {"image", "mask"} or not rest.endswith("]"):
        return name, None
    digits = rest[:-1]
    if not digits:
        return base, None
    if digits.isascii() and digits.isdigit() and len(digits) < 4:
        return base, int(digits)
    return name, None


def _content(part: Part, parameter: str) -> bytes | bytearray:
    head = bytes(part.data[:_LONGEST_PREAMBLE])
    if not part.is_file and head.startswith((b"data:", b"http:", b"https:")):
        return _from_url(part.text(), parameter)
    return part.data


def _referenced(item: object, name: str) -> bytes:
    if not isinstance(item, dict):
        raise _wrong_type(name, "an object")
    present = {key: value for key, value in item.items() if value is not None}
    for key in present:
        if key not in {"image_url", "file_id"}:
            raise ApiError(
                "UNKNOWN_PARAMETER",
                f"Unknown parameter: '{name}.{key}'.",
                parameter=f"{name}.{key}",
            )
    if "file_id" in present:
        raise ApiError(
            "INVALID_PARAMETER",
            "File ids are not supported here. Send the image as a data URL.",
            parameter=f"{name}.file_id",
        )
    if "image_url" not in present:
        raise ApiError(
            "MISSING_PARAMETER",
            f"Missing required parameter: '{name}.image_url'.",
            parameter=f"{name}.image_url",
        )
    url = present["image_url"]
    if not isinstance(url, str):
        raise _wrong_type(f"{name}.image_url", "a string")
    return _from_url(url, f"{name}.image_url")


def _from_url(url: str, parameter: str) -> bytes:
    """The bytes of a base64 data URL; every other URL is refused for now."""
    head = url[:_LONGEST_PREAMBLE]
    if not head.startswith("data:"):
        raise ApiError(
            "INVALID_PARAMETER",
            "Only data URLs are supported here for now: `data:image/png;base64,…`.",
            parameter=parameter,
        )
    preamble, comma, _ = head.partition(",")
    if comma and preamble.endswith(";base64"):
        try:
            return pybase64.b64decode(url[len(preamble) + 1 :], validate=True)
        except ValueError:
            pass
    raise ApiError(
        "INVALID_INPUT", "The data URL is not valid: it must be base64.", parameter=parameter
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


def _wrong_type(name: str, expected: str) -> ApiError:
    return ApiError(
        "INVALID_TYPE", f"Invalid type for '{name}': expected {expected}.", parameter=name
    )
