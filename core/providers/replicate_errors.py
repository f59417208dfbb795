"""The errors of Replicate: of a call, and of a prediction, which is a sentence. Pure.

Source: Replicate's HTTP reference; providers.md 8.2. A call's are `{"title", "detail", "status"}`,
with `invalid_fields` where inputs are refused.
"""

from collections.abc import Mapping

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask
from core.providers.reading import message, word
from core.providers.refusals import refused
from core.providers.wire import Reply

# fmt: off
SENTENCES: tuple[tuple[str, Fault], ...] = (
    ("(e005)",               Fault.CONTENT_POLICY),
    ("flagged as sensitive", Fault.CONTENT_POLICY),
    ("nsfw",                 Fault.CONTENT_POLICY),
    ("content policy",       Fault.CONTENT_POLICY),
    ("safety filter",        Fault.CONTENT_POLICY),
    ("(e006)",               Fault.BAD_REQUEST),
    ("(e003)",               Fault.OVERLOADED),
    ("high demand",          Fault.OVERLOADED),
)
"""What a failed prediction says, in lower case; anything else is a failure of theirs."""
# fmt: on

_FIELD = "input."


def refusal(reply: Reply, document: Mapping[str, object], ask: Ask | None = None) -> UpstreamError:
    """The failure of a call, by its HTTP status.

    What they say of a missing credit asks the account's owner to pay: nobody else is shown it.
    """
    said = message(document, "detail")
    fault = None if reply.status != 402 else Fault.QUOTA
    return refused(fault, reply, None if fault else said, parameter=_ours(document, ask))


def failure(prediction: Mapping[str, object]) -> UpstreamError:
    """Why a prediction failed."""
    said = message(prediction, "error")
    return refused(_meaning(said), None, said)


def _meaning(said: Body[str] | None) -> Fault:
    words = said.reveal().lower() if said is not None else ""
    return next((fault for sign, fault in SENTENCES if sign in words), Fault.SERVER_ERROR)


def _ours(document: Mapping[str, object], ask: Ask | None) -> str:
    """Our name of the input that is refused, where it is the same; empty elsewhere."""
    fields = document.get("invalid_fields")
    first = fields[0] if isinstance(fields, list) and fields else None
    name = word(first, "field").removeprefix(_FIELD) if isinstance(first, dict) else ""
    return name if ask is not None and name in {*ask.parameters, "prompt"} else ""
