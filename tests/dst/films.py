"""A provider of videos that speaks Ark's tasks, and keeps count of every job it made."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from core.errors import Fault, Phase, UpstreamError
from core.fetch.result import Download
from core.providers.ark_videos import TASKS
from tests.dst.serving import JSON, Provider, Request, Serving, common_fault, error
from tests.films import INDEX_FIRST

WALL = 1_790_000_000
"""Seconds since 1970 when the virtual clock began at 0: a day in 2026."""

SUBMIT_ONLY = {"lost", "lost-slowly", "unmade"}


@dataclass
class Job:
    """A job, from its making to its end."""

    id: str
    fields: dict[str, Any]
    made_at: float
    hidden_until: float
    """Until then neither a look nor the list finds it."""
    ends_at: float
    end: str
    """succeeded, failed, moderated, or never."""
    cancelled: bool = False
    denials: int = 0
    """How often its provider said that there is no such job."""

    @property
    def prompt(self) -> str:
        return str(self.fields["content"][0]["text"])

    def state(self, now: float) -> str:
        if self.cancelled:
            return "cancelled"
        if now < self.ends_at:
            return "queued" if now < self.made_at + 0.5 else "running"
        return {"never": "running", "moderated": "failed"}.get(self.end, self.end)

    def document(self, now: float) -> dict[str, Any]:
        state = self.state(now)
        known: dict[str, Any] = {
            "id": self.id,
            "created_at": int(WALL + self.made_at),
            "status": state,
            "safety_identifier": self.fields["safety_identifier"],
        }
        if state == "succeeded":
            known["content"] = {"video_url": f"http://{self.id}.films.sim/film.mp4"}
            known |= {"usage": {"completion_tokens": 100}, "duration": self.fields["duration"]}
        if state == "failed":
            code = (
                "OutputVideoSensitiveContentDetected"
                if self.end == "moderated"
                else "InternalServiceError"
            )
            known["error"] = {"code": code, "message": "secret words"}
        return known


class Films(Provider):
    """The provider, and where its results are."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.jobs: list[Job] = []
        self.on_made: list[Any] = []

    async def answer(self, request: Request, peer: Serving) -> None:
        spell = self.spell
        request.kind = spell.kind(self.rng)
        url = urlsplit(request.path)
        name = url.path.rpartition(TASKS)[2].lstrip("/")
        if request.method == "POST":
            request.prompt = request.document()["content"][0]["text"]
            await asyncio.sleep(spell.seconds * (0.5 + self.rng.random()))
            await self._submit(request, peer)
            return
        await asyncio.sleep(spell.seconds * self.rng.random() / 4)
        if request.kind == "404":
            for each in self.jobs:
                each.denials += each.id == name
        if request.kind not in SUBMIT_ONLY and await common_fault(request, peer, spell):
            return
        if not name:
            self._list(peer, int(parse_qs(url.query)["page_num"][0]))
            return
        now = self.loop.time()
        job = next((job for job in self.jobs if job.id == name), None)
        if job is None or now < job.hidden_until:
            peer.send(404, error("NotFound"))
        elif request.method == "GET":
            peer.send(200, orjson.dumps(job.document(now)))
        elif job.state(now) == "queued":
            job.cancelled = True
            peer.send(200, b"{}")
        else:
            peer.send(409, error("InvalidArgumentError"))

    async def _submit(self, request: Request, peer: Serving) -> None:
        spell = self.spell
        if request.kind == "unmade":  # the connection breaks, and no job was made
            peer.reset()
        elif request.kind in ("lost", "hang", "half", "hang-body", "empty", "html", "garbage"):
            self._make(request)
            if request.kind == "lost":
                peer.reset()
            else:
                await common_fault(request, peer, spell)
        elif request.kind == "lost-slowly":
            self._make(request)
            await asyncio.sleep(1000)
        elif request.kind == "closed":
            peer.close()
        elif not await common_fault(request, peer, spell):
            peer.send(200, orjson.dumps({"id": self._make(request).id}))

    def _make(self, request: Request) -> Job:
        rng, now = self.rng, self.loop.time()
        end = rng.choice(("succeeded",) * 7 + ("failed", "moderated", "never"))
        lag = rng.choice((0.0, 0.0, 0.0, 3.0, 9.0))
        job = Job(
            f"cgt-{self.name}-{len(self.jobs)}",
            request.document(),
            now,
            now + lag,
            now + rng.choice((0.1, 2.0, 8.0, 20.0)),
            end,
        )
        for tell in self.on_made:
            tell(job)
        self.jobs.append(job)
        return job

    def _list(self, peer: Serving, page: int) -> None:
        now = self.loop.time()
        shown = [job for job in reversed(self.jobs) if now >= job.hidden_until]
        size = 2
        items = [job.document(now) for job in shown[(page - 1) * size : page * size]]
        peer.send(200, orjson.dumps({"items": items, "total": len(shown)}), JSON)


class Results:
    """Where results are fetched from, some of them at the second try only."""

    def __init__(self, rng: Any) -> None:
        self._rng = rng
        self.troubled = 0
        """Percent of fetches that fail."""

    @asynccontextmanager
    async def open(self, hosted: Any, channel: Any, budget: float | None = None) -> Any:
        await asyncio.sleep(0.02)
        if self._rng.randrange(100) < self.troubled:
            raise UpstreamError(
                self._rng.choice((Fault.LOST, Fault.TIMEOUT, Fault.SERVER_ERROR)), Phase.BODY
            )

        async def chunks() -> Any:
            yield INDEX_FIRST[:5000]
            await asyncio.sleep(0.01)
            yield INDEX_FIRST[5000:]

        yield Download(len(INDEX_FIRST), chunks())
