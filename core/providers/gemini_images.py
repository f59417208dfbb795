"""Google's Gemini image models through `generateContent`, on every address that serves it.

Source: Google's reference of generateContent and google-genai (providers.md 2.1 to 2.3). The
base URL of a channel says where, and with it how the credential is sent:

    https://generativelanguage.googleapis.com/v1beta                        API key
    https://aiplatform.googleapis.com/v1/publishers/google                  API key (express)
    https://{host}/v1/projects/{P}/locations/{L}/publishers/google          OAuth access token

One image to a call, no mask, no previews, no idempotency key; a call that is abandoned is
still made and billed. Models that think may show drafts first, marked as thoughts.
"""

from collections.abc import Mapping, Sequence
from typing import NoReturn
from urllib.parse import quote

import orjson
import pybase64

from core.body import Body
from core.model import Ask, Channel, Final, Piece, Report, Role, Usage
from core.providers.gemini_errors import REFUSALS, blocked, document, entries, imageless, refusal
from core.providers.reading import base64, count, section, word
from core.providers.wire import Call, Reply, invalid

FORMATS: Mapping[str, str] = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}
_FREE = frozenset({"", "auto", "adaptive"})
"""What leaves the choice to the model, which knows no word for it."""


class GeminiImages:
    """The dialect."""

    def encode(self, ask: Ask, channel: Channel) -> Call:
        parts: list[object] = [{"text": ask.prompt.reveal()}]
        for item in ask.inputs:
            if item.role is Role.IMAGE:
                data = pybase64.b64encode(item.data.reveal()).decode()
                parts.append({"inlineData": {"mimeType": item.media_type, "data": data}})
        given = ask.parameters
        size = str(given.get("resolution", "")).upper()
        wish = {"aspectRatio": given.get("aspect_ratio", ""), "imageSize": size}
        picture = {name: value for name, value in wish.items() if value not in _FREE}
        wanted: dict[str, object] = {"imageConfig": picture, "seed": given.get("seed", "")}
        config = {name: value for name, value in wanted.items() if value not in ("", {})}
        config["responseModalities"] = ["IMAGE"]
        fields = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
        path = f"/models/{quote(channel.upstream_model, safe='')}:generateContent"
        return Call("POST", path, _authorization(channel), Body(orjson.dumps(fields)))

    def read(self, reply: Reply, ask: Ask) -> Sequence[Piece]:
        del ask
        found = document(reply)
        if found.get("error") or not 200 <= reply.status < 300:
            raise refusal(section(found, "error"), reply)
        if error := blocked(section(found, "promptFeedback")):
            raise error
        candidate = next(iter(entries(found, "candidates")), {})
        shown = [
            data
            for part in entries(section(candidate, "content"), "parts")
            if part.get("thought") is not True and isinstance(data := part.get("inlineData"), dict)
        ]
        if not shown or word(candidate, "finishReason") in REFUSALS:
            raise imageless(candidate)
        if (image := base64(shown[-1], "data")) is None:
            raise invalid()
        made = FORMATS.get(word(shown[-1], "mimeType"), "")
        usage = _usage(section(found, "usageMetadata"))
        return [Final(0, image), Report(usage, output_format=made)]

    def reader(self, ask: Ask) -> NoReturn:
        del ask
        raise AssertionError("no call of this dialect streams")


def _authorization(channel: Channel) -> Mapping[str, str]:
    # Addresses under a project take access tokens, which belong to it; the others take keys.
    if "/projects/" in channel.base_url:
        return {"authorization": f"Bearer {channel.credential.reveal()}"}
    return {"x-goog-api-key": channel.credential.reveal()}


def _usage(usage: Mapping[str, object]) -> Usage | None:
    """Thoughts are output that is billed, and are not counted with the candidates."""
    if not usage:
        return None
    given, made = (entries(usage, f"{name}TokensDetails") for name in ("prompt", "candidates"))
    return Usage(
        input_text_tokens=_of(given, "TEXT") if given else count(usage, "promptTokenCount"),
        input_image_tokens=_of(given, "IMAGE"),
        output_tokens=count(usage, "candidatesTokenCount") + count(usage, "thoughtsTokenCount"),
        output_image_tokens=_of(made, "IMAGE") if made else None,
    )


def _of(details: Sequence[Mapping[str, object]], modality: str) -> int:
    return sum(count(each, "tokenCount") for each in details if each.get("modality") == modality)
