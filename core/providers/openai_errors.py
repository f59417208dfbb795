"""The errors of OpenAI's API, which many providers have copied. Pure.

Source: OpenAI's guide to error codes; providers.md 1.5. The envelope is
`{"error": {"message", "type", "param", "code"}}`, in bodies and in streams alike.
"""

from collections.abc import Mapping

from core.errors import Fault, UpstreamError
from core.model import Ask, Kind
from core.providers.faults import fault_of, retry_after
from core.providers.reading import message, section, word
from core.providers.wire import Reply

# fmt: off
FAULTS: Mapping[str, Fault] = {
    "moderation_blocked":         Fault.CONTENT_POLICY,
    "content_policy_violation":   Fault.CONTENT_POLICY,
    "invalid_api_key":            Fault.AUTH,
    "insufficient_quota":         Fault.QUOTA,
    "credit_balance_exhausted":   Fault.QUOTA,
    "billing_hard_limit_reached": Fault.QUOTA,
    "rate_limit_exceeded":        Fault.RATE_LIMITED,
    "model_not_found":            Fault.NOT_FOUND,
    "server_is_overloaded":       Fault.OVERLOADED,
    "slow_down":                  Fault.OVERLOADED,
    "service_unavailable_error":  Fault.OVERLOADED,
    "server_error":               Fault.SERVER_ERROR,
}
"""What an error's `code`, else its `type`, means whatever the HTTP status."""

REQUEST_TYPES = frozenset({"invalid_request_error", "image_generation_user_error"})
"""Types that blame the request itself, where no HTTP status says so: in a stream."""

PARAMETERS: Mapping[str, str] = {
    "n":                 "output_count",
    "partial_images":    "partial_count",
    "safety_identifier": "end_user_id",
    "input":             "prompt",
    "response_format":   "output_format",
}
"""Their names of parameters in ours, where they differ."""

STAGES = frozenset({"input", "output"})
"""Where the safety system looks. Kept with the generation, so it must be one of these words."""

# fmt: on


def refusal(error: Mapping[str, object], ask: Ask, reply: Reply | None = None) -> UpstreamError:
    """The failure that an error object tells of; empty where a status came without one.

    Without a reply the object came in a stream, after a 200.
    """
    status = reply.status if reply else 200
    code, kind, parameter = word(error, "code"), word(error, "type"), word(error, "param")
    fault = FAULTS.get(code) or FAULTS.get(kind) or fault_of(status)
    if 200 <= status < 300 and kind in REQUEST_TYPES and code not in FAULTS:
        fault = Fault.BAD_REQUEST
    if fault is Fault.BAD_REQUEST and parameter == "model":
        # The channel chose that name, not the caller.
        fault = Fault.NOT_FOUND
    elif fault is Fault.BAD_REQUEST and not error:
        # A page of something in between, which is no verdict on the request.
        fault = Fault.INVALID_RESPONSE
    stage = word(section(error, "moderation_details"), "moderation_stage")
    return UpstreamError(
        fault,
        http_status=status,
        retry_after=retry_after(reply.headers, reply.received_at) if reply else None,
        stage=stage if fault is Fault.CONTENT_POLICY and stage in STAGES else "",
        parameter=_ours(parameter, ask) if fault is Fault.BAD_REQUEST else "",
        detail=message(error, "message"),
    )


def _ours(parameter: str, ask: Ask) -> str:
    """Our name of a parameter of theirs, such as `image[1]`; empty if it is none of ours."""
    name, _, index = parameter.partition("[")
    files = [item.parameter for item in ask.inputs if item.role == name]
    if files:
        number = index.removesuffix("]")
        return files[int(number)] if number.isdecimal() and int(number) < len(files) else files[0]
    known = ("prompt", *ask.parameters, *ask.texts)
    if name == "response_format" and ask.kind is not Kind.AUDIO:
        return ""  # images have no such parameter: a relay made it up
    return PARAMETERS.get(name, name if name in known else "")
