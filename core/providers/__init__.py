"""One file per wire protocol, one driver for all.

A dialect is pure: it turns an ask into a `Call` and an answer into pieces, and never
touches a socket, a clock or a setting. `driver.Driver` does all HTTP. To add a provider:
write `core/providers/<name>.py` (one that nearly speaks OpenAI subclasses and overrides what
differs), add its row to `DIALECTS`, its channels and prices to the catalogue, and its tapes
to the contract test.

Providers whose calls leave a job behind (submit, then poll) get a second protocol beside
this one, `JobDialect`, of the same shape and with the same `Call` and `Reply`:

    submit(ask, channel, mark) -> Call        mark: random, to be found again by `list`
    submitted(reply) -> str                   the provider's id of the job
    poll(job, channel) -> Call
    read(reply, ask) -> Running | Sequence[Piece | Media]
    list(channel, since) -> Call              only where the provider has one
    listed(reply) -> Mapping[str, str]        marks, and the ids of their jobs
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from core.model import Ask, Channel, Piece
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
    "openai_images": OpenAIImages(),
}
"""By the name that a channel gives in the catalogue."""
