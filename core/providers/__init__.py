"""One file per wire protocol, one driver for all.

A dialect is pure: it turns an ask into a `Call` and an answer into pieces, and never
touches a socket, a clock or a setting. `driver.Driver` does all HTTP. Providers whose calls
leave a job behind (submit, then poll) speak `jobs.JobDialect`, and their channels are
`reconcile_first`. CONTRIBUTING.md tells how to add one.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from core.model import Ask, Channel, Piece
from core.providers.ark_images import ArkImages
from core.providers.ark_videos import ArkVideos
from core.providers.azure_images import AzureImages
from core.providers.azure_speech import AzureSpeech
from core.providers.dashscope import DashScope
from core.providers.elevenlabs_speech import ElevenLabsSpeech
from core.providers.fal import Fal
from core.providers.gemini_images import GeminiImages
from core.providers.jobs import JobDialect
from core.providers.kie import Kie
from core.providers.kie_veo import KieVeo
from core.providers.openai_images import OpenAIImages
from core.providers.openai_speech import OpenAISpeech
from core.providers.openrouter_images import OpenRouterImages
from core.providers.openrouter_videos import OpenRouterVideos
from core.providers.recraft import Recraft
from core.providers.replicate import Replicate
from core.providers.topaz import Topaz
from core.providers.veo import VeoGemini, VeoVertex
from core.providers.vidu import Vidu
from core.providers.wavespeed import WaveSpeed
from core.providers.wire import Call, EventReader, Reply
from core.providers.xai_images import XaiImages
from core.providers.xai_videos import XaiVideos


class Dialect(Protocol):
    """How one wire protocol says what we say. Errors are UpstreamError, and nothing else."""

    def encode(self, ask: Ask, channel: Channel) -> Call:
        """The request, with the authorization of the channel's credential in its headers."""

    def read(self, reply: Reply, ask: Ask) -> Sequence[Piece]:
        """The finals and the report in a complete answer of any HTTP status."""

    def reader(self, ask: Ask) -> EventReader:
        """What reads the events of one streamed answer; called where `Call.streams` is set."""


DIALECTS: Mapping[str, Dialect] = {
    "ark_images": ArkImages(),
    "azure_images": AzureImages(),
    "azure_speech": AzureSpeech(),
    "elevenlabs_speech": ElevenLabsSpeech(),
    "gemini_images": GeminiImages(),
    "openai_images": OpenAIImages(),
    "openai_speech": OpenAISpeech(),
    "xai_images": XaiImages(),
    "openrouter_images": OpenRouterImages(),
    "recraft": Recraft(),
}
"""By the name that a channel gives in the catalogue."""

JOB_DIALECTS: Mapping[str, JobDialect] = {
    "ark_videos": ArkVideos(),
    "dashscope": DashScope(),
    "fal": Fal(),
    "replicate": Replicate(),
    "vidu": Vidu(),
    "topaz": Topaz(),
    "veo_gemini": VeoGemini(),
    "veo_vertex": VeoVertex(),
    "xai_videos": XaiVideos(),
    "kie": Kie(),
    "kie_veo": KieVeo(),
    "openrouter_videos": OpenRouterVideos(),
    "wavespeed": WaveSpeed(),
}
"""Likewise; a name is in one of the two."""
