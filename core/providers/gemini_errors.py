"""The errors of Google's APIs: `google.rpc.Status` in JSON, and refusals inside a 200. Pure.

Source: Google's guide to errors of the Gemini API, google-genai's enums; providers.md 2.2, 2.3.
The envelope is `{"error": {"code", "message", "status", "details": [{"@type", …}]}}`.
"""

import re
from collections.abc import Iterator, Mapping

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.providers.faults import fault_of, retry_after
from core.providers.reading import message, word
from core.providers.wire import Reply

# fmt: off
FAULTS: Mapping[str, Fault] = {
    "INVALID_ARGUMENT":    Fault.BAD_REQUEST,
    "OUT_OF_RANGE":        Fault.BAD_REQUEST,
    "FAILED_PRECONDITION": Fault.AUTH,
    "UNAUTHENTICATED":     Fault.AUTH,
    "PERMISSION_DENIED":   Fault.AUTH,
    "NOT_FOUND":           Fault.NOT_FOUND,
    "UNIMPLEMENTED":       Fault.NOT_FOUND,
    "RESOURCE_EXHAUSTED":  Fault.RATE_LIMITED,
    "UNAVAILABLE":         Fault.OVERLOADED,
    "ABORTED":             Fault.SERVER_ERROR,
    "CANCELLED":           Fault.SERVER_ERROR,
    "DATA_LOSS":           Fault.SERVER_ERROR,
    "DEADLINE_EXCEEDED":   Fault.SERVER_ERROR,
    "INTERNAL":            Fault.SERVER_ERROR,
    "UNKNOWN":             Fault.SERVER_ERROR,
}
"""What an error's `status` means whatever the HTTP status. FAILED_PRECONDITION: billing, region."""

REFUSALS = frozenset({
    "SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT", "RECITATION",
    "IMAGE_RECITATION", "BLOCKLIST", "SPII", "MODEL_ARMOR",
})
"""The `finishReason`s by which the safety system takes the output away."""

PARAMETERS: Mapping[str, str] = {
    "aspect_ratio": "aspect_ratio",
    "image_size":   "resolution",
    "seed":         "seed",
}
"""Their names of parameters in ours: the last step of a field's path, in snake case."""
# fmt: on

_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def document(reply: Reply) -> Mapping[str, object]:
    """The object in a body, of which it lets go; errors come in a list of one at times."""
    body, reply.body = reply.body, Body(b"")
    try:
        found = orjson.loads(body.reveal())
    except orjson.JSONDecodeError:
        return {}
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    return found if isinstance(found, dict) else {}


def entries(holder: Mapping[str, object], name: str) -> list[dict[str, object]]:
    """The objects in a list; empty if it is absent or anything else."""
    found = holder.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def refusal(error: Mapping[str, object], reply: Reply) -> UpstreamError:
    """The failure that an error object tells of; empty where a status came without one."""
    reasons = {word(detail, "reason") for detail in _details(error, "ErrorInfo")}
    fault = FAULTS.get(word(error, "status")) or fault_of(reply.status)
    if "API_KEY_INVALID" in reasons:
        fault = Fault.AUTH
    elif fault is Fault.RATE_LIMITED and any("PerDay" in quota for quota in _quotas(error)):
        # Comes back at midnight, not within a pause.
        fault = Fault.QUOTA
    elif fault is Fault.BAD_REQUEST and not error:
        # A page of something in between, which is no verdict on the request.
        fault = Fault.INVALID_RESPONSE
    delays = [_DELAY.fullmatch(word(each, "retryDelay")) for each in _details(error, "RetryInfo")]
    waits = [float(delay[1]) for delay in delays if delay]
    return UpstreamError(
        fault,
        http_status=reply.status,
        retry_after=max(waits) if waits else retry_after(reply.headers, reply.received_at),
        parameter=_parameter(error) if fault is Fault.BAD_REQUEST else "",
        detail=message(error, "message"),
    )


def blocked(feedback: Mapping[str, object]) -> UpstreamError | None:
    """The refusal of the prompt that a 200's `promptFeedback` tells of, if it does."""
    if not word(feedback, "blockReason"):
        return None
    return UpstreamError(
        Fault.CONTENT_POLICY,
        http_status=200,
        stage="input",
        detail=message(feedback, "blockReasonMessage"),
    )


def imageless(candidate: Mapping[str, object]) -> UpstreamError:
    """Why a candidate holds no image: taken away, not made, or nothing that we understand.

    A model that was asked for an image may end well with a text instead, or say NO_IMAGE:
    another try often helps, and nobody is charged.
    """
    reason = word(candidate, "finishReason")
    if reason in REFUSALS:
        fault = Fault.CONTENT_POLICY
    else:
        fault = Fault.SERVER_ERROR if reason else Fault.INVALID_RESPONSE
    return UpstreamError(
        fault,
        http_status=200,
        stage="output" if fault is Fault.CONTENT_POLICY else "",
        detail=message(candidate, "finishMessage"),
    )


def _details(error: Mapping[str, object], kind: str) -> Iterator[Mapping[str, object]]:
    """The details of a type such as `ErrorInfo`."""
    for detail in entries(error, "details"):
        if str(detail.get("@type")).endswith(f"google.rpc.{kind}"):
            yield detail


def _quotas(error: Mapping[str, object]) -> Iterator[str]:
    """The ids of the quotas that are used up, such as `GenerateRequestsPerDayPerProject…`."""
    for detail in _details(error, "QuotaFailure"):
        for violation in entries(detail, "violations"):
            yield str(violation.get("quotaId"))


def _parameter(error: Mapping[str, object]) -> str:
    """Our name of the first field that is blamed; empty if it is none of ours."""
    for detail in _details(error, "BadRequest"):
        for violation in entries(detail, "fieldViolations"):
            last = str(violation.get("field")).rpartition(".")[2]
            if ours := PARAMETERS.get(_HUMP.sub("_", last).lower()):
                return ours
    return ""
