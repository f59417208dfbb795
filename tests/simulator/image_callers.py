"""A plain HTTP client of one simulated channel."""

import asyncio
import json

import aiohttp

from simulator import Fault, Simulator

LIMIT = 5.0
GENERATE = {"model": "gpt-image-2", "prompt": "a fox", "size": "16x16"}


class Caller:
    """Calls channel openai-a, each time on a connection of its own."""

    def __init__(self, simulator: Simulator, key: str) -> None:
        self.simulator = simulator
        self.headers = {"authorization": f"Bearer {key}"}
        self.writers: list[asyncio.StreamWriter] = []
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=aiohttp.ClientTimeout(total=LIMIT),
        )

    @property
    def url(self) -> str:
        return f"{self.simulator.base_url('openai-a')}/v1/images/generations"

    def post(self, **fields):
        return self.session.post(self.url, json=GENERATE | fields, headers=self.headers)

    async def answer(self, **fields):
        async with self.post(**fields) as response:
            return response.status, response.headers, await response.read()

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a call by hand, so that what comes back can be watched byte by byte."""
        body = json.dumps(GENERATE | {"stream": True, "partial_images": 3}).encode()
        port = int(self.simulator.base_url("openai-a").rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.writers.append(writer)
        writer.write(
            b"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\nauthorization: %b\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (self.headers["authorization"].encode(), len(body), body)
        )
        return reader, writer

    async def fail(self, kind: str, **options) -> None:
        await self.simulator.set_fault("openai-a", Fault(kind, **options))
