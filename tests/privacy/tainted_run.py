"""Everything that is asked of one gateway, and what its answers gave away."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import grpc
import httpx

from gateway.proof.requests import Maker
from gateway.proof.walker import Callers, Walker
from tests.privacy import tainted_grpc, tainted_rest

AT_ONCE = 64


class Run:
    """Everything that is asked of one gateway, and what its answers gave away."""

    def __init__(self, gateway, canaries):
        self.gateway = gateway
        self.canaries = canaries
        _, self.key = gateway.account("100000")
        self.maker = Maker(canaries, self.key)
        self.poor = Maker(canaries, gateway.demo["poor_api_key"])
        self.strangers = {}
        """Fields that stood in the answer to another request, by that request's name."""
        self.statuses = {}
        self.session = ""
        """Of a person who signed in."""
        self.called = set()
        """Every text of the contract that was sent, by method and field."""
        self.outcomes = {}
        """How often calls of the contract ended how."""
        self.served = 0

    async def send(self, requests):
        """Send them, several at once, and compare each answer with its own canaries."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(client, request):
            async with gate:
                answer = await client.request(
                    request.method, request.path, headers=request.headers, content=request.content
                )
            head = repr(answer.headers.raw).encode()
            self.compare(request.name, head + answer.content, request.own)
            self.statuses[request.name] = answer.status_code
            self.served += answer.status_code == 200 and "x-reapi-channel" in answer.headers

        async with httpx.AsyncClient(base_url=self.gateway.rest, timeout=40) as client:
            await asyncio.gather(*(one(client, request) for request in requests))

    def compare(self, name, answer, own):
        words = self.canaries.words_in(answer) - own
        if words:
            self.strangers[name] = self.canaries.where(words)

    async def abandon(self, requests):
        """Send them and leave: in the middle of the body, or before the answer."""
        url = urlsplit(self.gateway.rest)
        for number, request in enumerate(requests):
            head = f"{request.method} {request.path} HTTP/1.1\r\nhost: x\r\n" + "".join(
                f"{name}: {value}\r\n" for name, value in request.headers.items()
            )
            length = f"content-length: {len(request.content)}\r\n\r\n"
            data = (head + length).encode() + request.content
            sent = data if number % 2 else data[: -len(request.content) // 2]
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.write(sent)
            await writer.drain()
            await asyncio.sleep(0.1)  # let it arrive; leaving is what is tested
            writer.close()

    async def send_raw(self):
        """Send what is hardly HTTP."""
        url = urlsplit(self.gateway.rest)
        own = set()

        def plant(where):
            word = self.canaries.plant(f"raw: {where}")
            own.add(word)
            return word

        for data in tainted_rest.raw(plant):
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.write(data)
            with suppress(OSError):
                writer.write_eof()
            with suppress(OSError):
                self.compare("raw", await asyncio.wait_for(reader.read(), 30), own)
            writer.close()

    async def call_grpc(self):
        async with grpc.aio.insecure_channel(self.gateway.demo["grpc_address"]) as channel:
            caller = tainted_grpc.Caller(channel, self.key, self.canaries)
            await caller.everything()
            token = self.gateway.demo["admin_token"]
            callers = Callers(self.key, self.session, token)
            walker = Walker(channel, callers, self.canaries)
            await walker.everything()
            self.called, self.outcomes = walker.called, walker.outcomes
        for name, found in (("grpc", caller.strangers), ("contract", walker.strangers)):
            if found:
                self.strangers[name] = found
