"""Results that providers keep for a while (semantics.md 20): copied from where they say."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from aiohttp.abc import AbstractResolver

from core.errors import Fault, Phase, UpstreamError
from core.fetch.addresses import rules_for
from core.fetch.guard import Answer, FetchError, Guard, Limits, Problem
from core.model import Channel, Hosted
from core.resolving import Names

_FIRST_BYTE_SECONDS: Final = 30.0
"""A file that is there needs no longer, whatever the channel's calls may take."""

_FAULTS: dict[Problem, Fault] = {
    Problem.REFUSED: Fault.INVALID_RESPONSE,
    Problem.UNRESOLVED: Fault.UNREACHABLE,
    Problem.UNREACHABLE: Fault.UNREACHABLE,
    Problem.UNTRUSTED: Fault.UNREACHABLE,
    Problem.TIMEOUT: Fault.TIMEOUT,
    Problem.REDIRECTS: Fault.INVALID_RESPONSE,
    Problem.ENCODED: Fault.INVALID_RESPONSE,
    Problem.TOO_LARGE: Fault.INVALID_RESPONSE,
    Problem.MALFORMED: Fault.INVALID_RESPONSE,
    Problem.CUT: Fault.LOST,
}
_STATUSES: dict[int, Fault] = {
    401: Fault.AUTH,
    403: Fault.NOT_FOUND,  # what object stores say of links that ran out, and of what is gone
    404: Fault.NOT_FOUND,
    408: Fault.TIMEOUT,
    410: Fault.NOT_FOUND,
    429: Fault.RATE_LIMITED,
}


@dataclass(frozen=True, slots=True)
class Download:
    """A file on its way in: the announced length, and its bytes."""

    size: int | None
    chunks: AsyncGenerator[bytes, None]


class ResultFetch:
    """Fetches hosted outputs. Open it with `async with`. *resolver* and *tls* are for tests."""

    def __init__(
        self, *, resolver: AbstractResolver | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._guard = Guard(resolver or Names(), tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._guard.__aexit__()

    @asynccontextmanager
    async def open(
        self, hosted: Hosted, channel: Channel, budget: float | None = None
    ) -> AsyncIterator[Download]:
        """Get a hosted output, within the channel's deadlines and *budget* seconds.

        Raises UpstreamError of phase BODY, here or from `chunks`: NOT_FOUND when it is no
        longer there. Leaving it closes the connection at once.
        """
        deadlines = channel.deadlines
        limits = Limits(
            channel.maximum_result_bytes,
            deadlines.connect,
            min(deadlines.first_byte, _FIRST_BYTE_SECONDS),
            deadlines.idle,
            deadlines.total if budget is None else min(deadlines.total, budget),
        )
        rules = rules_for(channel.base_url, channel.media_hosts)
        async with AsyncExitStack() as stack:
            try:
                answer = await stack.enter_async_context(
                    self._guard.open(hosted.url.reveal(), rules, limits, hosted.headers)
                )
            except FetchError as error:
                failed = _upstream_error(error)
            else:
                chunks = await stack.enter_async_context(aclosing(_chunks(answer)))
                yield Download(answer.size, chunks)
                return
        raise failed


async def _chunks(answer: Answer) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk
        return
    except FetchError as error:
        failed = _upstream_error(error)
    raise failed


def _upstream_error(error: FetchError) -> UpstreamError:
    status = error.status
    if not status:
        return UpstreamError(_FAULTS[error.problem], Phase.BODY)
    default = Fault.SERVER_ERROR if status >= 500 else Fault.INVALID_RESPONSE
    return UpstreamError(_STATUSES.get(status, default), Phase.BODY, status)
