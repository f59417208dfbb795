"""Azure OpenAI's error bodies: those of its gateway, and those of its content filter.

Facts: Azure's pages on errors and content filtering, and bodies observed in public reports.
"""

import json
from collections.abc import Mapping
from typing import Final

UNAUTHORIZED: Final = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
    "valid key for an active subscription and use a correct regional API endpoint for your "
    "resource."
)
NO_DEPLOYMENT: Final = (
    "The API deployment for this resource does not exist. If you created the deployment within the "
    "last 5 minutes, please wait a moment and try again."
)
TIMEOUT: Final = "The operation was timeout."
BLOCKED: Final = (
    "Your resource has been temporarily blocked because we detected behavior that may violate our "
    "content policy."
)
FILTERED: Final = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management "
    "policy. Please modify your prompt and retry."
)
RATE_LIMITED: Final = (
    "Requests to this deployment have exceeded the call rate limit of your current pricing tier."
)
NO_CAPACITY: Final = (
    "The system is currently experiencing high demand and cannot process your request."
)
SERVER_ERROR: Final = "The server had an error while processing your request. Sorry about that!"
# What its proxy says when the service behind it is gone: no JSON.
UNAVAILABLE: Final = b"upstream connect error or disconnect/reset before headers"

# By (status, code), code None being the status's usual one: the code shown, and the message.
_SCRIPTED: Final[Mapping[tuple[int, str | None], tuple[str | None, str]]] = {
    (401, None): ("401", UNAUTHORIZED),
    (403, None): ("Forbidden", BLOCKED),
    (404, None): ("DeploymentNotFound", NO_DEPLOYMENT),
    (408, None): ("Timeout", TIMEOUT),
    (429, None): ("RateLimitReached", RATE_LIMITED),
    (429, "429"): ("429", RATE_LIMITED),
    (429, "NoCapacity"): ("NoCapacity", NO_CAPACITY),
    (500, None): ("server_error", SERVER_ERROR),
}


def envelope(code: str | None, message: str, **more: object) -> bytes:
    """Give an error's JSON body."""
    return json.dumps({"error": {"code": code, "message": message, **more}}).encode()


def filtered(stage: str, code: str = "content_filter") -> bytes:
    """Give the content filter's refusal; of an output it says nothing of the prompt [inferred].

    `contentFilter` spells the inner error the other way; `unwrapped` lacks the `error` around.
    """
    results = {
        "hate": {"filtered": False, "severity": "safe"},
        "violence": {"filtered": True, "severity": "high"},
        "jailbreak": {"filtered": False, "detected": False},
    }
    other = code == "contentFilter"
    error: dict[str, object] = {
        "code": "content_filter" if code == "unwrapped" else code,
        "message": FILTERED,
        "type": None,
        "param": "prompt" if stage == "input" else None,
        "status": 400,
        "inner_error" if other else "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_results" if other else "content_filter_result": results,
        },
    }
    return json.dumps(error if code == "unwrapped" else {"error": error}).encode()


def scripted(status: int, code: str | None) -> bytes:
    """Give the body that a `status` fault asks for."""
    if status == 400 and code in {"content_filter", "contentFilter", "unwrapped"}:
        return filtered("input", code)
    if status == 503:
        return UNAVAILABLE
    shown, message = _SCRIPTED.get((status, code)) or _SCRIPTED.get(
        (status, None), (None, "The request could not be completed.")
    )
    return envelope(code or shown, message)
