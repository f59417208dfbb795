"""ElevenLabs' errors, in the three shapes that they come in. Pure.

Source: ElevenLabs' help pages and SDK (providers.md 9.2). New: `{"detail": {"type", "code",
"message", "status", "request_id", "param"}}`; old: `{"detail": {"status", "message"}}`; of the
framework that reads requests: 422 and `{"detail": [{"loc", "msg", "type"}]}`. A status alone says
little: 401 is a bad key, an empty account, or a suspicion; 429 is our limit, or their load.
"""

from collections.abc import Mapping

from core.errors import Fault, UpstreamError
from core.model import Ask
from core.providers.reading import message, section, word
from core.providers.refusals import refused
from core.providers.wire import Reply

# fmt: off
FAULTS: Mapping[str, Fault] = {
    "invalid_api_key":              Fault.AUTH,
    "missing_permissions":          Fault.AUTH,
    "detected_unusual_activity":    Fault.AUTH,
    "quota_exceeded":               Fault.QUOTA,
    "too_many_concurrent_requests": Fault.RATE_LIMITED,
    "concurrent_limit_exceeded":    Fault.RATE_LIMITED,
    "rate_limit_exceeded":          Fault.RATE_LIMITED,
    "system_busy":                  Fault.OVERLOADED,
    "voice_not_found":              Fault.NOT_FOUND,    # the channel chose the voice's id,
    "model_not_found":              Fault.NOT_FOUND,    # and the model's
    "max_character_limit_exceeded": Fault.BAD_REQUEST,
    "text_too_long":                Fault.BAD_REQUEST,
}
"""What `code`, else `status`, means whatever the HTTP status."""

PARAMETERS: Mapping[str, str] = {
    "text":          "prompt",
    "voice_id":      "voice",
    "output_format": "output_format",
}
"""Their names of parameters, and ours."""
# fmt: on


def refusal(document: Mapping[str, object], reply: Reply, ask: Ask) -> UpstreamError:
    """The failure that an answer tells of; *document* is empty where it is no JSON object."""
    detail = document.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        return _unprocessable(detail[0], reply)
    error = section(document, "detail")
    code, status = word(error, "code"), word(error, "status")
    fault = FAULTS.get(code) or FAULTS.get(status)
    length = {"max_character_limit_exceeded", "text_too_long"} & {code, status}
    parameter = "prompt" if length else PARAMETERS.get(word(error, "param"), "")
    if parameter not in ("prompt", *ask.parameters):
        parameter = ""
    return refused(fault, reply, message(error, "message"), parameter=parameter)


def _unprocessable(item: Mapping[str, object], reply: Reply) -> UpstreamError:
    """A field that is wrong: `loc` is its path, such as `["body", "text"]`."""
    path = item.get("loc")
    name = path[-1] if isinstance(path, list) and path else None
    parameter = PARAMETERS.get(name, "") if isinstance(name, str) else ""
    return refused(None, reply, message(item, "msg"), parameter=parameter)
