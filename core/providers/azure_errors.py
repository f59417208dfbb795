"""The errors of Azure OpenAI: OpenAI's, those of Azure's gateway, and its content filter's. Pure.

Source: Azure OpenAI's pages on content filtering and errors (providers.md 8.3). The envelope is
`{"error": {"code", "message", "type", "param", "innererror"}}`, sometimes without the wrapper.
"""

from collections.abc import Mapping

from core.errors import Fault, UpstreamError
from core.model import Ask
from core.providers.openai_errors import refusal
from core.providers.reading import section, word
from core.providers.wire import Reply

# fmt: off
FAULTS: Mapping[str, Fault] = {
    "content_filter":               Fault.CONTENT_POLICY,
    "contentFilter":                Fault.CONTENT_POLICY,
    "ResponsibleAIPolicyViolation": Fault.CONTENT_POLICY,
    "401":                          Fault.AUTH,
    "Forbidden":                    Fault.AUTH,            # the resource is blocked
    "DeploymentNotFound":           Fault.NOT_FOUND,
    "Timeout":                      Fault.TIMEOUT,         # the image may yet be made, and billed
    "429":                          Fault.RATE_LIMITED,
    "RateLimitReached":             Fault.RATE_LIMITED,
    "NoCapacity":                   Fault.OVERLOADED,
}
"""What a `code` means that OpenAI itself does not know."""
# fmt: on

_INNER = ("innererror", "inner_error")


def azure_refusal(
    document: Mapping[str, object], ask: Ask, reply: Reply | None = None
) -> UpstreamError:
    """The failure that a body tells of, or an event where there is no reply."""
    error = section(document, "error") or (document if word(document, "code") else {})
    failure = refusal(error, ask, reply)
    codes = [word(error, "code"), *(word(section(error, name), "code") for name in _INNER)]
    fault = next((FAULTS[code] for code in codes if code in FAULTS), None)
    if fault is not None:
        failure.fault, failure.parameter = fault, ""
    if failure.fault is Fault.CONTENT_POLICY and word(error, "param") == "prompt":
        failure.stage = "input"  # the filter looked at the words
    return failure
