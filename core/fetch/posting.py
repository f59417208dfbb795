"""Messages to URLs that customers chose: posted under the same guard as fetches, and forgotten.

A receiver must be at https. What it answers is a status; redirects are not followed, and its
body is read only as far as good manners ask for.
"""

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import Final

import aiohttp

from core.body import Secret
from core.fetch.addresses import Network, NotAllowedError, Rules
from core.fetch.guard import FetchError, Guard, Limits, Problem, allowed, problem_of

LONGEST_URL: Final = 2048
LIMITS: Final = Limits(1024, connect=5.0, first_byte=15.0, idle=1.0, total=15.0)
"""`maximum_bytes` is what is read of a body, within `idle`: a receiver that is still writing
when the connection closes may take that for our failure."""


def receiver(text: str, networks: tuple[Network, ...] = ()) -> str:
    """The host of *text*, if it is a URL that may be told; raises NotAllowedError.

    https; http only for addresses in *networks*. What its name resolves to is looked at when it
    is told, each time: today's answer says nothing about tomorrow's.
    """
    if len(text) > LONGEST_URL:
        raise NotAllowedError
    url = Rules(networks=networks).target(text)
    host = url.raw_host or ""
    if url.scheme != "https" and not _is_in(host, networks):
        raise NotAllowedError
    return host


def _is_in(host: str, networks: tuple[Network, ...]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)


class Poster(Guard):
    """Posts messages. Open it with `async with`."""

    async def post(
        self,
        url: Secret[str],
        body: bytes,
        headers: Mapping[str, str],
        networks: tuple[Network, ...] = (),
        limits: Limits = LIMITS,
        owner: object = None,
    ) -> int:
        """The status of the answer, whatever it is; raises FetchError when there is none.

        *networks* are allowed besides public addresses. *owner* gave the URL, and has a share of
        what looks names up. The connection is closed afterwards.
        """
        ends_at = asyncio.get_running_loop().time() + limits.total
        rules = Rules(networks=networks)
        target = allowed(partial(rules.target, url.reveal()))
        connect = aiohttp.ClientTimeout(connect=limits.connect, ceil_threshold=math.inf)
        async with self._session(rules, target, headers, owner) as (session, gate):
            problem: Problem | None = None
            try:
                async with asyncio.timeout_at(ends_at):
                    response = await session.post(
                        target, data=body, allow_redirects=False, timeout=connect
                    )
            except (aiohttp.ClientError, OSError, UnicodeError) as error:
                problem = problem_of(error, gate)
            # Outside, so that no exception of aiohttp, which names the URL, hangs on ours.
            if problem is not None:
                raise FetchError(problem)
            with suppress(aiohttp.ClientError, OSError):
                async with asyncio.timeout(limits.idle):
                    await response.content.read(limits.maximum_bytes)
            response.close()
            return response.status
