"""The errors of Volcengine Ark and BytePlus ModelArk. Pure.

Source: ModelArk's page of error codes; providers.md 3.4. The envelope is
`{"error": {"code", "message", "param", "type"}}`; the items of a group of images, the events
of a stream and failed tasks hold the same object without `param` and `type`.
"""

import re
from collections.abc import Mapping

from core.errors import Fault, UpstreamError
from core.model import Ask
from core.providers.faults import fault_of, retry_after
from core.providers.reading import message, word
from core.providers.wire import Reply

# fmt: off
FAULTS: Mapping[str, Fault] = {
    "MissingParameter":                  Fault.BAD_REQUEST,
    "InvalidParameter":                  Fault.BAD_REQUEST,
    "InvalidImageURL":                   Fault.BAD_REQUEST,
    "InvalidArgumentError":              Fault.BAD_REQUEST,
    "OutofContextError":                 Fault.BAD_REQUEST,
    "ContentSecurityDetectionError":     Fault.SERVER_ERROR,    # the check itself failed
    "AuthenticationError":               Fault.AUTH,
    "InvalidAccountStatus":              Fault.AUTH,
    "AccessDenied":                      Fault.AUTH,
    "OperationDenied":                   Fault.AUTH,
    "OperationDenied.ServiceOverdue":    Fault.QUOTA,
    "AccountOverdueError":               Fault.QUOTA,
    "SetLimitExceeded":                  Fault.QUOTA,
    "QuotaExceeded":                     Fault.QUOTA,
    "InvalidEndpoint":                   Fault.NOT_FOUND,
    "InvalidEndpointOrModel":            Fault.NOT_FOUND,
    "ModelNotOpen":                      Fault.NOT_FOUND,
    "UnsupportedModel":                  Fault.NOT_FOUND,
    "NotFound":                          Fault.NOT_FOUND,
    "RateLimitExceeded":                 Fault.RATE_LIMITED,
    "ModelAccountRpmRateLimitExceeded":  Fault.RATE_LIMITED,
    "ModelAccountTpmRateLimitExceeded":  Fault.RATE_LIMITED,
    "ModelAccountIpmRateLimitExceeded":  Fault.RATE_LIMITED,
    "APIAccountRpmRateLimitExceeded":    Fault.RATE_LIMITED,
    "AccountRateLimitExceeded":          Fault.RATE_LIMITED,
    "RequestBurstTooFast":               Fault.RATE_LIMITED,
    "InflightBatchsizeExceeded":         Fault.RATE_LIMITED,
    "ServerOverloaded":                  Fault.OVERLOADED,
    "ModelLoadingError":                 Fault.OVERLOADED,
    "InternalServiceError":              Fault.SERVER_ERROR,
}
"""What a `code` means whatever the HTTP status; it also stands for codes that add `.Something`."""

TYPES: Mapping[str, Fault] = {
    "BadRequest":          Fault.BAD_REQUEST,
    "Unauthorized":        Fault.AUTH,
    "Forbidden":           Fault.AUTH,
    "NotFound":            Fault.NOT_FOUND,
    "TooManyRequests":     Fault.RATE_LIMITED,
    "InternalServerError": Fault.SERVER_ERROR,
}
"""What a `type` means: the name of a status, for errors that come without one."""

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "size":                                ("size", "resolution", "aspect_ratio"),
    "ratio":                               ("aspect_ratio",),
    "generate_audio":                      ("with_audio",),
    "sequential_image_generation_options": ("output_count",),
}
"""What may have made a parameter of theirs, where ours has another name."""
# fmt: on

_MODERATION = ("Sensitive", "RiskDetection")
_PARAMETER = re.compile(r"(\w{1,40})(?:\[(\d{1,3})\])?")


def refusal(
    error: Mapping[str, object], ask: Ask | None = None, reply: Reply | None = None
) -> UpstreamError:
    """The failure that an error object tells of; empty where a status came without one.

    Without a reply the object stood inside a 200; without an ask no parameter is named.
    """
    status = reply.status if reply else 200
    code, parameter, said = word(error, "code"), word(error, "param"), message(error, "message")
    fault = _by_code(code) or TYPES.get(word(error, "type")) or fault_of(status)
    if code == "QuotaExceeded" and said and "queue" in said.reveal().lower():
        # Too many tasks wait; otherwise the free trial or the plan is spent.
        fault = Fault.RATE_LIMITED
    elif fault is Fault.BAD_REQUEST and parameter == "model":
        # The channel chose that name, not the caller.
        fault = Fault.NOT_FOUND
    elif fault is Fault.BAD_REQUEST and not error:
        # A page of something in between, which is no verdict on the request.
        fault = Fault.INVALID_RESPONSE
    stage = next((stage for stage in ("input", "output") if code.lower().startswith(stage)), "")
    return UpstreamError(
        fault,
        http_status=status,
        retry_after=retry_after(reply.headers, reply.received_at) if reply else None,
        stage=stage if fault is Fault.CONTENT_POLICY else "",
        parameter=_ours(parameter, ask) if fault is Fault.BAD_REQUEST and ask else "",
        detail=said,
    )


def _by_code(code: str) -> Fault | None:
    """What a code means: all of it, else what is left without its last suffixes."""
    if any(part in code for part in _MODERATION):
        return Fault.CONTENT_POLICY
    while code:
        if code in FAULTS:
            return FAULTS[code]
        code = code.rpartition(".")[0]
    return None


def _ours(parameter: str, ask: Ask) -> str:
    """Our name of a parameter of theirs, such as `content[1].image_url`; empty if there is none."""
    found = _PARAMETER.match(parameter)
    name, number = (found[1], int(found[2] or 0)) if found else ("", 0)
    if name == "content" and ask.prompt:
        # The text comes first.
        name, number = ("content", number - 1) if number else ("prompt", 0)
    if name in {"image", "content"}:
        return ask.inputs[number].parameter if number < len(ask.inputs) else ""
    known = {*ask.parameters, "prompt", "output_count"}
    return next((ours for ours in PARAMETERS.get(name, (name,)) if ours in known), "")
