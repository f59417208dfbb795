"""One HTTP request and its answer: a bounded body in, the contract's headers out."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from os import urandom
from time import monotonic

from rest_bridge.asgi import ClientGone, Message, Receive, Scope, Send, server_of
from rest_bridge.client_address import peer_of
from rest_bridge.errors import ApiError
from rest_bridge.headers import CORS, JSON, NO_STORE, OPENAI_VERSION, Header, Headers
from rest_bridge.settings import BridgeSettings

Metadata = tuple[tuple[str, str], ...]

_ONE_WRITE = 64 * 1024
"""Up to this size, pieces of an answer are copied together; larger ones are sent as they are."""
_LONGEST_KEY = 2_048
_LONGEST_AGENT = 400
"""Of a `User-Agent` that core is told; the browsers' own have 100 to 200 characters."""


class ByteBudget:
    """Bytes of bodies and inline outputs that this process holds at once."""

    __slots__ = ("_limit", "held")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    def take(self, count: int) -> None:
        """Hold *count* more bytes, or refuse: OVERLOADED."""
        if self.held + count > self._limit:
            raise ApiError("OVERLOADED", metadata={"resource": "bytes_in_flight"})
        self.held += count

    def force(self, count: int) -> None:
        """Hold *count* more bytes of what is already paid for."""
        self.held += count

    def release(self, count: int) -> None:
        """Hold *count* bytes less."""
        self.held -= count


@dataclass(slots=True)
class _Reading:
    """How far the body has come."""

    limit: int
    begin: float
    received: int = 0


class Exchange:
    """One HTTP request and its answer."""

    __slots__ = (
        "_body_started",
        "_budget",
        "_held",
        "_receive",
        "_send",
        "arguments",
        "connection",
        "credential",
        "direct",
        "endpoint",
        "headers",
        "method",
        "path",
        "request_id",
        "scope",
        "settings",
        "started",
        "started_at",
        "status",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        settings: BridgeSettings,
        budget: ByteBudget,
    ) -> None:
        self.scope = scope
        self.settings = settings
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.connection, self.direct = server_of(scope)
        self.request_id = "req_" + urandom(16).hex()
        self.credential = ""
        """What stands for the `authorization` header where a browser sent its cookie."""
        self.started_at = monotonic()
        self.started = False
        """Whether the answer's status line is out."""
        self.status = 0
        """What was answered; 0 while nothing was."""
        self.endpoint = ""
        """The route template."""
        self.arguments: dict[str, str] = {}
        """Pieces of the path by name."""
        self._receive = receive
        self._send = send
        self._budget = budget
        self._held = 0
        self._body_started = False

    # The request

    def metadata(self, *, starts: bool = False) -> Metadata:
        """The metadata of a call on behalf of this request: its credential and id.

        And if it *starts* a generation, how long that may take. Raises API_KEY_INVALID for
        what cannot be a credential at all.
        """
        found = [("x-request-id", self.request_id)]
        if (value := self.headers.get(b"authorization")) is not None:
            text = value.decode("latin-1").strip()
            if len(text) > _LONGEST_KEY or not text.isascii() or not text.isprintable():
                raise ApiError("API_KEY_INVALID")
            found.append(("authorization", text))
        elif self.credential:
            found.append(("authorization", self.credential))
        if starts and (timeout := self.timeout()):
            found.append(("x-reapi-timeout", timeout))
        self._tell_whence(found)
        return tuple(found)

    def _tell_whence(self, found: list[tuple[str, str]]) -> None:
        """Add where the caller is, and with what; and that a bridge tells it."""
        settings, agent = self.settings, self.headers.get(b"user-agent", b"")
        address = settings.proxies.client(peer_of(self.scope), self.scope["headers"])
        found.append(("x-reapi-client-ip", address))
        if agent and len(agent) <= _LONGEST_AGENT:
            text = agent.decode("latin-1")
            if text.isascii() and text.isprintable():
                found.append(("x-reapi-user-agent", text))
        if settings.token:
            found.append(("x-reapi-bridge", settings.token))

    @property
    def is_whole(self) -> bool:
        """Whether all of the request is here: then reading its body never waits."""
        return self.direct is not None and not self.direct.more_body

    def raw_path(self) -> str:
        """The path as it came, percent-encoded, without the query."""
        raw: bytes | None = self.scope.get("raw_path")
        return self.path if raw is None else raw.split(b"?", 1)[0].decode("latin-1")

    def retry_number(self) -> int:
        """How often an SDK has sent this request before."""
        text = self.headers.get(b"x-stainless-retry-count")
        if text is None:
            return 0
        return int(text) if text.isdigit() and len(text) < 5 else 0

    def idempotency_key(self) -> str:
        """The `Idempotency-Key`, or an empty text."""
        value = self.headers.get(b"idempotency-key")
        if value is None:
            return ""
        text = value.decode("latin-1").strip()
        if not 1 <= len(text) <= 255:
            raise ApiError(
                "INVALID_PARAMETER",
                "The header Idempotency-Key must have 1 to 255 characters.",
                parameter="Idempotency-Key",
            )
        return text

    def timeout(self) -> str:
        """The `x-reapi-timeout` as it came, which core judges; empty if there is none."""
        value = self.headers.get(b"x-reapi-timeout")
        if value is None:
            return ""
        text = value.decode("latin-1").strip()
        return text if text.isascii() and text.isprintable() and len(text) < 32 else "?"

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises REQUEST_TOO_LARGE above *limit* bytes, REQUEST_TIMEOUT."""
        whole = None if self.direct is None else self.direct.whole_body()
        if whole is not None:
            self._body_started = True
            if len(whole) > limit:
                raise _too_large(limit)
            self._hold(len(whole))
            return whole
        reading = self._begin_body(limit)
        pieces = []
        more = True
        while more:
            chunk, more = await self._chunk(reading)
            pieces.append(chunk)
        return b"".join(pieces)

    async def chunks(self, limit: int) -> AsyncGenerator[bytes, None]:
        """The body as it arrives; the errors of `body`. Nothing is read before the first step."""
        reading = self._begin_body(limit)
        more = True
        while more:
            chunk, more = await self._chunk(reading)
            yield chunk

    def _begin_body(self, limit: int) -> _Reading:
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        self._body_started = True
        return _Reading(limit, monotonic())

    async def _chunk(self, reading: _Reading) -> tuple[bytes, bool]:
        """The next piece, counted and held, and whether there are more."""
        message = await (self._receive() if self.is_whole else self._awaited(reading))
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        reading.received += len(chunk)
        if reading.received > reading.limit:
            raise _too_large(reading.limit)
        self._hold(len(chunk))
        return chunk, message.get("more_body", False)

    def _hold(self, count: int) -> None:
        self._budget.take(count)
        self._held += count

    async def _awaited(self, reading: _Reading) -> Message:
        """What comes next of a body that is still on its way."""
        settings = self.settings
        paced = settings.body_grace_seconds + reading.received / settings.body_bytes_per_second
        # However steadily it drips, a body has no longer than its answer may take.
        left = min(paced, settings.sync_seconds) - (monotonic() - reading.begin)
        try:
            async with asyncio.timeout(min(settings.body_idle_seconds, left)):
                return await self._receive()
        except TimeoutError:
            raise ApiError("REQUEST_TIMEOUT") from None

    def hold(self, count: int) -> None:
        """Count *count* bytes of outputs into the budget until the exchange ends."""
        self._budget.force(count)
        self._held += count

    def release(self) -> None:
        """The exchange is over: what it held is free."""
        self._budget.release(self._held)
        self._held = 0

    # The answer

    async def answer(
        self, status: int, headers: Headers, parts: Sequence[bytes] = (), length: int | None = None
    ) -> None:
        """Send a whole answer; *parts* one after the other are its body.

        *length* is the Content-Length where the body itself is not sent (HEAD).
        """
        size = sum(map(len, parts))
        declared = [*headers, (b"content-length", b"%d" % (size if length is None else length))]
        if self.direct is not None and size <= _ONE_WRITE:
            await self.direct.answer(status, self._headed(status, declared), parts)
            return
        await self.start(status, declared)
        await self.write_all(parts, more=False)

    async def write_all(self, parts: Sequence[bytes], *, more: bool = True) -> None:
        """Send pieces of the body in few writes, without copying large ones together."""
        if sum(map(len, parts)) <= _ONE_WRITE:
            await self.write(b"".join(parts), more=more)
            return
        pieces = _coalesced(parts)
        for index, piece in enumerate(pieces, 1):
            await self.write(piece, more=more or index < len(pieces))

    async def json(self, body: bytes, headers: Headers = ()) -> None:
        """Answer 200 with JSON."""
        await self.answer(200, [JSON, *headers], (body,))

    async def fail(self, error: ApiError) -> None:
        """Answer with an error, if nothing was answered yet."""
        if not self.started:
            headers = [JSON, NO_STORE, *error.answer_headers()]
            await self.answer(error.rendering.status, headers, (error.body(),))

    async def start(self, status: int, headers: Headers) -> None:
        """Send the status line and the headers, those of every answer included."""
        found = self._headed(status, headers)
        await self._send({"type": "http.response.start", "status": status, "headers": found})

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece of the body; waits while the caller reads slowly."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def _headed(self, status: int, headers: Headers) -> list[Header]:
        """The answer starts: all its *headers*, those of every answer included."""
        self.started = True
        self.status = status
        elapsed = int((monotonic() - self.started_at) * 1_000)
        found: list[Header] = [
            *headers,
            (b"x-request-id", self.request_id.encode()),
            OPENAI_VERSION,
            (b"openai-processing-ms", b"%d" % elapsed),
        ]
        if b"origin" in self.headers:
            found += CORS
        if b"expect" in self.headers and not self._body_started:
            # The caller still waits for leave to send a body that nobody will read.
            found.append((b"connection", b"close"))
        return found


def _too_large(limit: int) -> ApiError:
    return ApiError(
        "REQUEST_TOO_LARGE",
        f"The request's body may have at most {limit} bytes.",
        metadata={"limit": str(limit)},
    )


def _coalesced(parts: Sequence[bytes]) -> list[bytes]:
    """*parts* in fewer pieces: small neighbours joined, large ones left alone."""
    pieces: list[bytes] = []
    small: list[bytes] = []
    for part in parts:
        if len(part) < _ONE_WRITE:
            small.append(part)
            continue
        if small:
            pieces.append(b"".join(small))
            small = []
        pieces.append(part)
    if small:
        pieces.append(b"".join(small))
    return pieces
