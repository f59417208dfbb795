"""Mixed traffic of one customer who does everything that callers do, under changing faults.

Every failure is kept with what was wrong upstream meanwhile: the first channels of each model
break at random, the last one never does, so that few kinds of faults explain any failure.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.fix_fleet import Upstreams

IMAGES = tuple(f"soak-image-{number}" for number in range(6))
FILMS = tuple(f"soak-video-{number}" for number in range(4))
VOICES = tuple(f"soak-voice-{number}" for number in range(4))
"""Several models of each kind: a channel that broke rests for half a minute, and is not asked."""
PATIENCE_SECONDS = 90.0
FAULT_SECONDS = (1.0, 4.0)
"""How long a fault lasts."""
REST_SECONDS = (0.2, 1.0)
PAUSE_SECONDS = (0.0, 0.3)
"""Between two doings of one caller."""
TAIL_SECONDS = 12.0
"""What a fault did to a job shows so much later: in its next look, or after a search."""

SILENCE = "no terminal event"
"""Of a stream: nothing explains that."""

Fault = Mapping[str, Any]
HARD: Sequence[Fault] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429, "retry_after": 2},
    {"kind": "refuse"},
    {"kind": "reset"},
    {"kind": "reset", "after": 100},
    {"kind": "hang", "times": 3},
    {"kind": "hang", "after": 100, "times": 3},
    {"kind": "slow", "delay_ms": 300},
    {"kind": "garbage"},
    {"kind": "empty"},
    {"kind": "cut", "after": 50},
)
CUTS: Sequence[Fault] = (
    {"kind": "cut", "after": 2, "unit": "events"},
    {"kind": "reset", "after": 2, "unit": "events"},
    {"kind": "status", "status": 500, "after": 2},
)
"""After the caller has seen something: then nobody else may answer."""
JOBS: Sequence[Fault] = (
    *(
        {**fault, "on": operation}
        for operation in ("submit", "poll", "file")
        for fault in HARD[:9]
        if fault["kind"] != "refuse"
    ),
    {"kind": "refuse"},
    {"kind": "lost", "on": "submit", "times": 3},
    {"kind": "job_fails", "times": 5},
    {"kind": "job_hangs", "times": 2},
    {"kind": "status", "status": 500, "on": "cancel"},
)
EXPLAINS: Mapping[str, frozenset[str]] = {
    "stream": frozenset({"cut", "reset", "status", "hang", "empty"}),
    "speech": frozenset({"cut", "reset", "status", "hang"}),
    "video": frozenset({"job_hangs", "hang", "slow", "status", "reset", "refuse", "lost"}),
}
"""Faults that may show through, by what was done: any after something was seen, and what lets a
job outlast its SLA. Images that are waited for show none."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that did not go well. Times are monotonic."""

    doing: str
    outcome: str
    begun: float
    ended: float


@dataclass
class Weather:
    """Breaks upstreams at random and remembers when; *targets*: upstream to its faults."""

    chance: random.Random
    targets: Mapping[str, tuple[Upstreams, Sequence[Fault]]]
    past: list[tuple[str, str, float, float]] = field(default_factory=list)
    """Upstream, kind, from, to."""

    async def change(self, until: float) -> None:
        """One fault after the other for each upstream, until then; all is well afterwards."""
        async with asyncio.TaskGroup() as group:
            for name in self.targets:
                group.create_task(self._change(name, until))

    async def _change(self, name: str, until: float) -> None:
        upstreams, faults = self.targets[name]
        while time.monotonic() < until:
            fault = self.chance.choice(faults)
            begun = time.monotonic()
            await asyncio.to_thread(upstreams.fault, name, **fault)
            await asyncio.sleep(self.chance.uniform(*FAULT_SECONDS))
            await asyncio.to_thread(upstreams.heal, name)
            self.past.append((name, str(fault["kind"]), begun, time.monotonic()))
            await asyncio.sleep(self.chance.uniform(*REST_SECONDS))

    def explains(self, failure: Failure) -> bool:
        """Whether a fault that may show through met it."""
        kinds = EXPLAINS.get(failure.doing, frozenset())
        if failure.outcome == SILENCE:
            return False
        return any(
            kind in kinds and begun <= failure.ended and failure.begun <= ended + TAIL_SECONDS
            for _, kind, begun, ended in self.past
        )


@dataclass
class Soaker:
    """One caller; many of them share a session, the counts and the failures."""

    session: aiohttp.ClientSession
    url: str
    key: str = field(repr=False)
    chance: random.Random
    done: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    generations: int = 0

    async def go_on(self, until: float) -> None:
        """Do one thing after the other, until then."""
        doings = self.doings()
        names = [name for name, (weight, _) in doings.items() for _ in range(weight)]
        while time.monotonic() < until:
            name = self.chance.choice(names)
            begun = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    outcome = await doings[name][1]()
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                outcome = type(error).__name__
            self.done[name] = self.done.get(name, 0) + 1
            if outcome:
                self.failures.append(Failure(name, outcome, begun, time.monotonic()))
            await asyncio.sleep(self.chance.uniform(*PAUSE_SECONDS))

    def doings(self) -> Mapping[str, tuple[int, Callable[[], Awaitable[str]]]]:
        """What callers do, how often, and how: each gives what went wrong, or nothing."""
        return {
            "image": (6, self.image),
            "stream": (4, self.stream),
            "speech": (3, self.speech),
            "video": (3, self.video),
            "cancel": (2, self.cancel),
            "delete": (1, self.delete),
            "leave": (2, self.leave),
            "wrong": (3, self.wrong),
            "look": (2, self.look),
        }

    async def image(self) -> str:
        """Wait for a picture."""
        model, count = self.chance.choice(IMAGES), self.chance.choice((1, 1, 2))
        body = {"model": model, "prompt": "a fox", "n": count}
        status, text = await self.send("POST", "/v1/images/generations", body)
        if status != 200:
            return _outcome(status, text)
        return "" if len(json.loads(text)["data"]) == count else "too few images"

    async def stream(self) -> str:
        """Watch a picture come."""
        model = self.chance.choice(IMAGES)
        body = {"model": model, "prompt": "a fox", "stream": True, "partial_images": 2}
        status, text = await self.send("POST", "/v1/images/generations", body)
        if status != 200:
            return _outcome(status, text)
        if b"image_generation.completed" in text:
            return ""
        return "error event" if b'"error"' in text else SILENCE

    async def speech(self) -> str:
        """Listen to a sound while it is made."""
        model = self.chance.choice(VOICES)
        body = {"model": model, "input": "Good morning. " * 20, "voice": "alloy"}
        status, text = await self.send("POST", "/v1/audio/speech", body)
        return "" if status == 200 and text else _outcome(status, text)

    async def video(self) -> str:
        """Order a film and ask for it until it is there."""
        status, text = await self.order()
        return _outcome(status, text) if status != 200 else await self.awaited(_id(text))

    async def cancel(self) -> str:
        """Order a film, and think better of it."""
        status, text = await self.order()
        if status != 200:
            return _outcome(status, text)
        await asyncio.sleep(self.chance.uniform(0, 1.5))
        path = f"/api/v1/generations/{_id(text)}:cancel"
        status, answer = await self.send("POST", path, {})
        return "" if status == 200 else _outcome(status, answer)

    async def delete(self) -> str:
        """Order a film, and wish that it had never been."""
        status, text = await self.order()
        if status != 200:
            return _outcome(status, text)
        await asyncio.sleep(self.chance.uniform(0, 1.5))
        status, answer = await self.send("DELETE", f"/api/v1/generations/{_id(text)}")
        return "" if status == 200 else _outcome(status, answer)

    async def leave(self) -> str:
        """Ask for something and hang up; what breaks before that is judged as what it was."""
        doing = self.chance.choice((self.image, self.stream, self.speech))
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self.chance.uniform(0.005, 0.1)):
                await doing()
        except TimeoutError:
            pass
        except (aiohttp.ClientError, ConnectionError) as error:
            outcome = type(error).__name__
            self.failures.append(Failure(doing.__name__, outcome, begun, time.monotonic()))
        return ""

    async def wrong(self) -> str:
        """Ask for what cannot be had."""
        method, path, body, key, wanted = self.chance.choice(WRONG)
        status, text = await self.send(method, path, body, key)
        return "" if status == wanted else f"wanted {wanted}: {_outcome(status, text)}"

    async def look(self) -> str:
        """Read what is there."""
        paths = ("/api/v1/balance", "/v1/models", "/api/v1/generations", "/readyz")
        status, text = await self.send("GET", self.chance.choice(paths))
        return "" if status == 200 else _outcome(status, text)

    async def order(self) -> tuple[int, bytes]:
        """Ask for a film."""
        model = self.chance.choice(FILMS)
        body = {"model": model, "prompt": "a fox runs", "duration": 4, "resolution": "480p"}
        return await self.send("POST", "/api/v1/videos/generations", body)

    async def awaited(self, id_: str) -> str:
        """The end of a film."""
        while True:
            status, text = await self.send("GET", f"/api/v1/tasks/{id_}")
            if status != 200:
                return _outcome(status, text)
            task = json.loads(text)
            if task["status"] not in ("pending", "processing"):
                return "" if task["status"] == "completed" else f"failed {task['error']['code']}"
            await asyncio.sleep(0.25)

    async def send(
        self, method: str, path: str, body: object = None, key: str | None = None
    ) -> tuple[int, bytes]:
        """Status and whole body of an answer."""
        headers = {"authorization": f"Bearer {self.key if key is None else key}"}
        async with self.session.request(
            method, f"{self.url}{path}", json=body, headers=headers
        ) as response:
            return response.status, await response.read()


WRONG: Sequence[tuple[str, str, object, str | None, int]] = (
    ("POST", "/v1/images/generations", {"model": "no-such-model", "prompt": "x"}, None, 404),
    ("POST", "/v1/images/generations", {"model": IMAGES[0]}, None, 400),
    ("POST", "/v1/images/generations", {"model": IMAGES[0], "prompt": "x", "n": 99}, None, 400),
    ("POST", "/v1/images/generations", {"model": IMAGES[0], "prompt": "x", "size": "1"}, None, 400),
    ("POST", "/v1/images/generations", {"model": IMAGES[0], "prompt": "x"}, "sk-nobody", 401),
    ("POST", "/api/v1/videos/generations", {"model": FILMS[0], "duration": 9_999}, None, 400),
    ("POST", "/v1/audio/speech", {"model": VOICES[0], "input": ""}, None, 400),
    ("GET", f"/api/v1/tasks/task_{'0' * 32}", None, None, 404),
    ("GET", "/v1/nothing", None, None, 404),
)
"""Method, path, body, key (None: the caller's), and the status that is right."""


def _id(text: bytes) -> str:
    return str(json.loads(text)["id"])


def _outcome(status: int, text: bytes) -> str:
    try:
        return f"{status} {json.loads(text)['error']['code']}"
    except (ValueError, KeyError, TypeError):
        return str(status)
