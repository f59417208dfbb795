"""The errors of fal: of a model, of a request on its way, of the account. Pure.

Source: fal's page of errors; providers.md 8.1. A model's are `{"detail": [{"loc", "msg", "type"}]}`
and a request's `{"detail": "…", "error_type": "…"}`; the others have only a sentence in `detail`.
"""

from collections.abc import Mapping

from core.errors import Fault, UpstreamError
from core.model import Ask
from core.providers.reading import message, word
from core.providers.refusals import refused
from core.providers.wire import Reply

# fmt: off
FAULTS: Mapping[str, Fault] = {
    "content_policy_violation":        Fault.CONTENT_POLICY,
    "no_media_generated":              Fault.CONTENT_POLICY,    # often a silent refusal
    "downstream_service_error":        Fault.SERVER_ERROR,
    "downstream_service_unavailable":  Fault.OVERLOADED,
    "internal_server_error":           Fault.SERVER_ERROR,
    "generation_timeout":              Fault.SERVER_ERROR,
    "request_timeout":                 Fault.OVERLOADED,        # waited in the queue for too long
    "startup_timeout":                 Fault.OVERLOADED,
    "runner_scheduling_failure":       Fault.OVERLOADED,
    "runner_connection_timeout":       Fault.SERVER_ERROR,
    "runner_disconnected":             Fault.SERVER_ERROR,
    "runner_connection_refused":       Fault.SERVER_ERROR,
    "runner_connection_error":         Fault.SERVER_ERROR,
    "runner_incomplete_response":      Fault.SERVER_ERROR,
    "runner_server_error":             Fault.SERVER_ERROR,
    "internal_error":                  Fault.SERVER_ERROR,
    "client_disconnected":             Fault.SERVER_ERROR,
    "client_cancelled":                Fault.SERVER_ERROR,
    "bad_request":                     Fault.BAD_REQUEST,
}
"""What a type means, of a model's error or of a request's; others of a model's blame its input."""
# fmt: on

_MODERATION = ("policy", "moderat", "safety", "sensitive", "flagged", "partner_validation_failed")
_LOCKED = ("locked", "balance")
_PROMPT = "prompt"


def refusal(reply: Reply, document: Mapping[str, object], ask: Ask | None = None) -> UpstreamError:
    """The failure that an answer, which is not one of success, tells of."""
    details = document.get("detail")
    if isinstance(details, list) and (models := [one for one in details if isinstance(one, dict)]):
        return _of_model(reply, models, ask)
    said = message(document, "detail")
    kind = word(document, "error_type") or word(reply.headers, "x-fal-error-type")
    if kind in FAULTS:
        return refused(FAULTS[kind], reply, said)
    if reply.status == 403 and said and any(sign in said.reveal().lower() for sign in _LOCKED):
        return refused(Fault.QUOTA, reply, said)
    return refused(None, reply, said)


def ended(document: Mapping[str, object]) -> UpstreamError | None:
    """Why a request that has ended failed, where its status tells."""
    fault = FAULTS.get(word(document, "error_type"))
    return None if fault is None else refused(fault, None, message(document, "error"))


def _of_model(reply: Reply, details: list[dict[str, object]], ask: Ask | None) -> UpstreamError:
    by_kind = {word(one, "type"): one for one in reversed(details)}
    first = next((by_kind[kind] for kind in FAULTS if kind in by_kind), details[0])
    kind, said = word(first, "type"), message(first, "msg")
    fault = FAULTS.get(kind, Fault.BAD_REQUEST)
    if kind == "downstream_service_error" and word(reply.headers, "x-fal-retryable") != "true":
        # A partner's refusal hides here.
        words = said.reveal().lower() if said else ""
        if any(sign in words for sign in _MODERATION):
            fault = Fault.CONTENT_POLICY
    return refused(fault, reply, said, parameter=_ours(first.get("loc"), ask))


def _ours(place: object, ask: Ask | None) -> str:
    """Our name of an input of theirs, such as `["body", "prompt"]`; empty if there is none."""
    names = [part for part in place if isinstance(part, str)] if isinstance(place, list) else []
    if ask is None or len(names) < 2:
        return ""
    name = names[1]
    if name.partition("_")[2].startswith("url") or name.endswith(("_url", "_urls")):
        return ask.inputs[0].parameter if ask.inputs else ""
    return name if name == _PROMPT or name in ask.parameters else ""
