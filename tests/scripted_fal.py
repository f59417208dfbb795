"""fal's queue without HTTP, which plays what a test wrote down, beside channels that leave no job."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import orjson

from core.body import Body
from core.catalog.entries import Catalogue
from core.errors import UpstreamError
from core.model import Channel
from core.providers.wire import Call, Clear, Reply, at_any_time
from tests.fix_core import Scripted, catalogue, replace_error

FAL = "gpt-image-2-fal"
PRO = "gemini-pro-fal"
SYNC = "openai-a"
PRO_SYNC = "gemini-pro-a"
MADE = "made"
"""A step: the job is made, whatever is answered."""


@dataclass
class Request:
    """A job at the provider."""

    id: str
    input: dict[str, Any]
    states: list[str]
    sent_at: float


class FalQueue(Scripted):
    """Channels at fal, whose requests go through `lives`; results are `results`.

    Each call of an operation (`submit`, `look`, `result`, `find`, `cancel`) takes the next script
    of `plans`: an error is raised, an event waited for, (status, document) answered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.lives: list[str] = ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
        self.results: tuple[int, Any] | None = None
        self.plans: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.calls: list[str] = []
        self.reached: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.page_size = 100

    async def call(
        self,
        call: Call,
        channel: Channel,
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> Reply:
        del channel, budget
        clear()
        operation = operation_of(call)
        self.calls.append(operation)
        self.reached[operation].set()
        plans = self.plans[operation]
        for step in plans.pop(0) if plans else ():
            if step is MADE:
                self._make(call)
            elif isinstance(step, UpstreamError):
                raise replace_error(step)
            elif isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, tuple):
                return reply(*step)
            else:
                step()
        return self._answer(call, operation)

    def _make(self, call: Call) -> Request:
        assert isinstance(call.body, Body)
        made = Request(
            f"request-{len(self.requests)}",
            orjson.loads(call.body.reveal()),
            list(self.lives),
            time.time(),
        )
        self.requests.append(made)
        return made

    def add(self) -> None:
        """Somebody else's request."""
        other = Request(f"other-{len(self.requests)}", {"seed": 1}, ["IN_QUEUE"], time.time())
        self.requests.append(other)

    def _answer(self, call: Call, operation: str) -> Reply:
        if operation == "submit":
            return reply(200, {"status": "IN_QUEUE", "request_id": self._make(call).id})
        if operation == "find":
            return self._page(call)
        name = call.path.split("/requests/")[1].partition("/")[0]
        request = next(one for one in self.requests if one.id == name)
        if operation == "cancel":
            request.states = ["CANCELLED"]
            return reply(202, {"status": "CANCELLATION_REQUESTED"})
        if operation == "result":
            return reply(*(self.results or (200, images(request.input.get("num_images", 1)))))
        status = request.states.pop(0) if len(request.states) > 1 else request.states[0]
        if status == "CANCELLED":
            end = {"status": "COMPLETED", "error": "x", "error_type": "client_cancelled"}
            return reply(200, {"request_id": name, **end})
        return reply(200, {"status": status, "request_id": name})

    def _page(self, call: Call) -> Reply:
        passed = int(call.path.partition("cursor=")[2] or 0)
        newest = self.requests[::-1]
        items = [
            {
                "request_id": one.id,
                "sent_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.sent_at)),
                "json_input": one.input,
            }
            for one in newest[passed : passed + self.page_size]
        ]
        more = passed + self.page_size < len(newest)
        cursor = str(passed + self.page_size) if more else None
        return reply(200, {"items": items, "has_more": more, "next_cursor": cursor})


def operation_of(call: Call) -> str:
    """What a call of the dialect asks for."""
    if call.aside:
        return "find"
    if call.method == "GET":
        return "look" if call.path.endswith("/status") else "result"
    return {"POST": "submit", "PUT": "cancel"}[call.method]


def images(count: int) -> dict[str, Any]:
    """An output of so many."""
    return {"images": [{"url": f"http://127.0.0.1:1/{index}.png"} for index in range(count)]}


def reply(status: int, document: Any) -> Reply:
    return Reply(status, {}, Body(orjson.dumps(document)), time.time())


def mixed(**changes: Any) -> Catalogue:
    """The embedded catalogue with one channel of each kind for two models; jobs are looked at fast.

    *changes* are of the channels at fal.
    """
    names = {
        f"SIMULATOR_{what}_{name.upper().replace('-', '_')}": value
        for name in (FAL, PRO, PRO_SYNC)
        for what, value in (("URL", "http://127.0.0.1:1"), ("KEY", "k"))
    }
    found: Catalogue = catalogue(**names)
    changes = {"poll_seconds": 0.004, **changes}
    channels = {
        name: replace(channel, **changes) if name in (FAL, PRO) else channel
        for name, channel in found.channels.items()
        if name in (FAL, PRO, SYNC, PRO_SYNC)
    }

    def tier(channel: Channel) -> tuple[int, str]:
        return channel.priority, channel.name

    routes = {
        model: tuple(
            sorted(
                (
                    replace(channel, **changes) if channel.name in (FAL, PRO) else channel
                    for channel in route
                    if channel.name in channels
                ),
                key=tier,
            )
        )
        for model, route in found.routes.items()
    }
    return replace(found, channels=channels, routes=routes)
