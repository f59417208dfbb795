"""One file per wire protocol, one driver for all.

A dialect is pure: it turns an ask into a `Call` and an answer into pieces, and never
touches a socket, a clock or a setting. `driver.Driver` does all HTTP. To add a provider:
write `core/providers/<name>.py` (one that nearly speaks OpenAI subclasses and overrides what
differs), add its row to `DIALECTS`, its channels and prices to the catalogue, and its tapes
to the contract test.

Providers whose calls leave a job behind (submit, then poll) speak `jobs.JobDialect`; a row in
`JOB_DIALECTS` then, and a channel whose `resubmit` is `reconcile_first`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from core.model import Ask, Channel, Piece
from core.providers.ark_images import ArkImages
from core.providers.ark_videos import ArkVideos
from core.providers.gemini_images import GeminiImages
from core.providers.jobs import JobDialect
from core.providers.openai_images import OpenAIImages
from core.providers.wire import Call, EventReader, Reply


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
    "gemini_images": GeminiImages(),
    "openai_images": OpenAIImages(),
}
"""By the name that a channel gives in the catalogue."""

JOB_DIALECTS: Mapping[str, JobDialect] = {
    "ark_videos": ArkVideos(),
}
"""Likewise; a name is in one of the two."""
