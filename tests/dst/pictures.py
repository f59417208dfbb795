"""A provider of images that speaks OpenAI's Images API, whole answers and streams."""

import asyncio
import base64
import io
from typing import Any

import orjson
from PIL import Image

from tests.dst.serving import (
    HTML,
    Provider,
    Request,
    Serving,
    Spell,
    chunk,
    common_fault,
    error,
    head,
)

EVENTS = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}


def _png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (2, 2), (shade, 2, 3)).save(stream, "PNG")
    return stream.getvalue()


SHADES = 16
"""How many pictures there are: who asks with a seed gets the one that it stands for, and those
after it."""
PICTURES = [_png(shade) for shade in range(2 * SHADES)]
TEXTS = [base64.b64encode(picture).decode() for picture in PICTURES]
USAGE = {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105}


def texts(asked: Any) -> list[str]:
    """What it answers, in order."""
    first = asked.get("seed", 0) % SHADES
    return TEXTS[first : first + asked["n"]]


class Pictures(Provider):
    """The provider. `made` counts images by prompt."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.made: dict[str, int] = {}

    async def answer(self, request: Request, peer: Serving) -> None:
        spell = self.spell
        asked = request.document()
        request.prompt = asked["prompt"]
        request.kind = spell.kind(self.rng)
        if asked.get("stream"):
            await self._stream(request, peer, spell, asked)
            return
        if request.kind in ("hang", "hang-body", "reset"):
            self._make(request, asked["n"])  # nobody here knows, and it is billed
        await asyncio.sleep(spell.seconds * (0.5 + self.rng.random()))
        if request.kind == "slow":
            await asyncio.sleep(self.rng.choice((0.3, 2.0)))
        if await common_fault(request, peer, spell):
            return
        match request.kind:
            case "error-200":
                peer.send(200, error("server_error"))
                return
            case "no-images":
                peer.send(200, orjson.dumps({"created": 1, "data": []}))
                return
            case "no-image":
                data = [{"b64_json": base64.b64encode(b"<html>oops</html>").decode()}]
                peer.send(200, orjson.dumps({"created": 1, "data": data}))
                return
        count = asked["n"]
        if request.kind == "fewer":
            count = max(1, count - 1)
        self._make(request, count)
        data = [{"b64_json": text} for text in texts(asked)[:count]]
        document = {"created": 1, "data": data, "usage": USAGE, "size": "auto"}
        peer.send(200, orjson.dumps(document))

    def _make(self, request: Request, count: int) -> None:
        self.made[request.prompt] = self.made.get(request.prompt, 0) + count

    async def _stream(self, request: Request, peer: Serving, spell: Spell, asked: Any) -> None:
        """Events as they come; a fault may come after any of them."""
        breaks_after = self.rng.choice((0, 0, 1, 2)) if request.kind != "fine" else -1
        if breaks_after == 0 and await common_fault(request, peer, spell):
            return
        if request.kind == "html":
            peer.send(200, b"<html/>", HTML)
            return
        peer.write(head(200, EVENTS))
        events = self._events(asked)
        for number, event in enumerate(events, 1):
            await asyncio.sleep(spell.seconds * self.rng.random())
            if request.kind == "slow":
                await asyncio.sleep(self.rng.choice((0.1, 1.0)))
            if number - 1 == breaks_after and await self._breaks(request, peer):
                return
            kind = event["type"]
            data = b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps(event))
            peer.write(chunk(data))
        self._make(request, asked["n"])
        peer.write(chunk(b""))

    def _events(self, asked: Any) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        for index in range(asked["n"]):
            events += [
                {
                    "type": "image_generation.partial_image",
                    "partial_image_index": partial,
                    "b64_json": TEXTS[-1],
                    "output_format": "png",
                }
                for partial in range(asked["partial_images"])
            ]
            text = texts(asked)[index]
            done = {"type": "image_generation.completed", "b64_json": text, "usage": USAGE}
            events.append(done)
        return events

    async def _breaks(self, request: Request, peer: Serving) -> bool:
        match request.kind:
            case "hang" | "hang-body":
                await asyncio.Event().wait()
            case "reset" | "half" | "503":
                peer.reset()
            case "closed" | "empty":  # an orderly end of a stream that has told nothing
                peer.write(chunk(b""))
            case "garbage" | "html":
                peer.write(b"no chunk at all\r\n")
            case "slow":
                return False
            case "fewer" | "no-image" | "no-images":
                peer.write(chunk(b"data: {half a docu\n\n"))
                return False
            case "moderated":
                peer.write(chunk(b"data: " + error("moderation_blocked") + b"\n\n"))
                peer.write(chunk(b""))
            case _:
                peer.write(chunk(b"data: " + error("server_error") + b"\n\n"))
                peer.write(chunk(b""))
        return True
