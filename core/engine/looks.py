"""Small questions to providers, about jobs: in turn, and never waited for long."""

from dataclasses import replace
from typing import Final, Protocol

from core.engine.turns import LOOKS_AT_ONCE, Turns
from core.model import Channel
from core.providers.wire import Call, Clear, Reply, at_any_time

FIRST_BYTE_SECONDS: Final = 15.0
"""What a provider may take to say what it knows, whatever it may take to make something: one that
stopped answering holds as few connections for as short as that. Our choice."""


class Calls(Protocol):
    """The driver, as far as jobs need it."""

    async def call(
        self,
        call: Call,
        channel: Channel,
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> Reply:
        """The whole answer; raises UpstreamError, and what *clear* raises."""
        ...


class Looks:
    """Asks the driver."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._turns = Turns(LOOKS_AT_ONCE)
        self._brisk: dict[str, tuple[Channel, Channel]] = {}

    async def ask(self, call: Call, channel: Channel) -> Reply:
        """The answer; raises UpstreamError, TIMEOUT also where too many wait for theirs."""
        async with self._turns.turn(channel.name):
            return await self._calls.call(call, self._of(channel))

    def _of(self, channel: Channel) -> Channel:
        """The channel, with the deadline of a look."""
        limits = channel.deadlines
        if limits.first_byte <= FIRST_BYTE_SECONDS:
            return channel
        known = self._brisk.get(channel.name)
        if known is None or known[0] is not channel:
            brisk = replace(channel, deadlines=replace(limits, first_byte=FIRST_BYTE_SECONDS))
            known = self._brisk[channel.name] = channel, brisk
        return known[1]
