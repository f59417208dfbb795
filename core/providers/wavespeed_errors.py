"""The errors of WaveSpeed: of a call, and of a prediction. Pure.

Source: WaveSpeed's documentation (providers.md 8.4). A call's are `{"code", "message"}`, of which
the code repeats the HTTP status or is one of its own; a prediction's are `error`, perhaps `code`.
"""

import re
from collections.abc import Mapping

from core.errors import Fault, UpstreamError
from core.model import Ask
from core.providers.faults import fault_of
from core.providers.reading import count, message
from core.providers.refusals import refused
from core.providers.wire import Reply

# fmt: off
FAULTS: Mapping[int, Fault] = {
    1200: Fault.CONTENT_POLICY,
    1400: Fault.BAD_REQUEST,      # a parameter is missing
    1401: Fault.BAD_REQUEST,
    1402: Fault.BAD_REQUEST,      # a file could not be fetched
    1403: Fault.SERVER_ERROR,
    1405: Fault.SERVER_ERROR,
    5000: Fault.SERVER_ERROR,
    5003: Fault.OVERLOADED,
    5004: Fault.SERVER_ERROR,
}
"""What a `code` of its own means."""
# fmt: on

_BALANCE = re.compile(r"balance|credit|top.?up|insufficient", re.IGNORECASE)
_MODERATION = re.compile(r"moderat|nsfw|sensitive|safety|content.policy|flagged", re.IGNORECASE)


def refusal(document: Mapping[str, object], reply: Reply, ask: Ask | None = None) -> UpstreamError:
    """The failure of a call. What they say of our balance is shown to nobody."""
    code, said = count(document, "code"), message(document, "message")
    fault = FAULTS.get(code)
    if fault is None and 300 <= code < 600 and 200 <= reply.status < 300:
        fault = fault_of(code)
    words = said.reveal() if said is not None else ""
    if fault_of(code or reply.status) is Fault.AUTH and _BALANCE.search(words):
        fault = Fault.QUOTA
    is_money = Fault.QUOTA in (fault, fault_of(reply.status))
    return refused(fault, reply, None if is_money else said, parameter=_ours(words, ask))


def failure(data: Mapping[str, object]) -> UpstreamError:
    """Why a prediction failed."""
    said = message(data, "error")
    fault = FAULTS.get(count(data, "code"))
    if fault is None:
        is_refused = said is not None and _MODERATION.search(said.reveal())
        fault = Fault.CONTENT_POLICY if is_refused else Fault.SERVER_ERROR
    return refused(fault, None, said)


def _ours(words: str, ask: Ask | None) -> str:
    """Our name of the parameter that a sentence begins with; empty if it is none of ours."""
    name = words.partition(" ")[0].strip("`'\":")
    return name if ask is not None and name in {*ask.parameters, "prompt"} else ""
