"""OpenAI's speech API, `/audio/speech`.

Source: OpenAI's API reference, Audio (providers.md 1.8). The answer is the sound itself, in chunks
as it is made. There is no idempotency key.
"""

from collections.abc import Mapping, Sequence

import orjson

from core.body import Body
from core.errors import UpstreamError
from core.model import Ask, Channel, Piece
from core.providers.openai_errors import refusal
from core.providers.reading import section
from core.providers.sounds import MEDIA_TYPES, SoundDialect
from core.providers.wire import Call, Reply, invalid


class OpenAISpeech(SoundDialect):
    """The dialect. One sound a call."""

    def encode(self, ask: Ask, channel: Channel) -> Call:
        parameters = dict(ask.parameters)
        output_format = str(parameters.pop("output_format"))
        fields: dict[str, object] = {
            "model": channel.upstream_model,
            "input": ask.prompt.reveal(),
            **parameters,
            "response_format": output_format,
            **{name: text.reveal() for name, text in ask.texts.items()},
        }
        return Call(
            "POST",
            self.path(channel),
            self.authorization(channel),
            Body(orjson.dumps(fields)),
            sound=MEDIA_TYPES[output_format],
        )

    def read(self, reply: Reply, ask: Ask) -> Sequence[Piece]:
        document = reply.document() or {}
        if document.get("error") or not 200 <= reply.status < 300:
            raise self.refused(document, ask, reply)
        raise invalid()

    # What others who speak it do in their own way.

    def authorization(self, channel: Channel) -> dict[str, str]:
        """The headers that carry the credential."""
        return {"authorization": f"Bearer {channel.credential.reveal()}"}

    def path(self, channel: Channel) -> str:
        """Where the channel is asked."""
        del channel
        return "/audio/speech"

    def refused(self, document: Mapping[str, object], ask: Ask, reply: Reply) -> UpstreamError:
        """The failure that a body tells of."""
        return refusal(section(document, "error"), ask, reply)
