"""ElevenLabs' text to speech.

Source: ElevenLabs' API reference and SDK, text-to-speech (providers.md 9.2). The answer is the
sound itself, in chunks as it is made; only the path that does not say `stream` gives WAV. What
was begun is billed, by the character.

Options of a channel: `voice.<ours>` is the id of the voice that speaks for one of ours.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import orjson

from core.body import Body
from core.model import Ask, Channel, Piece
from core.providers.elevenlabs_errors import refusal
from core.providers.sounds import MEDIA_TYPES, SoundDialect
from core.providers.wire import Call, Reply, invalid

# fmt: off
FORMATS: Mapping[str, str] = {
    "mp3":  "mp3_44100_128",
    "opus": "opus_48000_64",
    "wav":  "wav_24000",
    "pcm":  "pcm_24000",
}
"""Their word for an `output_format`; channels list the others as `unsupported`."""
# fmt: on


class ElevenLabsSpeech(SoundDialect):
    """The dialect. One sound a call."""

    def encode(self, ask: Ask, channel: Channel) -> Call:
        output_format = str(ask.parameters["output_format"])
        voice = channel.options[f"voice.{ask.parameters['voice']}"]
        fields: dict[str, object] = {
            "text": ask.prompt.reveal(),
            "model_id": channel.upstream_model,
        }
        if "speed" in ask.parameters:
            fields["voice_settings"] = {"speed": ask.parameters["speed"]}
        stream = "" if output_format == "wav" else "/stream"
        return Call(
            "POST",
            f"/text-to-speech/{quote(voice, safe='')}{stream}"
            f"?output_format={FORMATS[output_format]}",
            {"xi-api-key": channel.credential.reveal()},
            Body(orjson.dumps(fields)),
            sound=MEDIA_TYPES[output_format],
        )

    def read(self, reply: Reply, ask: Ask) -> Sequence[Piece]:
        document = reply.document() or {}
        if document.get("detail") or not 200 <= reply.status < 300:
            raise refusal(document, reply, ask)
        raise invalid()
