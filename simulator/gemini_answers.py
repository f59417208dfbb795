"""The JSON of Google's answers to generateContent: candidates, refusals inside a 200, usage.

Images are megabytes of base64, so documents are written with a hole where each belongs, and
the images put in when the bytes are joined.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from simulator.gemini_request import ImageRequest

Json = dict[str, object]

_HOLE: Final = "\x01image"
_HOLE_IN_JSON: Final = json.dumps(_HOLE)[1:-1].encode()
# Models that think sign their parts; the bytes mean nothing to anybody else.
_SIGNATURE: Final = "c2ltdWxhdGVkIHRob3VnaHQgc2lnbmF0dXJl"
_TERMS: Final = (
    "violated Google's [Generative AI Prohibited Use policy]"
    "(https://policies.google.com/terms/generative-ai/use-policy)."
)
# Why each reason to stop left no image; others say nothing.
MESSAGES: Final = {
    "IMAGE_SAFETY": (
        f"Unable to show the generated image. The image was filtered out because it {_TERMS} You "
        "will not be charged for blocked images. Try rephrasing the prompt."
    ),
    "NO_IMAGE": "The model could not generate the image based on the prompt provided.",
}
# A 200 that a `status` fault may ask for by its `code`: every finishReason without an image.
# fmt: off
FINISH_REASONS: Final = frozenset({
    "BLOCKLIST", "IMAGE_OTHER", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_SAFETY",
    "LANGUAGE", "MALFORMED_RESPONSE", "MAX_TOKENS", "MODEL_ARMOR", "NO_IMAGE", "OTHER",
    "PROHIBITED_CONTENT", "RECITATION", "SAFETY", "SPII", "STOP",
})
# fmt: on


def rendered(document: object, images: Sequence[bytes]) -> bytes:
    """Write *document*, its holes filled with *images* in order."""
    pieces = json.dumps(document).encode().split(_HOLE_IN_JSON)
    assert len(pieces) == len(images) + 1
    joined = [pieces[0]]
    for image, piece in zip(images, pieces[1:], strict=True):
        joined += (image, piece)
    return b"".join(joined)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the documents of one answer to one request."""

    request: ImageRequest
    is_vertex: bool
    response_id: str

    def document(self, *, made: bool, candidates: Sequence[Json] | None, **more: object) -> Json:
        """Give a whole answer; usage counts an output only where one was *made*."""
        found: Json = {} if candidates is None else {"candidates": list(candidates)}
        found |= more
        found |= {
            "usageMetadata": self._usage(made=made),
            "modelVersion": self.request.name,
            "responseId": self.response_id,
        }
        if self.is_vertex:
            found["createTime"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return found

    def blocked(self) -> Json:
        """Give the answer to a prompt that the safety system refuses: no candidate at all."""
        return self.document(
            made=False, candidates=None, promptFeedback={"blockReason": "PROHIBITED_CONTENT"}
        )

    def stopped(self, reason: str) -> Json:
        """Give the answer of a model that stopped for *reason* and shows nothing."""
        candidate: Json = {"finishReason": reason, "index": 0}
        if reason in MESSAGES:
            candidate["finishMessage"] = MESSAGES[reason]
        return self.document(made=False, candidates=[candidate])

    def thoughts(self) -> list[Json]:
        """Give what a model that thinks shows of it, with a draft; holes: one."""
        if not (self.request.shows_thoughts and self.request.model.tokens_of_thoughts):
            return []
        return [
            {"text": "**Sketching**\n\nA first draft, before the final image.", "thought": True},
            {**self._picture(_HOLE), "thought": True},
        ]

    def words(self) -> list[Json]:
        """Give what the model says beside its image."""
        return [{"text": "Here is your image."}] if "TEXT" in self.request.modalities else []

    def image(self, empty: str | None) -> list[Json]:
        """Give the image, its hole filled later; *empty* makes it one without an image."""
        if "IMAGE" not in self.request.modalities or empty == "no_image":
            return []
        part = self._picture(None if empty == "null_image" else _HOLE)
        if self.request.model.tokens_of_thoughts:
            part["thoughtSignature"] = _SIGNATURE
        return [part]

    def _picture(self, data: str | None) -> Json:
        return {"inlineData": {"mimeType": f"image/{self.request.image_format}", "data": data}}

    def _usage(self, *, made: bool) -> Json:
        request, model = self.request, self.request.model
        pictures = request.image_inputs * model.tokens_of_input_image
        given = [{"modality": "TEXT", "tokenCount": request.text_tokens}]
        if pictures:
            given.append({"modality": "IMAGE", "tokenCount": pictures})
        usage: Json = {
            "promptTokenCount": request.text_tokens + pictures,
            "promptTokensDetails": given,
        }
        total = request.text_tokens + pictures
        if made:
            tokens = model.tokens[request.image_size] if "IMAGE" in request.modalities else 0
            words = 6 if "TEXT" in request.modalities else 0
            usage["candidatesTokenCount"] = tokens + words
            if tokens:
                usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": tokens}]
            if model.tokens_of_thoughts:
                usage["thoughtsTokenCount"] = model.tokens_of_thoughts
            total += tokens + words + model.tokens_of_thoughts
        usage["totalTokenCount"] = total
        if self.is_vertex:
            usage["trafficType"] = "ON_DEMAND"
        return usage


def candidate(parts: Sequence[Json], reason: str | None = "STOP") -> Json:
    """Give a candidate; without a reason it goes on in the next event."""
    found: Json = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    return found | ({"finishReason": reason} if reason else {})


def bare(reason: str) -> bytes:
    """Write the 200 that a fault asks for: a candidate that stopped for *reason*, no image."""
    found: Json = {"finishReason": reason, "index": 0}
    if reason == "STOP":
        found = candidate([{"text": "I would rather talk about it."}])
    if reason in MESSAGES:
        found["finishMessage"] = MESSAGES[reason]
    return rendered({"candidates": [found], "responseId": new_response_id()}, ())


def new_response_id() -> str:
    """Give an id as Google's answers bear."""
    return secrets.token_urlsafe(16)
