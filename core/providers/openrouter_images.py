"""Images through OpenRouter: `POST /images`, answered with base64.

Source: OpenRouter's OpenAPI file (providers.md 8.6).
"""

from collections.abc import Mapping, Sequence

import orjson

from core.body import Body
from core.model import Ask, Channel, Final, Piece, Report, Usage
from core.providers.mapping import told
from core.providers.openrouter_errors import refusal
from core.providers.reading import base64, count, section
from core.providers.wire import Call, EventReader, Reply, bearer, invalid


class OpenRouterImages:
    """The dialect. It is never asked to stream."""

    def encode(self, ask: Ask, channel: Channel) -> Call:
        fields = {"model": channel.upstream_of(ask), **told(ask, channel)}
        return Call("POST", "/images", bearer(channel), Body(orjson.dumps(fields)))

    def read(self, reply: Reply, ask: Ask) -> Sequence[Piece]:
        document = reply.document() or {}
        if document.get("error") or not 200 <= reply.status < 300:
            raise refusal(document, reply, ask)
        data = document.get("data")
        items = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        made = [image for item in items if (image := base64(item, "b64_json"))][: ask.count]
        if not made:
            raise invalid()
        return [
            *(Final(index, image) for index, image in enumerate(made)),
            Report(_usage(section(document, "usage"))),
        ]

    def reader(self, ask: Ask) -> EventReader:
        del ask
        raise AssertionError("no call of this dialect streams")


def _usage(usage: Mapping[str, object]) -> Usage | None:
    given, made = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    return Usage(input_text_tokens=given, output_tokens=made) if given or made else None
