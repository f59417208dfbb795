"""Opens URLs that others chose, without letting them lead inside.

A host is resolved once for each request; every address must be allowed, and one of these very
addresses is connected to, so that a second answer of a name server changes nothing. TLS is
still verified against the name. Redirects are followed here, hop by hop, each like a new URL.
"""

import asyncio
import math
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from ipaddress import ip_address
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.typedefs import LooseHeaders
from yarl import URL

from core.fetch.addresses import NotAllowedError, Rules, origin
from core.resolving import SystemResolver

# A small answer that unpacks to gigabytes would pass the cap: nothing is ever unpacked.
_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "reapi"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AddressInfo = tuple[
    int | socket.AddressFamily,
    int | socket.SocketKind,
    int,
    str,
    tuple[object, ...],
]


class Problem(StrEnum):
    """Why a URL could not be fetched."""

    REFUSED = "refused"
    """It may not be asked, or leads where nobody may go."""
    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"
    """No valid TLS for the name."""
    TIMEOUT = "timeout"
    REDIRECTS = "redirects"
    STATUS = "status"
    """An answer other than 200."""
    ENCODED = "encoded"
    """Compressed, though it was asked for as it is."""
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    """No HTTP."""
    CUT = "cut"
    """The connection broke before the end."""


class FetchError(Exception):
    """A URL could not be fetched. Never says which."""

    def __init__(self, problem: Problem, status: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status


@dataclass(frozen=True, slots=True)
class Limits:
    """What one fetch may cost. Times are in seconds."""

    maximum_bytes: int
    connect: float = 5.0
    """Name, TCP and TLS, of each hop."""
    first_byte: float = 10.0
    """Until the headers, of each hop."""
    idle: float = 10.0
    total: float = 60.0
    """Of everything, redirects and body too."""
    redirects: int = 5


class Guard:
    """Opens URLs. Leaving it frees the resolver.

    *resolver* is what names are looked up with (the system's, of which whoever gives names has a
    share); its answers are checked all the same. *tls* are the certificates to trust (the
    system's).
    """

    def __init__(
        self, resolver: AbstractResolver | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._resolver = resolver
        self._system = SystemResolver()
        self._tls = tls

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._resolver is not None:
            await self._resolver.close()

    @asynccontextmanager
    async def open(
        self,
        url: str,
        rules: Rules,
        limits: Limits,
        headers: Mapping[str, str] | None = None,
        owner: object = None,
    ) -> AsyncIterator["Answer"]:
        """Get *url*; raises FetchError, here or while the answer is read.

        *headers* go to the origin of `rules.base` only, and never again once a redirect has
        led elsewhere. *owner* gave the URL. Leaving it closes the connection at once.
        """
        ends_at = asyncio.get_running_loop().time() + limits.total
        own = dict(headers or {})
        target = allowed(partial(rules.target, url))
        for _ in range(limits.redirects + 1):
            if origin(target) != rules.base:
                own = {}
            async with self._session(rules, target, own, owner) as (session, gate):
                answer = await _ask(session, gate, target, limits, ends_at)
                try:
                    location = answer.location()
                    if location is None:
                        answer.check()
                        yield answer
                        return
                finally:
                    answer.close()
            target = allowed(partial(rules.follow, target, location))
        raise FetchError(Problem.REDIRECTS)

    @asynccontextmanager
    async def _session(
        self, rules: Rules, target: URL, headers: Mapping[str, str], owner: object = None
    ) -> AsyncIterator[tuple[aiohttp.ClientSession, "_Gate"]]:
        """A session for one request: what was allowed to one URL is never lent to another."""
        gate = _Gate(self._resolver or self._system.of(owner), rules, target)
        sent: LooseHeaders = {**_HEADERS, **headers}
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=gate,
                use_dns_cache=False,
                socket_factory=gate.socket,
                force_close=True,
                ssl=self._tls or True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=sent,
            auto_decompress=False,
        )
        try:
            yield session, gate
        finally:
            await session.close()


class Answer:
    """A complete answer on its way in: status 200, not encoded, not declared too large."""

    def __init__(
        self, response: aiohttp.ClientResponse, gate: "_Gate", limits: Limits, ends_at: float
    ) -> None:
        self._response = response
        self._gate = gate
        self._limits = limits
        self._ends_at = ends_at
        self._lost: asyncio.Future[None] | None = None
        connection = response.connection
        if connection is None or connection.protocol is None:
            return
        # aiohttp 3.14 tells nobody who reads a body that its chunks went wrong, and that it
        # closed the connection for it; so that is listened for here.
        self._lost = connection.protocol.closed
        if self._lost is None:
            self._cut()
        else:
            self._lost.add_done_callback(self._cut)

    @property
    def size(self) -> int | None:
        """How many bytes the server announced."""
        return self._response.content_length

    def location(self) -> str | None:
        """Where a redirect leads; None if it is none."""
        if self._response.status not in _REDIRECTS:
            return None
        return self._response.headers.get("location")

    def check(self) -> None:
        """Raise FetchError unless its body is what was asked for."""
        if self._response.status != 200:
            raise FetchError(Problem.STATUS, self._response.status)
        encodings = ",".join(self._response.headers.getall("content-encoding", []))
        if encodings.strip().lower() not in {"", "identity"}:
            raise FetchError(Problem.ENCODED)
        if (self.size or 0) > self._limits.maximum_bytes:
            raise FetchError(Problem.TOO_LARGE)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, in pieces of a few hundred KiB at most; raises FetchError."""
        received = 0
        while data := await self._read():
            received += len(data)
            if received > self._limits.maximum_bytes:
                raise FetchError(Problem.TOO_LARGE)
            yield data

    async def _read(self) -> bytes:
        by = asyncio.get_running_loop().time() + self._limits.idle
        limit = asyncio.timeout_at(min(by, self._ends_at))
        try:
            async with limit:
                return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            problem = problem_of(error, self._gate)
        raise FetchError(problem)

    def close(self) -> None:
        """Close the connection, whatever still comes."""
        if self._lost is not None:
            self._lost.remove_done_callback(self._cut)
        self._response.close()

    def _cut(self, lost: "asyncio.Future[None] | None" = None) -> None:
        """Wake whoever reads a body of which nothing more will come."""
        if lost is not None and not lost.cancelled():
            lost.exception()  # heard: no event loop reports it
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError())


class _Gate(AbstractResolver):
    """Lets one request resolve and connect, as far as the rules allow."""

    def __init__(self, inner: AbstractResolver, rules: Rules, target: URL) -> None:
        self._inner = inner
        self._rules = rules
        self._host, self._port = target.raw_host or "", target.port or 0
        self.refused = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of *host*, if all of them are allowed."""
        found = await self._inner.resolve(host, port, family)
        for each in found:
            self._check(each["host"])
        if not found:
            raise OSError
        return found

    def socket(self, info: _AddressInfo) -> socket.socket:
        """A socket for one address: the last look before the connection, also at literals."""
        family, kind, protocol, _, address = info
        self._check(str(address[0]))
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """The inner resolver is not ours to close."""

    def _check(self, text: str) -> None:
        try:
            allowed = self._rules.admits(self._host, self._port, ip_address(text))
        except ValueError:
            allowed = False
        if not allowed:
            self.refused = True
            raise OSError


async def _ask(
    session: aiohttp.ClientSession, gate: _Gate, target: URL, limits: Limits, ends_at: float
) -> Answer:
    """Connect, send, and wait for the headers."""
    by = asyncio.get_running_loop().time() + limits.connect + limits.first_byte
    connect = aiohttp.ClientTimeout(connect=limits.connect, ceil_threshold=math.inf)
    try:
        async with asyncio.timeout_at(min(by, ends_at)):
            response = await session.get(target, allow_redirects=False, timeout=connect)
        return Answer(response, gate, limits, ends_at)
    except (aiohttp.ClientError, OSError, UnicodeError) as error:
        problem = problem_of(error, gate)
    # Outside, so that no exception of aiohttp, which names the URL, hangs on ours.
    raise FetchError(problem)


def problem_of(error: Exception, gate: _Gate) -> Problem:
    """What an exception of aiohttp, or a deadline, means."""
    if gate.refused:
        return Problem.REFUSED
    if isinstance(error, TimeoutError):
        return Problem.TIMEOUT
    if isinstance(error, aiohttp.ClientSSLError):
        return Problem.UNTRUSTED
    if isinstance(error, aiohttp.ClientConnectorDNSError | UnicodeError):
        return Problem.UNRESOLVED
    if isinstance(error, aiohttp.ClientConnectorError):
        return Problem.UNREACHABLE
    if isinstance(error, aiohttp.ClientResponseError):
        return Problem.MALFORMED
    return Problem.CUT


def allowed(judge: Callable[[], URL]) -> URL:
    try:
        return judge()
    except NotAllowedError:
        pass
    raise FetchError(Problem.REFUSED)
