"""The errors of OpenRouter: of a call, and of a job. Pure.

Source: OpenRouter's OpenAPI file and its page of errors (providers.md 8.6): `{"error": {"code",
"message", "metadata"}}`, of which the code is an HTTP status, also in a 200.
"""

import re
from collections.abc import Mapping

from core.errors import Fault, UpstreamError
from core.model import Ask
from core.providers.faults import fault_of
from core.providers.reading import count, message, section
from core.providers.refusals import refused
from core.providers.wire import Reply

_MODEL = re.compile(r"not a valid model|no (?:endpoints|providers?) ", re.IGNORECASE)
_MODERATION = re.compile(r"moderat|flagged|content.polic|safety|sensitive|nsfw", re.IGNORECASE)


def refusal(document: Mapping[str, object], reply: Reply, ask: Ask | None = None) -> UpstreamError:
    """The failure of a call."""
    error = section(document, "error")
    code, said = count(error, "code"), message(error, "message")
    words = said.reveal() if said is not None else ""
    fault = fault_of(code) if 300 <= code < 600 else None
    if section(error, "metadata").get("reasons") or (code == 403 and _MODERATION.search(words)):
        fault = Fault.CONTENT_POLICY
    elif fault is Fault.BAD_REQUEST and _MODEL.search(words):
        fault = Fault.NOT_FOUND  # the channel chose that name, not the caller
    elif fault is Fault.QUOTA:
        said = None  # it asks the account's owner to pay
    stage = "input" if fault is Fault.CONTENT_POLICY else ""
    return refused(fault, reply, said, stage=stage, parameter=_ours(words, ask))


def failure(job: Mapping[str, object]) -> UpstreamError:
    """Why a job failed: its `error` is a text, or an object as of a call."""
    error = section(job, "error")
    said = message(error, "message") or message(job, "error")
    code = count(error, "code")
    fault = fault_of(code) if 300 <= code < 600 else Fault.SERVER_ERROR
    if said is not None and _MODERATION.search(said.reveal()):
        fault = Fault.CONTENT_POLICY
    return refused(fault, None, said)


def _ours(words: str, ask: Ask | None) -> str:
    """Our name of the parameter that a sentence begins with; empty if it is none of ours."""
    name = words.partition(" ")[0].strip("`'\":")
    return name if ask is not None and name in {*ask.parameters, "prompt"} else ""
