"""What Google's generateContent sends for images, and what it means.

No answer here was recorded: bodies and error objects are composed from Google's reference,
google-genai's types and errors seen in the wild, as written down in providers.md 2.2
(success and refusals) and 2.3 (errors).
"""

import orjson

from core.body import Body
from core.model import Ask, Final, Kind, Report, Usage
from tests.providers.tape import Tape
from tests.providers.tapes_openai_images import IMAGE, PIXEL

ASK = Ask("gemini-3-pro-image", Kind.IMAGE, Body("a red fox"))
PICTURE = {"inlineData": {"mimeType": "image/png", "data": PIXEL}, "thoughtSignature": "AAAA"}
DRAFT = {"inlineData": {"mimeType": "image/png", "data": "ZHJhZnQ="}}
USAGE = {
    "promptTokenCount": 12,
    "candidatesTokenCount": 1120,
    "thoughtsTokenCount": 180,
    "totalTokenCount": 1312,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
}
REPORT = Report(Usage(12, 0, 1300, 1120), output_format="png")


def candidate(*parts: object, reason: str = "STOP", **more: object) -> dict[str, object]:
    content = {"content": {"role": "model", "parts": [*parts]}} if parts else {}
    return {**content, "finishReason": reason, "index": 0, **more}


def answer(*candidates: object, usage: object = USAGE, **more: object) -> bytes:
    document: dict[str, object] = {**more, "usageMetadata": usage, "responseId": "r"}
    document |= {"candidates": [*candidates]} if candidates else {}
    return orjson.dumps({**document, "modelVersion": "gemini-3-pro-image"})


TAPES = (
    Tape(
        "Gemini's image",
        "gemini_images",
        ASK,
        answer(candidate(PICTURE)),
        (Final(0, IMAGE), REPORT),
    ),
    Tape(
        "Gemini's thoughts, words and image",
        "gemini_images",
        ASK,
        answer(
            candidate(
                {"text": "planning", "thought": True},
                DRAFT | {"thought": True},
                {"text": "Here it is."},
                DRAFT,
                PICTURE,
                {"text": "Anything else?"},
            ),
            promptFeedback={},
        ),
        (Final(0, IMAGE), REPORT),
    ),
)

BLOCKED = answer(
    promptFeedback={"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "foxes"}
)
API_KEY_INVALID = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
    "metadata": {"service": "generativelanguage.googleapis.com"},
}


def quota(name: str) -> dict[str, object]:
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaMetric": "…", "quotaId": name}],
    }


def delay(value: object) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": value}


def violation(field: object) -> dict[str, object]:
    return {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": field, "description": "no"}],
    }


def error(code: int, status: str | None, *details: object) -> dict[str, object]:
    return {"error": {"code": code, "message": "no", "status": status, "details": [*details]}}
