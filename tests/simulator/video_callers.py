"""Speak DashScope and Vidu by hand to simulated accounts."""

import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import httpx
from PIL import Image

from simulator import Knobs, SimulatedChannel, Simulator

DASHSCOPE, DASHSCOPE_KEY = "dashscope-a", "sk-sim-dashscope-0123456789"
VIDU, VIDU_KEY = "vidu-a", "vda_sim_0123456789"
SYNTHESIS = "/services/aigc/video-generation/video-synthesis"
HEADERS = {"authorization": f"Bearer {DASHSCOPE_KEY}"}
FAST = Knobs(queue_ms=0, run_ms=0)
LINK = "https://example.org/a.png"
FILM = {"type": "video", "url": "https://example.org/a.mp4"}


def data_url(size: tuple[int, int] = (640, 480), image_format: str = "png") -> str:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, image_format)
    return f"data:image/{image_format};base64,{base64.b64encode(file.getvalue()).decode()}"


def media(*types: str, url: str = LINK) -> list[dict[str, str]]:
    return [{"type": kind, "url": url} for kind in types]


async def shown(client: httpx.AsyncClient, url: str) -> tuple[int, int, float, bool]:
    """Size and seconds of a video, and whether there is sound."""
    file = await client.get(url)
    assert file.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(file.content)) as video:
        pictures = video.streams.video[0]
        seconds = (video.duration or 0) / 1_000_000
        return pictures.width, pictures.height, seconds, bool(video.streams.audio)


class DashScopeCaller:
    """Speaks DashScope by hand."""

    def __init__(self, simulator: Simulator, client: httpx.AsyncClient) -> None:
        self.simulator = simulator
        self.client = client

    async def send(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any]:
        url = f"{self.simulator.base_url(DASHSCOPE)}/api/v1{path}"
        answer = await self.client.request(method, url, json=body, headers={**HEADERS, **headers})
        return answer.status_code, answer.json()

    async def submit(
        self,
        model: str = "happyhorse-1.0-t2v",
        prompt: str = "a fox",
        media: object = None,
        **parameters: object,
    ) -> tuple[int, Any]:
        asked = {"prompt": prompt} | ({} if media is None else {"media": media})
        body = {"model": model, "input": asked, "parameters": parameters}
        return await self.send("POST", SYNTHESIS, body, **{"x-dashscope-async": "enable"})

    async def made(self, *arguments: Any, **named: Any) -> str:
        status, body = await self.submit(*arguments, **named)
        assert (status, body["output"]["task_status"]) == (200, "PENDING"), body
        return str(body["output"]["task_id"])

    async def task(self, task_id: str) -> Any:
        status, body = await self.send("GET", f"/tasks/{task_id}")
        assert status == 200
        return body

    async def video(self, task_id: str) -> tuple[int, int, float, bool]:
        return await shown(self.client, (await self.task(task_id))["output"]["video_url"])


class ViduCaller:
    """Speaks Vidu by hand."""

    def __init__(self, simulator: Simulator, client: httpx.AsyncClient) -> None:
        self.simulator = simulator
        self.client = client

    async def send(
        self, method: str, path: str, body: object = None, authorization: str = f"Token {VIDU_KEY}"
    ) -> tuple[int, Any]:
        url = f"{self.simulator.base_url(VIDU)}/ent/v2{path}"
        headers = {"authorization": authorization}
        answer = await self.client.request(method, url, json=body, headers=headers)
        return answer.status_code, answer.json()

    async def submit(self, kind: str = "text2video", **fields: object) -> tuple[int, Any]:
        body = {"model": "viduq3-pro", "prompt": "a fox", **fields}
        return await self.send("POST", f"/{kind}", body)

    async def made(self, kind: str = "text2video", **fields: object) -> str:
        status, body = await self.submit(kind, **fields)
        assert (status, body.get("state")) == (200, "created"), body
        return str(body["task_id"])

    async def task(self, task_id: str) -> Any:
        status, body = await self.send("GET", f"/tasks/{task_id}/creations")
        assert status == 200
        return body

    async def video(self, task_id: str) -> tuple[int, int, float, bool]:
        (creation,) = (await self.task(task_id))["creations"]
        return await shown(self.client, creation["url"])


@asynccontextmanager
async def calling_dashscope() -> AsyncIterator[DashScopeCaller]:
    async with (
        Simulator([SimulatedChannel(DASHSCOPE, DASHSCOPE_KEY, "dashscope")]) as simulator,
        httpx.AsyncClient(timeout=10) as client,
    ):
        simulator.configure(FAST)
        yield DashScopeCaller(simulator, client)


@asynccontextmanager
async def calling_vidu() -> AsyncIterator[ViduCaller]:
    async with (
        Simulator([SimulatedChannel(VIDU, VIDU_KEY, "vidu")]) as simulator,
        httpx.AsyncClient(timeout=10) as client,
    ):
        simulator.configure(FAST)
        yield ViduCaller(simulator, client)
