"""The errors of xAI, in the three shapes that its servers use. Pure.

Source: xAI's SDK and bodies that others observed (providers.md 6.3). `code` is a gRPC text or a
slug such as `imagine:content-moderated`:

    {"code": "…", "error": "…"}
    {"error": {"message": "…", "type": "…", "param": "…", "code": "…"}}
    {"error": "…"}
"""

import re
from collections.abc import Mapping

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask
from core.providers.reading import message, section, word
from core.providers.refusals import refused
from core.providers.wire import Reply

# fmt: off
WORDS: tuple[tuple[re.Pattern[str], Fault], ...] = (
    (re.compile(r"content.?moderat"),                 Fault.CONTENT_POLICY),
    (re.compile(r"available credits|spending limit"), Fault.QUOTA),
    (re.compile(r"\bmodel \S+ does not exist"),       Fault.NOT_FOUND),
    (re.compile(r"\bapi key\b"),                      Fault.AUTH),
)
"""What code and message say whatever the HTTP status: the first that is found."""

CODES: tuple[tuple[re.Pattern[str], Fault], ...] = (
    (re.compile(r"invalid.?argument"),                Fault.BAD_REQUEST),
    (re.compile(r"permission|unauthenticated"),       Fault.AUTH),
    (re.compile(r"not.?found"),                       Fault.NOT_FOUND),
    (re.compile(r"exhausted|rate.?limit"),            Fault.RATE_LIMITED),
    (re.compile(r"unavailable|capacity|overloaded"),  Fault.OVERLOADED),
)
"""Likewise of the code alone, where there is no HTTP status that tells: of a failed video."""

PARAMETERS: Mapping[str, str] = {
    "aspect_ratio":  "aspect_ratio",
    "duration":      "duration",
    "n":             "output_count",
    "output_format": "output_format",
    "prompt":        "prompt",
    "quality":       "quality",
    "resolution":    "resolution",
}
"""Their names of parameters in ours."""
# fmt: on

_NAME = re.compile(r"[a-z_]{1,40}")
_LONGEST = 1_000


def refusal(
    document: Mapping[str, object], reply: Reply | None = None, ask: Ask | None = None
) -> UpstreamError:
    """The failure that a body, or a failed video, tells of; empty: a status without a word."""
    nested = section(document, "error")
    said = message(nested, "message") or message(document, "error")
    code = str(nested.get("code") or document.get("code") or "")[:_LONGEST].lower()
    text = f"{code} {said.reveal().lower() if said else ''}"
    fault = next((fault for pattern, fault in WORDS if pattern.search(text)), None)
    if fault is None and (reply is None or 200 <= reply.status < 300):
        found = (fault for pattern, fault in CODES if pattern.search(code))
        fault = next(found, Fault.SERVER_ERROR)
    stage = "output" if "generated" in text or reply is None else "input"
    return refused(fault, reply, said, stage=stage, parameter=_ours(nested, said, ask))


def moderated() -> UpstreamError:
    """The refusal of what was made, which a 200 tells by leaving it out. It is billed."""
    return refused(Fault.CONTENT_POLICY, None, stage="output")


def _ours(error: Mapping[str, object], said: Body[str] | None, ask: Ask | None) -> str:
    """Our name of the parameter that is blamed: by `param`, else the first that the words name."""
    if ask is None:
        return ""
    known = {*ask.parameters, "prompt", "output_count"}
    names = [word(error, "param"), *_NAME.findall(said.reveal().lower() if said else "")]
    return next((PARAMETERS[name] for name in names if PARAMETERS.get(name) in known), "")
