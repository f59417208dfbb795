"""Files that callers name by URL (semantics.md 20): the open internet, and nothing else."""

import ssl
from collections.abc import Callable
from contextlib import aclosing
from typing import Final, Self

from aiohttp.abc import AbstractResolver

from core.body import Body
from core.errors import GatewayError, Reason
from core.fetch.addresses import Network, Rules
from core.fetch.guard import FetchError, Guard, Limits, Problem

MAXIMUM_BYTES: Final = 64 * 1024 * 1024
LIMITS: Final = Limits(MAXIMUM_BYTES)

_WORDS: dict[Problem, str] = {
    # One sentence for both: which names exist inside is nobody's business.
    Problem.REFUSED: "must be at a public http or https URL",
    Problem.UNRESOLVED: "must be at a public http or https URL",
    Problem.UNREACHABLE: "could not be fetched: its server cannot be reached",
    Problem.UNTRUSTED: "could not be fetched: its server has no valid TLS certificate",
    Problem.TIMEOUT: "could not be fetched: its server did not answer in time",
    Problem.REDIRECTS: "could not be fetched: there are too many redirects",
    Problem.ENCODED: "could not be fetched: its server compressed it without being asked",
    Problem.TOO_LARGE: "is too large",
    Problem.MALFORMED: "could not be fetched: its server does not speak HTTP",
    Problem.CUT: "could not be fetched: the connection broke before its end",
}


class CallerFetch:
    """Fetches whole files into memory. Open it with `async with`.

    *resolver*, *tls* and *networks* (allowed besides public addresses) are for tests; nothing
    in the configuration reaches them.
    """

    def __init__(
        self,
        limits: Limits = LIMITS,
        *,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        networks: tuple[Network, ...] = (),
    ) -> None:
        self._guard = Guard(resolver, tls)
        self._rules = Rules(networks=networks)
        self._limits = limits

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._guard.__aexit__()

    async def fetch(
        self, url: Body[str], parameter: str, took: Callable[[int], None], owner: object = None
    ) -> Body[bytes]:
        """The file at *url*.

        *took* is told of bytes before they are kept, and may raise. *owner* gave the URL, and has a
        share of what looks names up. Raises GatewayError INVALID_INPUT, which names *parameter* and
        never the URL or its host.
        """
        data = bytearray()
        try:
            async with (
                self._guard.open(url.reveal(), self._rules, self._limits, owner=owner) as answer,
                aclosing(answer.chunks()) as chunks,
            ):
                async for chunk in chunks:
                    took(len(chunk))
                    data += chunk
            return Body(bytes(data))
        except FetchError as failed:
            words = _status_words(failed.status) if failed.status else _WORDS[failed.problem]
        raise GatewayError(Reason.INVALID_INPUT, f"`{parameter}` {words}.", parameter=parameter)


def _status_words(status: int) -> str:
    if status in {404, 410}:
        return "could not be fetched: there is nothing at its URL"
    if status in {401, 403}:
        return "could not be fetched: its server does not allow it"
    if status >= 500:
        return f"could not be fetched: its server failed with HTTP status {status}"
    return f"could not be fetched: its server answered with HTTP status {status}"
