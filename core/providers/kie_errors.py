"""The errors of kie.ai: of a call, mostly in an HTTP 200, and of a task. Pure.

Source: kie.ai's documentation, and answers observed (providers.md 8.5): `{"code", "msg"}`.
"""

import re
from collections.abc import Mapping

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask
from core.providers.faults import fault_of
from core.providers.reading import count, message, word
from core.providers.refusals import refused
from core.providers.wire import Reply

# fmt: off
FAULTS: Mapping[int, Fault] = {
    455: Fault.OVERLOADED,     # maintenance
    500: Fault.SERVER_ERROR,
    501: Fault.SERVER_ERROR,   # the generation failed
    505: Fault.NOT_FOUND,      # the feature is disabled
}
"""What a `code` means where it is not what it means to HTTP."""
# fmt: on

BLOCKED = b"error code: 1010"
"""What the network in front of the API says of callers that it takes for robots."""

_VALIDATION = re.compile(r"must be|is required|not within the range|invalid", re.IGNORECASE)
_MODEL = re.compile(r"\bmodel\b", re.IGNORECASE)
_MODERATION = re.compile(r"flagged as|content polic|nsfw|sensitive|moderat", re.IGNORECASE)


def refusal(
    document: Mapping[str, object], reply: Reply, page: bytes, ask: Ask | None = None
) -> UpstreamError:
    """The failure of a call; *page* is how its body begins."""
    if page.startswith(BLOCKED):
        return refused(Fault.SERVER_ERROR, reply)  # no word on our key
    code, said = count(document, "code"), message(document, "msg")
    fault = _meaning(code, said)
    if fault is Fault.QUOTA:
        said = None  # it asks the account's owner to pay
    if fault is Fault.BAD_REQUEST and said and _MODEL.search(said.reveal()):
        fault = Fault.NOT_FOUND  # the channel chose that name, not the caller
    return refused(fault, reply, said, parameter=_ours(said, ask))


def failure(data: Mapping[str, object], code: str, said: str) -> UpstreamError:
    """Why a task failed; *code* and *said* are the names of the fields that tell it."""
    text, number = word(data, code), count(data, code)
    if text.isdecimal():
        number = int(text[:6])
    words = message(data, said)
    return refused(_meaning(number, words) or Fault.SERVER_ERROR, None, words)


def _meaning(code: int, said: Body[str] | None) -> Fault | None:
    """What a code means; None where there is none."""
    words = said.reveal() if said is not None else ""
    if _MODERATION.search(words):
        return Fault.CONTENT_POLICY
    if code == 500 and _VALIDATION.search(words):
        return Fault.BAD_REQUEST
    return FAULTS.get(code) or (fault_of(code) if 300 <= code < 600 else None)


def _ours(said: Body[str] | None, ask: Ask | None) -> str:
    """Our name of the parameter that a sentence begins with; empty if it is none of ours."""
    name = said.reveal().partition(" ")[0] if said is not None else ""
    return name if ask is not None and name in {*ask.parameters, "prompt"} else ""
