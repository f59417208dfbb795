"""Stands between the gateway and the simulator, and says all that it hears, wherever there is room.

`/<way>/<channel>/…` leads to that channel of the simulator. On the way `good` its answer comes
back with the prompt in headers, in every text for people and in fields that nobody asked for; on
the others an error does, in the shapes that providers have for errors.
"""

import base64
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from gateway.proof.canaries import Canaries

GOOD = "good"
STATUSES: Mapping[str, int] = {
    "bad": 400,
    "stranger": 401,
    "unprocessable": 422,
    "busy": 429,
    "broken": 500,
}
WAYS = (GOOD, *STATUSES, "garbled")
_SAYS = re.compile(r"(?i)mess|msg|reason|detail|error|logs?\b|title|description")
"""Names of texts for people. Those of codes and states are left: they decide what happens."""
_MORE = ("echo", "prompt", "revised_prompt", "logs", "metadata")
_LINK = re.compile(r"https?://[0-9.:]+/media/inputs/[^\"\\\s]+")
_HOPS = frozenset({"content-length", "transfer-encoding", "connection", "date", "server", "etag"})


@dataclass(frozen=True)
class Given:
    """A file that the gateway gave a link to."""

    place: str
    """`way/channel` of the request that named it."""
    url: str = field(repr=False)
    status: int
    headers: Mapping[str, str]
    data: bytes = field(repr=False)


@dataclass
class Parrot:
    """What was heard, and from where it is to be forwarded."""

    canaries: Canaries
    url: str = ""
    channels: dict[str, str] = field(default_factory=dict)
    """The base URL of each channel of the simulator."""
    heard: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Every canary, by `way/channel`."""
    given: list[Given] = field(default_factory=list)
    _last: dict[str, str] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Listen, then answer."""
        way, channel = request.match_info["way"], request.match_info["channel"]
        body, place = await request.read(), f"{way}/{channel}"
        words = self.canaries.words_in(body + self._unpacked(body))
        self.heard[place] |= words
        if words:
            self._last[place] = " ".join(sorted(words)[:4])
        text = self._last.get(place, "nothing yet")
        async with aiohttp.ClientSession(auto_decompress=False) as client:
            await self._fetch(client, body, place)
            if way in STATUSES:
                return _refusal(STATUSES[way], text)
            if way == "garbled":
                return web.json_response({text: {text: [text]}, "data": text, "output": [text]})
            return await self._forward(client, request, body, text)

    def _unpacked(self, body: bytes) -> bytes:
        """What stands in *body* as base64."""
        found = re.findall(rb"[A-Za-z0-9+/]{60,}={0,2}", body)
        return b" ".join(_decoded(each) for each in found)

    async def _fetch(self, client: aiohttp.ClientSession, body: bytes, place: str) -> None:
        for url in _LINK.findall(body.decode("latin-1")):
            async with client.get(url) as answer:
                data = await answer.read()
                headers = {name.lower(): value for name, value in answer.headers.items()}
            self.heard[place] |= self.canaries.words_in(data)
            self.given.append(Given(place, url, answer.status, headers, data))

    async def _forward(
        self, client: aiohttp.ClientSession, request: web.Request, body: bytes, text: str
    ) -> web.StreamResponse:
        way, channel = request.match_info["way"], request.match_info["channel"]
        theirs, ours = self.channels[channel], f"{self.url}/{way}/{channel}"
        path = request.raw_path.removeprefix(f"/{way}/{channel}")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOPS}
        headers.pop("Host", None)
        async with client.request(
            request.method, theirs + path, data=body or None, headers=headers
        ) as answer:
            data = await answer.read()
        kept = {k.lower(): v for k, v in answer.headers.items() if k.lower() not in _HOPS}
        if answer.content_type == "application/json":
            data = _repeated(data.replace(theirs.encode(), ours.encode()), text)
        if request.method == "PUT":  # an object store's answer: its ETag is said again
            kept["etag"] = answer.headers.get("etag", "")
        elif answer.status == 200 and answer.content_type != "text/event-stream":
            kept |= {
                "x-request-id": text,
                "x-amz-meta-prompt": text,
                "content-disposition": f'attachment; filename="{text}.png"',
                "etag": f'"{text}"',
                "set-cookie": f"prompt={text}",
                "content-type": f"{answer.content_type}; note={text.split(maxsplit=1)[0]}",
            }
        return web.Response(status=answer.status, body=data, headers=kept)


def _decoded(text: bytes) -> bytes:
    return base64.b64decode(text[: len(text) // 4 * 4])


def _repeated(data: bytes, text: str) -> bytes:
    try:
        return json.dumps(_told(json.loads(data), text)).encode()
    except ValueError:
        return data


def _told(value: Any, text: str, name: str = "") -> Any:
    if isinstance(value, list):
        return [_told(item, text, name) for item in value]
    if isinstance(value, dict):
        told = {key: _told(item, text, key) for key, item in value.items()}
        return {**dict.fromkeys(_MORE, text), **told}
    if isinstance(value, str) and _SAYS.search(name):
        return f"{value} {text}"
    return value


def _refusal(status: int, text: str) -> web.Response:
    said = {"message": text, "type": text, "param": text, "code": text, "status": text}
    body = {
        **dict.fromkeys(("message", "msg", "code", "title", "err_code", "request_id"), text),
        "error": {**said, "details": [said], "metadata": {"raw": text}},
        "detail": [{"msg": text, "type": text, "loc": [text], "input": text}],
        "data": {"failMsg": text},
    }
    return web.json_response(body, status=status, headers={"x-request-id": text, "x-error": text})


@asynccontextmanager
async def parrot(canaries: Canaries) -> AsyncIterator[Parrot]:
    """A parrot on a free port; give it `channels` before it is asked."""
    made = Parrot(canaries)
    application = web.Application(client_max_size=1 << 28)
    application.router.add_route("*", "/{way}/{channel}/{rest:.*}", made.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
