"""Callers of the fault matrix: one request of each kind, and all that its caller gets to see."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import aiohttp
import grpc

from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc

PATIENCE_SECONDS = 45.0
WORDS = "A lighthouse at dusk."
TERMINAL = {
    "image_generation.completed": "completed",
    "speech.audio.done": "completed",
    "completed": "completed",
    "failed": "failed",
}
"""Names of events that end a stream; an `error` does, too."""


@dataclass(frozen=True)
class Seen:
    """What a caller saw. `ends` are the terminal events, in order; `code` is the error's."""

    begin: float
    """By the machine's monotonic clock, as the simulator tells the times of its calls."""
    seconds: float
    ends: list[str]
    code: str = ""
    channel: str = ""
    attempts: int = 0
    last: str = ""
    """The last event."""
    previews: int = 0

    @property
    def succeeded(self) -> bool:
        return self.ends == ["completed"]

    @property
    def failed(self) -> bool:
        """One typed terminal error, and nothing after it."""
        return self.ends == ["failed"] and bool(self.code) and self.last == "failed"


@dataclass(frozen=True)
class Caller:
    """Asks a gateway with one key."""

    session: aiohttp.ClientSession
    url: str
    key: str = field(repr=False)
    stub: Any = field(repr=False)

    async def ask(self, kind: str, model: str, *only: str) -> Seen:
        """One request of a kind; only these channels may serve it."""
        headers = {"authorization": f"Bearer {self.key}"}
        if only:
            headers["x-reapi-routing"] = f"only={','.join(only)}"
        ask = {"image": self._image, "stream": self._stream, "video": self._video}
        return await ask.get(kind, self._speech)(model, headers)

    async def _image(self, model: str, headers: dict[str, str]) -> Seen:
        body = {"model": model, "prompt": WORDS, "response_format": "b64_json"}
        begin = perf_counter()
        async with self._post("/v1/images/generations", body, headers) as response:
            answer = json.loads(await response.read())
        code = str(answer.get("error", {}).get("code") or "")
        delivered = bool(answer.get("data") and answer["data"][0].get("b64_json"))
        end = "completed" if delivered and not code else "failed"
        return _seen(begin, [end], code, response.headers)

    async def _stream(self, model: str, headers: dict[str, str]) -> Seen:
        body = {"model": model, "prompt": WORDS, "stream": True, "partial_images": 1}
        return await self._events("/v1/images/generations", body, headers)

    async def _speech(self, model: str, headers: dict[str, str]) -> Seen:
        body = {
            "model": model,
            "input": WORDS,
            "voice": "alloy",
            "response_format": "wav",
            "stream_format": "sse",
        }
        return await self._events("/v1/audio/speech", body, headers)

    async def _video(self, model: str, headers: dict[str, str]) -> Seen:
        """From the submission to the terminal event of its watch."""
        body = {
            "model": model,
            "prompt": WORDS,
            "duration": 4,
            "resolution": "480p",
            "generate_audio": False,
        }
        begin = perf_counter()
        async with self._post("/api/v1/videos/generations", body, headers) as response:
            made = json.loads(await response.read())
        assert response.status == 200, made
        url = f"{self.url}/api/v1/generations/{made['id']}:watch"
        async with self.session.get(url, headers=headers) as response:
            found = [event async for event in _events_of(response)]
        ends = [name for name, _ in found if name in ("completed", "failed", "error")]
        last = found[-1][1].get("completed") or found[-1][1].get("failed") or {}
        item = last.get("generation", {})
        seconds = perf_counter() - begin
        details = last.get("status", {}).get("details", [])
        code = next((detail["reason"] for detail in details if "reason" in detail), "")
        channel, attempts = item.get("channel", ""), int(item.get("attempt_count", 0))
        return Seen(begin, seconds, ends, code, channel, attempts, found[-1][0])

    async def _events(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Seen:
        begin = perf_counter()
        async with self._post(path, body, headers) as response:
            if response.status != 200:
                code = json.loads(await response.read())["error"]["code"]
                return _seen(begin, ["failed"], str(code), response.headers)
            found = [event async for event in _events_of(response)]
        ends = [TERMINAL[name] for name, _ in found if name in TERMINAL]
        ends += ["failed" for name, _ in found if name == "error"]
        code = next((str(data["error"]["code"]) for name, data in found if name == "error"), "")
        last = found[-1][0] if found else ""
        previews = sum(name.endswith(("partial_image", "delta")) for name, _ in found)
        is_error = "failed" if last == "error" else TERMINAL.get(last, last)
        return _seen(begin, ends, code, response.headers, last=is_error, previews=previews)

    async def call(self, kind: str, model: str, *only: str) -> Seen:
        """The same over gRPC: a call that ends with OK after its events."""
        spec = pb.GenerationSpec(model=model, inline_outputs=True, partial_count=1)
        spec.routing.only_channels.extend(only)
        spec.parameters.prompt = WORDS
        if kind == "speech":
            spec.parameters.extras["output_format"].text = "wav"
        metadata = (("authorization", f"Bearer {self.key}"),)
        begin = perf_counter()
        call = self.stub.Generate(metadata=metadata, timeout=PATIENCE_SECONDS)
        try:
            await call.write(pb.GenerateRequest(start=pb.GenerateStart(spec=spec)))
            found = [answer.event async for answer in call]
        finally:
            call.cancel()
        names = [str(event.WhichOneof("event")) for event in found]
        numbers = [event.seq for event in found]
        assert numbers == sorted(numbers)
        ends = [name for name in names if name in ("completed", "failed")]
        code = found[-1].failed.status.message if names[-1] == "failed" else ""
        previews = names.count("partial")
        seconds = perf_counter() - begin
        return Seen(begin, seconds, ends, code, last=names[-1], previews=previews)

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        return self.session.post(f"{self.url}{path}", json=body, headers=headers)


async def _events_of(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """(name, data) of each server-sent event; `error` for those without a name."""
    async for raw in response.content:
        line = raw.decode().strip()
        if line.startswith("data: "):
            data = json.loads(line.removeprefix("data: "))
            told = [name for name in ("completed", "failed") if name in data]
            named = data.get("type") or (told[0] if told else "event")
            yield ("error" if "error" in data else str(named)), data


def _seen(
    begin: float,
    ends: list[str],
    code: str,
    headers: Any,
    *,
    last: str = "",
    previews: int = 0,
) -> Seen:
    channel, attempts = headers.get("x-reapi-channel", ""), headers.get("x-reapi-attempts", "0")
    seconds = perf_counter() - begin
    return Seen(begin, seconds, ends, code, channel, int(attempts), last or ends[-1], previews)


@asynccontextmanager
async def calling(url: str, address: str, key: str) -> AsyncIterator[Caller]:
    """A caller of the gateway at *url* and, over gRPC, at *address*."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    options = [("grpc.max_receive_message_length", 8 << 20)]
    async with (
        aiohttp.ClientSession(
            connector=connector, timeout=timeout, read_bufsize=8 << 20
        ) as session,
        grpc.aio.insecure_channel(address, options=options) as channel,
    ):
        yield Caller(session, url, key, rpc.GenerationServiceStub(channel))
