"""Providers in memory: HTTP over wires, with weather, and a record of what they were asked."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.dst.virtual_loop import VirtualLoop, outside
from tests.dst.wires import Wire

FINE = "fine"

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}


@dataclass
class Request:
    """What a provider was asked."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    channel: str = ""
    prompt: str = ""
    """Which generation it is for: prompts are their names."""
    kind: str = FINE
    """What the weather makes of it."""
    ended: float | None = None
    """When it was answered, or who asked had gone."""
    is_answered: bool = False

    def document(self) -> dict[str, Any]:
        return orjson.loads(self.body)


@dataclass(frozen=True)
class Spell:
    """Weather until a moment: how often what goes wrong, in percent; else all is fine."""

    until: float
    odds: Mapping[str, int]
    seconds: float = 0.1
    """What an answer takes."""

    def kind(self, rng: random.Random) -> str:
        drawn = rng.randrange(100)
        for kind, odds in self.odds.items():
            drawn -= odds
            if drawn < 0:
                return kind
        return FINE


class Provider(ABC):
    """One account at a provider: a channel. A subclass answers."""

    def __init__(
        self, loop: VirtualLoop, name: str, rng: random.Random, spells: list[Spell]
    ) -> None:
        self.loop = loop
        self.name = name
        self.rng = rng
        self.spells = spells
        self.context: Context = outside()
        self.requests: list[Request] = []
        loop.listeners[name] = self

    @property
    def spell(self) -> Spell:
        now = self.loop.time()
        return next((spell for spell in self.spells if now < spell.until), self.spells[-1])

    async def accept(self) -> asyncio.BaseProtocol:
        match self.spell.kind(self.rng):
            case "refuse":
                raise ConnectionRefusedError(111, "Connection refused")
            case "unreachable":
                await asyncio.Event().wait()
        return Serving(self)

    @abstractmethod
    async def answer(self, request: Request, peer: "Serving") -> None:
        """Answer one request, or break off."""


class Serving(asyncio.Protocol):
    """The provider's end of one connection: one request after another."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._wire: Wire
        self._buffer = b""
        self._task: asyncio.Task[None] | None = None
        self._request: Request

    def connection_made(self, transport: Any) -> None:
        self._wire = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def _next(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or self._task is not None:
            return
        line, *lines = head.decode().split("\r\n")
        pairs = (each.partition(":") for each in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        size = int(headers.get("content-length", "0"))
        if len(rest) < size:
            return
        self._buffer = rest[size:]
        method, path, _ = line.split(" ")
        provider = self._provider
        request = Request(provider.loop.time(), method, path, headers, rest[:size], provider.name)
        provider.requests.append(request)
        self._request = request
        self._task = provider.loop.create_task(provider.answer(request, self))
        self._task.add_done_callback(self._answered)

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        self._request.ended = self._provider.loop.time()
        if not task.cancelled():
            task.result()
            self._request.is_answered = True
            self._next()

    # ---- what providers do

    @property
    def is_open(self) -> bool:
        return not self._wire.is_closing()

    def send(self, status: int, body: bytes, headers: Mapping[str, str] = JSON) -> None:
        """A whole answer."""
        self.write(head(status, {**headers, "Content-Length": str(len(body))}) + body)

    def write(self, data: bytes) -> None:
        self._wire.write(data)

    def close(self) -> None:
        self._wire.close()

    def reset(self) -> None:
        self._wire.lingers = False
        self._wire.abort()


def head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Whatever",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def error(code: str, kind: str = "") -> bytes:
    """An error object as both wire protocols have it."""
    return orjson.dumps({"error": {"code": code, "type": kind, "message": "secret words"}})


async def common_fault(  # noqa: PLR0912 - a table of faults
    request: Request, peer: Serving, spell: Spell
) -> bool:
    """Do what any provider may do wrong before it has begun; False: nothing of the kind."""
    match request.kind:
        case "500" | "503":
            peer.send(int(request.kind), b"{}")
        case "529":
            peer.send(529, error("ServerOverloaded"))
        case "429":
            peer.send(429, error("RateLimitExceeded", "rate_limit_exceeded"))
        case "429-soon" | "429-later" | "429-late" | "429-never":
            wait = {"soon": "1.5", "later": "20", "late": "45", "never": "600"}[request.kind[4:]]
            peer.send(429, error("rate_limit_exceeded"), {**JSON, "Retry-After": wait})
        case "401":
            peer.send(401, error("AuthenticationError", "invalid_api_key"))
        case "quota":
            peer.send(429, error("QuotaExceeded", "insufficient_quota"))
        case "404":
            peer.send(404, error("InvalidEndpoint", "model_not_found"))
        case "400":
            peer.send(400, error("InvalidParameter", "invalid_request_error"))
        case "moderated":
            peer.send(400, error("InputTextSensitiveContentDetected", "moderation_blocked"))
        case "reset":
            peer.reset()
        case "closed":
            peer.close()
        case "hang":
            await asyncio.Event().wait()
        case "html":
            peer.send(200, b"<html>Welcome</html>", HTML)
        case "empty":
            peer.send(200, b"")
        case "garbage":
            peer.write(b"\x00\x01 no HTTP\r\n\r\n")
        case "half":
            peer.write(head(200, {**JSON, "Content-Length": "100000"}) + b'{"data": [')
            await asyncio.sleep(spell.seconds)
            peer.reset()
        case "hang-body":
            peer.write(head(200, {**JSON, "Content-Length": "100000"}) + b'{"data": [')
            await asyncio.Event().wait()
        case _:
            return False
    return True
