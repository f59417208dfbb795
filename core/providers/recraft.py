"""Recraft's images: `/images/generations`, shaped as OpenAI's.

Source: https://www.recraft.ai/docs/api-reference/endpoints and .../error-handling. Results are
links that live about a day. Errors are `{"code": "…", "message": "…"}`, or plain text, which is
not read: its status tells. Which words mean moderation or an empty account is inferred, and so is
that a call that is abandoned is still made and billed. There is no idempotency key.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import EMPTY_REPORT, Ask, Channel, Hosted, Piece
from core.providers.files import link
from core.providers.mapping import told
from core.providers.reading import message, word
from core.providers.refusals import refused
from core.providers.wire import Call, Reply, bearer, invalid

# fmt: off
WORDS: tuple[tuple[re.Pattern[str], Fault], ...] = (
    (re.compile(r"moderat|nsfw|content.policy|safety"),            Fault.CONTENT_POLICY),
    (re.compile(r"not.enough|insufficient"),                       Fault.QUOTA),
    (re.compile(r"(unknown|unsupported|invalid).model|model.not"), Fault.NOT_FOUND),
)
"""What code and message say of a 4xx that does not tell by itself: the first that is found."""
# fmt: on

BLAMING = frozenset({400, 402, 403, 422})

PARAMETERS: Mapping[str, str] = {
    "n": "output_count",
    "prompt": "prompt",
    "size": "size",
    "style": "style",
}
"""Their names of parameters in ours."""

_NAME = re.compile(r"[a-z_]{1,40}")


class Recraft:
    """The dialect. The channel's `fields` name what is asked for."""

    def encode(self, ask: Ask, channel: Channel) -> Call:
        fields = {**told(ask, channel), "model": channel.upstream_of(ask), "response_format": "url"}
        return Call("POST", "/images/generations", bearer(channel), Body(orjson.dumps(fields)))

    def read(self, reply: Reply, ask: Ask) -> Sequence[Piece]:
        document = reply.document() or {}
        if not 200 <= reply.status < 300:
            raise _refusal(document, reply, ask)
        data = document.get("data")
        items = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        made = [url for item in items if (url := link(item, "url"))][: ask.count]
        if not made:
            raise invalid()
        return [*(Hosted(index, url) for index, url in enumerate(made)), EMPTY_REPORT]

    def reader(self, ask: Ask) -> NoReturn:
        del ask
        raise AssertionError("no call of this dialect streams")


def _refusal(document: Mapping[str, object], reply: Reply, ask: Ask) -> UpstreamError:
    said = message(document, "message")
    text = f"{word(document, 'code')} {said.reveal() if said else ''}".lower()
    fault = None
    if reply.status in BLAMING:
        fault = next((fault for pattern, fault in WORDS if pattern.search(text)), None)
    known = {*ask.parameters, "prompt", "output_count"}
    blamed = (PARAMETERS.get(name, "") for name in _NAME.findall(text))
    parameter = next((name for name in blamed if name in known), "")
    return refused(fault, reply, said, stage="input", parameter=parameter)
