"""The bodies of messages: the task as `GET /api/v1/tasks/{id}` shows it, or a notice. Pure.

Nothing of a request is in them: requests are not kept. The same message has the same body in
every try.
"""

from collections.abc import Mapping
from typing import Final

import orjson

from core.errors import Reason, describe
from core.model import Generation, GenerationState, Kind

TEST: Final = "test"
EXAMPLE: Final[Mapping[str, object]] = {
    "id": f"task_{0:032x}",
    "model": "example",
    "status": "completed",
    "created_at": 1767225600,
    "output": {"image_urls": []},
    "error": None,
}
"""What a test message is about: a task that there never was."""

_CODES: Mapping[Reason, str] = {
    Reason.API_KEY_MISSING: "invalid_api_key",
    Reason.API_KEY_INVALID: "invalid_api_key",
    Reason.INVALID_PARAMETER: "invalid_value",
    Reason.MISSING_PARAMETER: "missing_required_parameter",
    Reason.ENDPOINT_NOT_FOUND: "unknown_url",
    Reason.INSUFFICIENT_CREDITS: "insufficient_quota",
    Reason.INTERNAL: "internal_error",
    Reason.CONTENT_POLICY_VIOLATION: "moderation_blocked",
    Reason.PAYMENT_SERVICE_UNAVAILABLE: "payment_service_away",
    Reason.SIGN_IN_SERVICE_UNAVAILABLE: "sign_in_service_away",
}
"""Codes of the task dialect that are not the reason in lower case."""
_STATUSES: Mapping[GenerationState, str] = {
    GenerationState.SUCCEEDED: "completed",
    GenerationState.FAILED: "failed",
    GenerationState.CANCELLED: "failed",
}
_MAIN_TYPES: Mapping[Kind, str] = {
    Kind.IMAGE: "image",
    Kind.VIDEO: "video",
    Kind.AUDIO: "audio",
}


def message(event_type: str, timestamp: str, data: Mapping[str, object]) -> bytes:
    """The body of a message; *timestamp* is when the event happened, in ISO 8601."""
    return orjson.dumps({"type": event_type, "timestamp": timestamp, "data": data})


def task(item: Generation, media: str) -> dict[str, object]:
    """The task of a generation; links to outputs begin with *media*."""
    return {
        "id": f"task_{item.id.hex}",
        "model": item.model,
        "status": _STATUSES.get(item.state, "processing"),
        "created_at": int(item.created_at.timestamp()),
        "output": _outputs(item, media) if item.state is GenerationState.SUCCEEDED else None,
        "error": _error(item),
    }


def _error(item: Generation) -> dict[str, str] | None:
    if item.state is GenerationState.CANCELLED:
        return {"code": "cancelled", "message": "The generation was cancelled."}
    if item.state is not GenerationState.FAILED or item.failure is None:
        return None
    reason = item.failure.reason
    return {"code": _CODES.get(reason, reason.lower()), "message": describe(reason)}


def _outputs(item: Generation, media: str) -> dict[str, object]:
    """The links by media type. A picture beside a video is its last frame."""
    kind = _MAIN_TYPES.get(item.kind)
    links: dict[str, list[str]] = {} if kind is None else {kind: []}
    for asset in item.assets:
        links.setdefault(asset.media_type.partition("/")[0], []).append(media + asset.name)
    frames = links.pop("image", []) if kind == "video" else []
    found: dict[str, object] = {f"{main}_urls": urls for main, urls in links.items()}
    if frames:
        found["last_frame_url"] = frames[0]
    return found
