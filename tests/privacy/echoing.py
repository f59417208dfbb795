"""An upstream that repeats the prompt wherever an answer has room for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiohttp import web

from gateway.proof.canaries import Canaries

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def prompt_of(request: web.Request) -> str:
    """The prompt of a JSON or multipart request."""
    if request.content_type == "application/json":
        return str((await request.json())["prompt"])
    return str((await request.post())["prompt"])


def _error(text: str, status: int, **more: Any) -> web.Response:
    error = {"message": f"No: {text}", "type": text, "param": text, "code": text, **more}
    return web.json_response({"error": error}, status=status, headers={"x-request-id": text})


async def bad_request(request: web.Request) -> web.StreamResponse:
    return _error(await prompt_of(request), 400)


async def refused(request: web.Request) -> web.StreamResponse:
    text = await prompt_of(request)
    details = {"moderation_stage": text, "categories": [text]}
    return _error(text, 400, code="moderation_blocked", moderation_details=details)


async def server_error(request: web.Request) -> web.StreamResponse:
    return _error(await prompt_of(request), 500)


async def wrong_key(request: web.Request) -> web.StreamResponse:
    return _error(await prompt_of(request), 401)


async def too_many(request: web.Request) -> web.StreamResponse:
    text = await prompt_of(request)
    answer = _error(text, 429)
    answer.headers.update({"retry-after": text, "retry-after-ms": text, "x-ratelimit-reset": text})
    return answer


async def page(request: web.Request) -> web.StreamResponse:
    return web.Response(text=f"<html>{await prompt_of(request)}</html>", content_type="text/html")


async def no_image(request: web.Request) -> web.StreamResponse:
    text = await prompt_of(request)
    return web.json_response({"data": [{"b64_json": text, "revised_prompt": text, "url": text}]})


async def strange_shape(request: web.Request) -> web.StreamResponse:
    text = await prompt_of(request)
    return web.json_response({"data": text, "usage": {text: text}, text: [text]})


async def cut_json(request: web.Request) -> web.StreamResponse:
    text = '{"data": [{"b64_json": "' + await prompt_of(request)
    return web.Response(text=text, content_type="application/json")


async def strange_head(request: web.Request) -> web.StreamResponse:
    text = await prompt_of(request)
    return web.Response(status=418, reason=text, headers={"x-echo": text, "location": f"/{text}"})


async def error_event(request: web.Request) -> web.StreamResponse:
    text = await prompt_of(request)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    event = {"type": "error", "error": {"message": text, "code": text, "param": text}}
    await response.write(f": {text}\nevent: {text}\ndata: {json.dumps(event)}\n\n".encode())
    await response.write(f"data: {text}\n\n".encode())
    return response


WAYS: dict[str, Handler] = {
    way.__name__.replace("_", "-"): way
    for way in (
        bad_request,
        refused,
        server_error,
        wrong_key,
        too_many,
        page,
        no_image,
        strange_shape,
        cut_json,
        strange_head,
        error_event,
    )
}


@asynccontextmanager
async def echoing_upstream() -> AsyncIterator[str]:
    """Serve `/<way>/v1/images/…` on a free port; yields the URL."""
    application = web.Application(client_max_size=1 << 26)
    for name, way in WAYS.items():
        application.router.add_post(f"/{name}/v1/images/{{operation}}", way)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        _, port = runner.addresses[0][:2]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


# ---- receivers of webhooks


@dataclass
class Receiver:
    """Takes webhooks below canaries in its URLs; one path answers well, the others do not."""

    canaries: Canaries
    url: str = ""
    paths: dict[str, str] = field(default_factory=dict)
    """What is answered at a path."""
    received: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Headers and body of each message."""
    asked: set[str] = field(default_factory=set)
    """The ways of answering that were met."""
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> list[tuple[bytes, bytes]]:
        """What was received, once there is something."""
        await asyncio.wait_for(self._came.wait(), 20)
        return self.received

    async def register(self, customer: Any) -> None:
        """Make an endpoint for each way of answering."""
        headers = customer.gateway.headers(customer.key)
        async with httpx.AsyncClient(base_url=customer.gateway.rest, timeout=20) as client:
            for way in ("ok", "fails", "moves"):
                path = self.canaries.plant(f"webhook path, {way}")
                self.paths[path] = way
                body = {
                    "uri": f"{self.url}/{path}?k={self.canaries.plant('webhook query')}",
                    "display_name": self.canaries.plant("webhook name"),
                }
                made = await client.post("/api/v1/webhook_endpoints", json=body, headers=headers)
                assert made.status_code == 200, made.text
                secret = made.json()["secret"].removeprefix("whsec_")
                self.canaries.guard("an endpoint's secret", secret)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Note the message, and answer with the secrets of its URL."""
        head = repr(sorted(request.headers.items())).encode()
        self.received.append((head, await request.read()))
        self._came.set()
        word = request.match_info["path"]
        way = self.paths[word]
        self.asked.add(way)
        status = {"ok": 200, "fails": 500, "moves": 302}[way]
        headers = {"x-echo": word, "location": f"https://{word}.invalid/{word}"}
        return web.Response(status=status, reason=word, text=word, headers=headers)


@asynccontextmanager
async def echoing_receiver(canaries: Canaries) -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver(canaries)
    application = web.Application()
    application.router.add_post("/{path}", receiver.take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
