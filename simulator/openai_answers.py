"""The bytes of OpenAI's successful image answers: bodies, stream events, usage."""

import json
import time
from typing import Final

from simulator.openai_request import ImageRequest

# Output tokens of one 1024x1024 image: gpt-image-2's list prices per image over $30 a million.
_OUTPUT_TOKENS: Final = {"low": 200, "medium": 1_767, "high": 7_033, "xhigh": 10_550, "max": 14_066}
_INPUT_IMAGE_TOKENS: Final = 1_000
_PREVIEW_TOKENS: Final = 100


class Usage:
    """What a call costs in tokens."""

    def __init__(self, request: ImageRequest) -> None:
        self.text = request.text_tokens
        self.images = request.image_inputs * _INPUT_IMAGE_TOKENS
        pixels = request.width * request.height
        per_image = max(1, round(_OUTPUT_TOKENS[request.quality] * pixels / (1024 * 1024)))
        self.per_image = per_image + request.partial_images * _PREVIEW_TOKENS
        self.n = request.n

    @property
    def total(self) -> int:
        """All tokens of the call."""
        return self.text + self.images + self.per_image * self.n

    def of_call(self) -> bytes:
        """Give the `usage` of a plain answer."""
        output = self.per_image * self.n
        return b'%b,"output_tokens_details":{"image_tokens":%d,"text_tokens":0}}' % (
            self._members(self.text, self.images, output),
            output,
        )

    def of_image(self, index: int) -> bytes:
        """Give the `usage` of one image's event; the first bears the input."""
        if index:
            return self._members(0, 0, self.per_image) + b"}"
        return self._members(self.text, self.images, self.per_image) + b"}"

    def _members(self, text: int, images: int, output: int) -> bytes:
        return (
            b'{"total_tokens":%d,"input_tokens":%d,"output_tokens":%d,'
            b'"input_tokens_details":{"text_tokens":%d,"image_tokens":%d}'
        ) % (text + images + output, text + images, output, text, images)


def _echo(request: ImageRequest) -> bytes:
    """Give the members that repeat what was asked, as resolved."""
    text = (
        f'"background":"{request.background}","output_format":"{request.output_format}",'
        f'"quality":"{request.quality}","size":"{request.width}x{request.height}"'
    )
    if request.safety_identifier is not None:
        text += f',"safety_identifier":{json.dumps(request.safety_identifier)}'
    return text.encode()


def image_members(image: bytes, empty: str | None) -> tuple[bytes, ...]:
    """Give what an item says of its image, in pieces: they are joined, and copied, only once."""
    match empty:
        case "no_image":
            return ()
        case "null_image":
            return (b'"b64_json":null',)
        case _:
            return (b'"b64_json":"', image, b'"')


def body(request: ImageRequest, items: list[tuple[bytes, ...]], usage: Usage) -> bytes:
    """Give the JSON of a plain answer; *items* are `image_members`."""
    pieces = [b'{"created":%d,' % time.time(), _echo(request), b',"data":[']
    for index, item in enumerate(items):
        pieces += (b",{" if index else b"{", *item, b"}")
    pieces += (b'],"usage":', usage.of_call(), b"}")
    return b"".join(pieces)


def partial_event(family: bytes, request: ImageRequest, image: bytes, index: int) -> bytes:
    """Give the event of one preview; *index* counts from 0 within its image."""
    rest = b'%b,"partial_image_index":%d' % (_echo(request), index)
    return _event(family + b".partial_image", image_members(image, None), rest)


def completed_event(
    family: bytes, request: ImageRequest, members: tuple[bytes, ...], usage: bytes
) -> bytes:
    """Give the event of one finished image; *members* are its `image_members`."""
    rest = b'%b,"usage":%b' % (_echo(request), usage)
    return _event(family + b".completed", members, rest)


def _event(name: bytes, image: tuple[bytes, ...], rest: bytes) -> bytes:
    head = b'event: %b\ndata: {"type":"%b","created_at":%d,' % (name, name, time.time())
    return b"".join((head, *image, b"," if image else b"", rest, b"}\n\n"))
