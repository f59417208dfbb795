"""Connections for calls to addresses that providers name: uploads to their object stores.

The rules are those of results (semantics.md 20): the open internet, and of private addresses
the host of the channel's base URL and its media hosts. Nothing of the channel's credential
comes here: whoever borrows a session sends what belongs to that address only.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
from yarl import URL

from core.body import Body
from core.errors import Fault, Phase, UpstreamError
from core.fetch.addresses import NotAllowedError, rules_for
from core.fetch.guard import Guard
from core.model import Channel
from core.resolving import Names


class Lender(Guard):
    """Lends a session for one call. Open it with `async with`."""

    def __init__(self) -> None:
        super().__init__(Names())

    @asynccontextmanager
    async def lend(
        self, url: Body[str], channel: Channel
    ) -> AsyncIterator[tuple[aiohttp.ClientSession, URL]]:
        """A session that reaches *url* and nothing else, and the URL as it must be asked.

        Raises UpstreamError INVALID_RESPONSE where the provider named a place that may not be
        asked, also when that shows only in its addresses.
        """
        rules = rules_for(channel.base_url, channel.media_hosts)
        target = None
        with suppress(NotAllowedError):  # raised below, so that it does not hang on ours
            target = rules.target(url.reveal())
        if target is None:
            raise UpstreamError(Fault.INVALID_RESPONSE, Phase.CONNECT)
        async with self._session(rules, target, {}) as (session, gate):
            try:
                yield session, target
            except UpstreamError as error:
                if gate.refused:
                    error.fault = Fault.INVALID_RESPONSE
                raise
