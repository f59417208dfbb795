"""A provider of jobs that plays what a test wrote down: Ark's videos, without HTTP."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson

from core.body import Body
from core.catalog.entries import Catalogue
from core.errors import Fault, Phase, UpstreamError
from core.fetch.result import Download
from core.model import Channel, Hosted
from core.providers.ark_videos import TASKS
from core.providers.wire import Call, Clear, Reply, at_any_time
from tests.films import INDEX_FIRST
from tests.fix_core import Scripted, catalogue, replace_error

A, B = "seedance-a", "seedance-b"
MODEL = "seedance-2.0"
POLL_SECONDS = 0.004
PRICE = 178
"""Credits a second, at 720p."""
MADE = "made"
"""A step: the job is made, whatever is answered."""
LOST = UpstreamError(Fault.LOST, Phase.FIRST_BYTE)
FAILS = {"status": "failed", "error": {"code": "InternalServiceError", "message": "secret words"}}
REFUSED = {"error": {"code": "OutputVideoSensitiveContentDetected", "message": "secret words"}}
WITHOUT = [Fault.TIMEOUT, Fault.LOST, Fault.SERVER_ERROR, Fault.UNREACHABLE, Fault.INVALID_RESPONSE]
"""How a call may fail that tells nothing about the job."""


class Clock:
    """The monotonic clock, which a test may move forward."""

    def __init__(self) -> None:
        self.skew = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.skew

    def jump(self, seconds: float) -> None:
        self.skew += seconds


@dataclass
class Task:
    """A job at the provider."""

    id: str
    fields: dict[str, Any]
    states: list[Any]

    @property
    def mark(self) -> str:
        return str(self.fields["safety_identifier"])

    def next(self) -> Any:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def document(self, state: Any) -> dict[str, Any]:
        """What a look answers; a *state* is a status, or whatever the answer shall hold."""
        known: dict[str, Any] = {"id": self.id, "created_at": int(time.time())}
        if isinstance(state, dict):
            return known | state
        if state == "succeeded":
            url = {"video_url": f"http://127.0.0.1:1/{self.id}.mp4"}
            known |= {"content": url, "usage": {"completion_tokens": 100}}
            if self.fields["duration"] > 0:
                known["duration"] = self.fields["duration"]
        return known | {"status": state}


class Ark(Scripted):
    """Two channels that make jobs.

    Each call of an operation (`submit`, `look`, `find`, `cancel`) takes the next script of
    that channel and operation: steps to do before it is answered as Ark would. An error is
    raised, an event waited for, a function called, (status, document) answered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[str, list[Task]] = {A: [], B: []}
        self.lives: dict[str, list[Any]] = {}
        """The states of a channel's jobs, look by look."""
        self.calls: list[tuple[str, str]] = []
        self.reached: defaultdict[tuple[str, str], asyncio.Event] = defaultdict(asyncio.Event)
        self._plans: defaultdict[tuple[str, str], deque[tuple[Any, ...]]] = defaultdict(deque)
        self._always: dict[tuple[str, str], tuple[Any, ...]] = {}

    def plan(self, channel: str, operation: str, *scripts: tuple[Any, ...]) -> None:
        self._plans[channel, operation].extend(scripts)

    def always(self, channel: str, operation: str, *steps: Any) -> None:
        self._always[channel, operation] = steps

    def count(self, channel: str, operation: str) -> int:
        return self.calls.count((channel, operation))

    async def call(
        self,
        call: Call,
        channel: Channel,
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> Reply:
        clear()
        operation = operation_of(call)
        name = (channel.name, operation)
        self.calls.append(name)
        self.reached[name].set()
        plans = self._plans[name]
        for step in plans.popleft() if plans else self._always.get(name, ()):
            if step is MADE:
                self._make(channel.name, call)
            elif isinstance(step, UpstreamError):
                raise replace_error(step)
            elif isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, tuple):
                return reply(*step)
            else:
                step()
        return self._answer(call, channel.name, operation)

    def _make(self, channel: str, call: Call) -> Task:
        number = len(self.tasks[channel])
        assert isinstance(call.body, Body)
        states = list(self.lives.get(channel, ["queued", "running", "succeeded"]))
        task = Task(f"cgt-{channel}-{number}", orjson.loads(call.body.reveal()), states)
        self.tasks[channel].append(task)
        return task

    def _answer(self, call: Call, channel: str, operation: str) -> Reply:
        if operation == "submit":
            return reply(200, {"id": self._make(channel, call).id})
        tasks = self.tasks[channel]
        if operation == "find":
            items = [
                task.document("running") | {"safety_identifier": task.mark} for task in tasks[::-1]
            ]
            return reply(200, {"items": items, "total": len(items)})
        task = next(task for task in tasks if call.path.endswith(task.id))
        if operation == "look":
            return reply(200, task.document(task.next()))
        task.states = ["cancelled"]
        return reply(200, {})


def operation_of(call: Call) -> str:
    """What a call of the dialect asks for."""
    if call.method == "GET":
        return "look" if call.path.startswith(f"{TASKS}/") else "find"
    return {"POST": "submit", "DELETE": "cancel"}[call.method]


def reply(status: int, document: Any) -> Reply:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Reply(status, {}, Body(body), time.time())


class Films:
    """Where results are; each download takes the next step: bytes, an error, an event."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.always: Any = INDEX_FIRST
        self.fetched: list[str] = []
        self.begun = asyncio.Event()

    @asynccontextmanager
    async def open(
        self, hosted: Hosted, channel: Channel, budget: float | None = None
    ) -> AsyncIterator[Download]:
        self.fetched.append(channel.name)
        self.begun.set()
        step = self.steps.pop(0) if self.steps else self.always
        if isinstance(step, asyncio.Event):
            await step.wait()
            step = self.always
        if isinstance(step, UpstreamError):
            raise replace_error(step)

        async def chunks() -> Any:
            yield step

        yield Download(len(step), chunks())


def videos(**changes: Any) -> Catalogue:
    """The embedded catalogue, with two channels of videos that are looked at quickly."""
    env = {f"SIMULATOR_URL_SEEDANCE_{name}": "http://127.0.0.1:1" for name in "AB"}
    keys = {f"SIMULATOR_KEY_SEEDANCE_{name}": "sk-x" for name in "AB"}
    found: Catalogue = catalogue(**env, **keys)
    changes = {"poll_seconds": POLL_SECONDS, **changes}
    channels = {
        name: replace(channel, **changes) if name in (A, B) else channel
        for name, channel in found.channels.items()
    }
    routes = {
        model: tuple(channels[channel.name] for channel in route)
        for model, route in found.routes.items()
    }
    return replace(found, channels=channels, routes=routes)
