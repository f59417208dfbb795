"""The answers of Ark's image generation: JSON, or a stream with an event per image."""

import json
from typing import Final
from uuid import uuid4

from simulator.answer import Incoming
from simulator.ark_errors import ArkRejected, known, told
from simulator.ark_image_request import ImageRequest
from simulator.hosting import COMPRESSION, Links, image_name
from simulator.images import ImageCache, Recipe, variant_of

_REFUSED: Final = "OutputImageSensitiveContentDetected"
_DONE: Final = b"data: [DONE]\n\n"


class ArkImages:
    """Draws what was asked for, inline or behind links."""

    def __init__(self, images: ImageCache, links: Links) -> None:
        self._images = images
        self._links = links

    async def frames(
        self, request: ImageRequest, incoming: Incoming, now: float, request_id: str
    ) -> tuple[bytes, ...]:
        """Give the body, or the events; *now* in Unix seconds. Raises ArkRejected."""
        items = [
            await self._item(request, incoming, index, now, request_id)
            for index in range(0 if incoming.empty == "no_data" else request.count)
        ]
        made = sum("error" not in item for item in items)
        if request.stream:
            return _events(request, items, made, int(now))
        if items and not made:
            raise ArkRejected(known(400, _REFUSED))
        document = {
            "model": request.model,
            "created": int(now),
            "data": items,
            "usage": _usage(request, made),
        }
        return (json.dumps(document, separators=(",", ":")).encode(),)

    async def _item(
        self, request: ImageRequest, incoming: Incoming, index: int, now: float, request_id: str
    ) -> dict[str, object]:
        if is_refused(request, index):
            error = known(400, _REFUSED)
            return {"error": {"code": error.code, "message": told(error.message, request_id)}}
        item: dict[str, object] = {"size": request.size}
        if request.names_format:
            item["output_format"] = request.output_format
        kind = "b64_json" if request.inline else "url"
        match incoming.empty:
            case "no_image":
                return item
            case "null_image":
                return {kind: None, **item}
        recipe = _recipe(request, incoming, index)
        if request.inline:
            return {kind: (await self._images.base64(recipe)).decode(), **item}
        folder = f"seedream/{uuid4().hex}"
        link = self._links.link(folder, image_name(recipe), now, incoming.knobs.link_seconds)
        return {kind: link, **item}


def is_refused(request: ImageRequest, index: int) -> bool:
    """Say whether moderation keeps back the image of that *index*."""
    return request.refused_at == "output" or (request.refused_at == "one" and index == 0)


def _recipe(request: ImageRequest, incoming: Incoming, index: int) -> Recipe:
    recipe = Recipe(
        width=request.width,
        height=request.height,
        image_format=request.output_format,
        compression=COMPRESSION,
        transparent=False,
        variant=variant_of(request.fingerprint, index),
    )
    return incoming.knobs.picture(recipe)


def _usage(request: ImageRequest, made: int) -> dict[str, int]:
    tokens = request.tokens * made
    usage = {"generated_images": made, "output_tokens": tokens, "total_tokens": tokens}
    return {"input_images": request.input_images, **usage} if request.input_images else usage


def _events(
    request: ImageRequest, items: list[dict[str, object]], made: int, created: int
) -> tuple[bytes, ...]:
    """Give an event per image, and the end: the usage with the `[DONE]` behind it."""
    about = {"model": request.model, "created": created}
    events = [
        _event(
            "partial_failed" if "error" in item else "partial_succeeded",
            {**about, "image_index": index, **item},
        )
        for index, item in enumerate(items)
    ]
    end = _event("completed", {**about, "usage": _usage(request, made)})
    return (*events, end + _DONE)


def _event(name: str, members: dict[str, object]) -> bytes:
    kind = f"image_generation.{name}"
    data = json.dumps({"type": kind, **members}, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()
