"""xAI's Grok Imagine images: `/images/generations` and `/images/edits`, JSON for both.

Source: xAI's SDK and @ai-sdk/xai (providers.md 6.1). There is no idempotency key, and a call
that is abandoned is still made and billed. What moderation keeps back is billed too, and is told
inside a 200: an item with `respect_moderation: false`, or an empty list. Results are links that
live about a day.
"""

from collections.abc import Mapping, Sequence
from typing import NoReturn

import orjson

from core.body import Body
from core.model import Ask, Channel, Final, Hosted, Piece, Report
from core.providers.files import link
from core.providers.mapping import told
from core.providers.reading import base64, word
from core.providers.wire import Call, Reply, bearer, invalid
from core.providers.xai_errors import moderated, refusal

FORMATS: Mapping[str, str] = {"image/jpeg": "jpeg", "image/png": "png", "image/webp": "webp"}


class XaiImages:
    """The dialect. The channel's `fields` name what is asked for, images as `images[].url`."""

    def encode(self, ask: Ask, channel: Channel) -> Call:
        fields = {**told(ask, channel), "model": channel.upstream_of(ask), "response_format": "url"}
        images = fields.pop("images", None)
        if not isinstance(images, list):
            return _call("/images/generations", channel, fields)
        # One is an object, several are a list of another name.
        fields |= {"images": images} if len(images) > 1 else {"image": images[0]}
        return _call("/images/edits", channel, fields)

    def read(self, reply: Reply, ask: Ask) -> Sequence[Piece]:
        document = reply.document() or {}
        if document.get("error") or not 200 <= reply.status < 300:
            raise refusal(document, reply, ask)
        data = document.get("data")
        if not isinstance(data, list):
            raise invalid()
        items = [item for item in data if isinstance(item, dict)]
        made: list[Hosted | Final] = []
        for item in items:
            if item.get("respect_moderation") is False or len(made) == ask.count:
                continue
            if url := link(item, "url"):
                made.append(Hosted(len(made), url))
            elif image := base64(item, "b64_json"):
                made.append(Final(len(made), image))
        if not made:
            is_kept_back = not data or any(
                item.get("respect_moderation") is False for item in items
            )
            raise moderated() if is_kept_back else invalid()
        media_types = {word(item, "mime_type") for item in items}
        kind = FORMATS.get(media_types.pop(), "") if len(media_types) == 1 else ""
        return [*made, Report(output_format=kind)]

    def reader(self, ask: Ask) -> NoReturn:
        del ask
        raise AssertionError("no call of this dialect streams")


def _call(path: str, channel: Channel, fields: Mapping[str, object]) -> Call:
    return Call("POST", path, bearer(channel), Body(orjson.dumps(fields)))
