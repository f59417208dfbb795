"""OpenAI's image answers as bytes: ImagesResponse and the frames of an image stream.

The base64 of an image is a piece of its own and passes no JSON encoder.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import orjson
import pybase64

from reapi.v1 import generation_pb2
from rest_bridge.errors import ApiError
from rest_bridge.generation_call import Gathered
from rest_bridge.image_fields import ImageRequest
from rest_bridge.sse import frame

JsonMap = dict[str, object]

_FORMATS: Mapping[str, str] = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/svg+xml": "svg",
}
_UNKNOWN: Final = "auto"
"""What a stream event says of a property that nobody knows: its fields are required."""


def images_response(
    generation: generation_pb2.Generation, outputs: Mapping[int, Gathered], *, inline: bool
) -> list[bytes]:
    """The JSON of an ImagesResponse, in pieces to be sent one after the other."""
    pieces = [b'{"created":%d,"data":[' % generation.create_time.seconds]
    for position, index in enumerate(sorted(outputs)):
        pieces.append(b"{" if position == 0 else b",{")
        pieces += _image(outputs[index], inline=inline)
        pieces.append(b"}")
    tail: JsonMap = {
        name: value
        for name in ("background", "output_format", "quality", "size")
        if (value := getattr(generation, name)) and value != _UNKNOWN
    }
    if generation.HasField("usage"):
        tail["usage"] = usage_json(generation.usage)
    # The tail is an object of its own: its first brace becomes what closes `data`.
    pieces.append(b"]," + orjson.dumps(tail)[1:] if tail else b"]}")
    return pieces


def _image(output: Gathered, *, inline: bool) -> tuple[bytes, ...]:
    """The one field of an image: `b64_json` or `url`."""
    if inline:
        if not output.complete or not output.pieces:
            raise ApiError("INTERNAL")
        return b'"b64_json":"', pybase64.b64encode(output.content()), b'"'
    if output.asset is None:
        raise ApiError("INTERNAL")
    return b'"url":', orjson.dumps(output.asset.uri)


def usage_json(usage: generation_pb2.Usage) -> JsonMap:
    """Tokens as OpenAI reports them for images."""
    entry = usage.input_text_tokens + usage.input_image_tokens
    found: JsonMap = {
        "input_tokens": entry,
        "output_tokens": usage.output_tokens,
        "total_tokens": entry + usage.output_tokens,
        "input_tokens_details": {
            "image_tokens": usage.input_image_tokens,
            "text_tokens": usage.input_text_tokens,
        },
    }
    if usage.HasField("output_image_tokens"):
        found["output_tokens_details"] = {
            "image_tokens": usage.output_image_tokens,
            "text_tokens": usage.output_tokens - usage.output_image_tokens,
        }
    return found


class ImageFrames:
    """The frames of one image stream. *prefix* is `image_generation` or `image_edit`."""

    def __init__(self, prefix: str, request: ImageRequest) -> None:
        self._prefix = prefix
        self._request = request

    def partial(
        self, generation: generation_pb2.Generation, preview: Gathered, index: int
    ) -> list[bytes]:
        """A preview, whole, in pieces."""
        data = pybase64.b64encode(preview.content())
        name = f"{self._prefix}.partial_image"
        rest = {
            "partial_image_index": index,
            **self._properties(generation, preview.media_type),
        }
        return frame(name, (b'"b64_json":"', data, b'"'), rest)

    def completed(
        self, generation: generation_pb2.Generation, outputs: Mapping[int, Gathered]
    ) -> Iterator[list[bytes]]:
        """One frame for each image, in order, each in pieces.

        The usage is that of the whole generation: it stands in the last frame, the
        others say 0, so that adding up is right.
        """
        name = f"{self._prefix}.completed"
        indices: Sequence[int] = sorted(outputs)
        for position, index in enumerate(indices, 1):
            output = outputs[index]
            media_type = output.asset.media_type if output.asset else ""
            last = position == len(indices)
            rest = {
                **self._properties(generation, media_type),
                "usage": usage_json(generation.usage if last else generation_pb2.Usage()),
            }
            yield frame(name, _image(output, inline=self._request.inline), rest)

    def _properties(self, generation: generation_pb2.Generation, media_type: str) -> JsonMap:
        asked = self._request.parameters
        return {
            "created_at": generation.create_time.seconds,
            "size": generation.size or asked.size or _UNKNOWN,
            "quality": generation.quality or asked.quality or _UNKNOWN,
            "background": generation.background or asked.background or _UNKNOWN,
            "output_format": generation.output_format
            or _FORMATS.get(media_type)
            or asked.output_format
            or "png",
        }
