"""The simulated channels that test keys use, whatever the gateway serves otherwise.

They are in no catalogue: no live key, no operator's list and no other process ever meets them.
Their names start with `sandbox-`, in headers and traces too.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from core.catalog.entries import Catalogue, Model
from core.engine.handouts import reachable
from core.errors import GatewayError, Reason
from core.model import Channel

PREFIX: Final = "sandbox-"

Peer = Callable[[], Awaitable[Catalogue]]
"""What is simulated, as a catalogue; starts the simulator where it does not run. Raises
SandboxDown."""


class SandboxDown(Exception):
    """The simulator did not start."""


class Sandbox:
    """Opens at the first use of a test key. Without a *peer* there is none."""

    def __init__(self, public_url: str = "", peer: Peer | None = None) -> None:
        self._public_url = public_url
        self._peer = peer
        self._known: Catalogue | None = None
        self._routes: Mapping[str, tuple[Channel, ...]] = {}

    async def open(self) -> None:
        """Have the channels ready; raises NO_CHANNEL."""
        if self._peer is None:
            raise GatewayError(
                Reason.NO_CHANNEL,
                "Test keys are not served here: the operator has set REAPI_SANDBOX to off.",
            )
        try:
            known = await self._peer()
        except SandboxDown:
            raise GatewayError(
                Reason.NO_CHANNEL, "The simulator, which serves test keys, does not start."
            ) from None
        if known is not self._known:
            routes = reachable(known, self._public_url).routes
            self._routes = {
                id_: tuple([_named(channel) for channel in channels])
                for id_, channels in routes.items()
            }
            self._known = known

    def channels_of(self, model: Model) -> tuple[Channel, ...]:
        """Those of *model*, in order of priority; raises NO_CHANNEL where nobody simulates it."""
        channels = self._routes.get(model.id, ())
        if not channels:
            raise GatewayError(
                Reason.NO_CHANNEL, "Nobody simulates this model: use a live key for it."
            )
        return channels


def _named(channel: Channel) -> Channel:
    return replace(channel, name=f"{PREFIX}{channel.name}")
