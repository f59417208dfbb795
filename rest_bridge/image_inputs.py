"""The pictures of an edit: from form parts or URLs to inputs of the contract."""

from collections.abc import Iterable, Sequence

from reapi.v1 import parameters_pb2
from rest_bridge.attachments import Attachment, from_part, from_reference, place, wrong_type
from rest_bridge.errors import ApiError
from rest_bridge.multipart import Part


def attach(
    parameters: parameters_pb2.Parameters,
    attachments: Sequence[Attachment],
    maximum_count: int,
    maximum_bytes: int,
) -> list[bytes | bytearray]:
    """Point the inputs of *parameters* at *attachments*, in order; the files to send.

    Raises MISSING_PARAMETER without an image, INVALID_PARAMETER for too many, and
    the errors of `place`.
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
    return place(parameters, attachments, maximum_bytes)


def from_parts(parts: Iterable[Part]) -> list[Attachment]:
    """The pictures among the parts of a form: `image`, `image[]`, `image[0]`, `mask`, `mask[]`.

    A picture may come as a file, as bytes without a filename, or as the text of a
    URL. Indexed images come in the order of their indices.
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
        from_part(
            part,
            "image" if alone else f"image[{position}]",
            parameters_pb2.Input.ROLE_IMAGE,
        )
        for position, (_, part) in enumerate(images)
    ]
    if len(masks) > 1:
        raise ApiError("INVALID_PARAMETER", "Only one mask is accepted.", parameter="mask")
    found += [from_part(part, "mask", parameters_pb2.Input.ROLE_MASK) for part in masks]
    return found


def is_picture_field(name: str) -> bool:
    """Whether a form field of this name holds a picture."""
    return _split_index(name)[0] in {"image", "mask"}


def from_json(images: object, mask: object) -> list[Attachment]:
    """The pictures of a JSON edit: `images: [{image_url}]` and `mask: {image_url}`."""
    found = []
    if images is not None:
        if not isinstance(images, list):
            raise wrong_type("images", "an array")
        found = [
            from_reference(item, f"images[{index}]", parameters_pb2.Input.ROLE_IMAGE)
            for index, item in enumerate(images)
        ]
    if not found:
        raise ApiError(
            "MISSING_PARAMETER", "Missing required parameter: 'images'.", parameter="images"
        )
    if mask is not None:
        found.append(from_reference(mask, "mask", parameters_pb2.Input.ROLE_MASK))
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
