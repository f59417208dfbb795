"""Many requests at once, and what became of each: an aiohttp client that looks at everything."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import aiohttp

PATIENCE_SECONDS = 60.0
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller saw. Status 0: the connection ended without an answer."""

    status: int
    seconds: float
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def code(self) -> str | None:
        code: str | None = self.body.get("error", {}).get("code")
        return code

    @property
    def generation(self) -> str:
        """The id in hexadecimal digits."""
        return self.headers.get("x-reapi-generation", "").removeprefix("gen_")

    @property
    def channel(self) -> str:
        return self.headers.get("x-reapi-channel", "")

    @property
    def attempts(self) -> int:
        return int(self.headers.get("x-reapi-attempts", "0"))

    @property
    def has_images(self) -> bool:
        items = self.body.get("data") or []
        return bool(items) and all(
            base64.b64decode(item.get("b64_json") or "").startswith(PNG) for item in items
        )


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests of one key."""

    session: aiohttp.ClientSession
    url: str
    key: str = field(repr=False)

    async def generate(
        self, model: str = "gpt-image-2", headers: dict[str, str] | None = None, **fields: Any
    ) -> Reply:
        """Ask for one image."""
        body = {
            "model": model,
            "prompt": "a lighthouse",
            "response_format": "b64_json",
            **fields,
        }
        sent = {"authorization": f"Bearer {self.key}", **(headers or {})}
        begin = perf_counter()
        try:
            async with self.session.post(
                f"{self.url}/v1/images/generations", json=body, headers=sent
            ) as response:
                content = await response.read()
                status, received = response.status, dict(response.headers)
        except (aiohttp.ClientError, ConnectionError):
            return Reply(0, perf_counter() - begin)
        seconds = perf_counter() - begin
        return Reply(status, seconds, _lower(received), json.loads(content))

    async def many(self, count: int, at_once: int, model: str = "gpt-image-2") -> list[Reply]:
        """Ask *count* times, never more than *at_once* at a time."""
        gate = asyncio.Semaphore(at_once)

        async def one() -> Reply:
            async with gate:
                return await self.generate(model)

        return await asyncio.gather(*(one() for _ in range(count)))


@asynccontextmanager
async def traffic(url: str, key: str) -> AsyncIterator[Traffic]:
    """A client of the gateway at *url*."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Traffic(session, url, key)


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
