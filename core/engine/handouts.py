"""Hands inputs out at URLs, to providers that take links only (semantics.md 19).

From this process's memory, and for as long as the generation runs: nothing is written
anywhere. What is handed out are the bytes that were probed and priced, also where the
caller gave a URL of their own: that one might show the provider something else.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from uuid import UUID

from core.body import Body
from core.catalog.entries import Catalogue
from core.engine.callbacks import Callbacks, is_local
from core.engine.jobs import Pursuit
from core.media import EXTENSIONS
from core.model import Ask, Channel, Input, Role
from core.values import dataclass

PREFIX = "inputs/"
_TOKEN_BYTES = 16
_INLINE = "inline:"


@dataclass(frozen=True, slots=True)
class Handout:
    """One file that can be had by its URL."""

    data: Body[bytes]
    media_type: str


class Handouts:
    """The files of running generations, and `jobs.Doors` for their jobs.

    *epoch* tells under which lease this process runs.
    """

    def __init__(self, callbacks: Callbacks, public_url: str, epoch: Callable[[], int]) -> None:
        self._callbacks = callbacks
        self._public_url = public_url
        self._epoch = epoch
        self._files: dict[str, Handout] = {}
        self._paths: dict[UUID, list[str]] = {}

    def callback_url(self, pursuit: Pursuit) -> str:
        """Where the provider posts that something happened to the job."""
        return self._callbacks.url(pursuit)

    def offer(self, id_: UUID, ask: Ask, channel: Channel) -> Ask:
        """The *ask* as *channel* can use it: inputs that it takes by link have one of ours."""
        if not channel.links or not any(item.role in channel.links for item in ask.inputs):
            return ask
        inputs = tuple(
            self._offered(id_, item) if item.role in channel.links else item for item in ask.inputs
        )
        return replace(ask, inputs=inputs)

    def withdraw(self, id_: UUID) -> None:
        """Nothing of a generation can be had any more."""
        for path in self._paths.pop(id_, ()):
            del self._files[path]

    def find(self, path: str) -> Handout | None:
        """The file at the path of a URL, without its first slash and `media/`."""
        return self._files.get(path)

    def _offered(self, id_: UUID, item: Input) -> Input:
        token = f"{self._epoch():x}.{secrets.token_hex(_TOKEN_BYTES)}"
        path = f"{PREFIX}{token}/0.{EXTENSIONS[item.media_type]}"
        self._files[path] = Handout(item.data, item.media_type)
        self._paths.setdefault(id_, []).append(path)
        return replace(item, url=Body(f"{self._public_url}/media/{path}"))


def reachable(catalogue: Catalogue, public_url: str) -> Catalogue:
    """The *catalogue* as it can be served at *public_url*.

    A channel that takes files by link only is given ours where it can reach us; elsewhere
    `inline:role` stays in its `unsupported`, and only files that the caller has put somewhere
    are for it.
    """
    routes = {
        id_: tuple(_linked(channel, public_url) for channel in channels)
        for id_, channels in catalogue.routes.items()
    }
    channels = {name: _linked(channel, public_url) for name, channel in catalogue.channels.items()}
    return replace(catalogue, routes=MappingProxyType(routes), channels=MappingProxyType(channels))


def _linked(channel: Channel, public_url: str) -> Channel:
    inline = {name for name in channel.unsupported if name.startswith(_INLINE)}
    if not inline or (is_local(public_url) and not is_local(channel.base_url)):
        return channel
    roles = frozenset(Role(name.removeprefix(_INLINE)) for name in inline)
    return replace(channel, unsupported=channel.unsupported - inline, links=roles)
