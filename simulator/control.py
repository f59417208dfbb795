"""The simulator's controls over HTTP: faults, settings, the record of calls."""

import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from simulator.calls import CallLog
from simulator.faults import Fault, parse_fault
from simulator.jobs import STATUSES, JobBook
from simulator.json_object import ControlError, one_of
from simulator.knobs import Knobs, turn

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class UnknownChannel(ControlError):
    """A control named a channel that does not exist."""

    def __init__(self, channel: str) -> None:
        super().__init__("channel", f"no such channel: {channel[:64]}")


class Controlled(Protocol):
    """What the controls act on: the simulator."""

    calls: CallLog

    def describe(self) -> list[dict[str, str]]:
        """Give each channel's name, dialect and base URL."""

    def faults(self) -> dict[str, Fault | None]:
        """Give each channel's fault."""

    async def set_fault(self, channel: str, fault: Fault) -> None:
        """Break a channel."""

    async def clear_faults(self, channel: str | None = None) -> None:
        """Heal a channel, or all."""

    def knobs(self, channel: str) -> Knobs:
        """Give a channel's settings."""

    def turn_knobs(self, channel: str, knobs: Knobs) -> None:
        """Change a channel's settings."""

    def books(self) -> dict[str, JobBook]:
        """Give the jobs of each channel that has any."""


class Control:
    """The routes of the control port.

    Errors are JSON, `{"error": {"field", "message"}}`: 404 for an unknown channel or path, 400
    for anything else that is wrong.
    """

    def __init__(self, simulator: Controlled) -> None:
        self._simulator = simulator

    def application(self) -> web.Application:
        """Give the aiohttp application."""
        application = web.Application(middlewares=[_json_errors], client_max_size=1 << 16)
        route = application.router
        route.add_get("/_channels", self._channels)
        route.add_get("/_faults", self._list_faults)
        route.add_delete("/_faults", self._clear_all)
        route.add_put("/_faults/{channel}", self._put_fault)
        route.add_delete("/_faults/{channel}", self._clear_fault)
        route.add_get("/_settings", self._list_settings)
        route.add_put("/_settings", self._put_settings)
        route.add_delete("/_settings", self._reset_settings)
        route.add_put("/_settings/{channel}", self._put_settings)
        route.add_get("/_calls", self._list_calls)
        route.add_delete("/_calls", self._clear_calls)
        route.add_get("/_calls/count", self._count_calls)
        route.add_get("/_jobs", self._list_jobs)
        route.add_get("/_jobs/count", self._count_jobs)
        return application

    async def _channels(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"channels": self._simulator.describe()})

    async def _list_faults(self, _request: web.Request) -> web.StreamResponse:
        faults = self._simulator.faults()
        shown = {channel: fault and fault.as_json() for channel, fault in faults.items()}
        return web.json_response({"faults": shown})

    async def _put_fault(self, request: web.Request) -> web.StreamResponse:
        channel = self._channel(request)
        fault = parse_fault(await _json_body(request))
        await self._simulator.set_fault(channel, fault)
        return web.json_response(fault.as_json())

    async def _clear_fault(self, request: web.Request) -> web.StreamResponse:
        await self._simulator.clear_faults(self._channel(request))
        return await self._list_faults(request)

    async def _clear_all(self, request: web.Request) -> web.StreamResponse:
        await self._simulator.clear_faults()
        return await self._list_faults(request)

    async def _list_settings(self, _request: web.Request) -> web.StreamResponse:
        channels = self._simulator.faults()
        shown = {channel: self._simulator.knobs(channel).as_json() for channel in channels}
        return web.json_response({"settings": shown})

    async def _put_settings(self, request: web.Request) -> web.StreamResponse:
        chosen = [self._channel(request)] if "channel" in request.match_info else None
        channels = chosen or list(self._simulator.faults())
        data = await _json_body(request)
        turned = {channel: turn(self._simulator.knobs(channel), data) for channel in channels}
        for channel, knobs in turned.items():
            self._simulator.turn_knobs(channel, knobs)
        return await self._list_settings(request)

    async def _reset_settings(self, request: web.Request) -> web.StreamResponse:
        for channel in self._simulator.faults():
            self._simulator.turn_knobs(channel, Knobs())
        return await self._list_settings(request)

    async def _list_calls(self, request: web.Request) -> web.StreamResponse:
        channel = request.query.get("channel")
        if channel is not None and channel not in self._simulator.faults():
            raise UnknownChannel(channel)
        limit = request.query.get("limit")
        if limit is not None and not (limit.isascii() and limit.isdigit() and len(limit) < 10):
            raise ControlError("limit", "expected a whole number")
        calls = self._simulator.calls.newest(channel, int(limit) if limit else None)
        return web.json_response({"calls": [call.as_json() for call in calls]})

    async def _clear_calls(self, request: web.Request) -> web.StreamResponse:
        self._simulator.calls.clear()
        return await self._count_calls(request)

    async def _count_calls(self, _request: web.Request) -> web.StreamResponse:
        counts = self._simulator.calls.counts()
        routes = self._simulator.calls.routes()
        total = sum(counts.values())
        return web.json_response({"total": total, "channels": counts, "routes": routes})

    async def _list_jobs(self, request: web.Request) -> web.StreamResponse:
        books = self._books(request)
        status = request.query.get("status")
        if status is not None:
            one_of("status", status, STATUSES)
        now = time.monotonic()
        jobs = {
            channel: [job.as_json(now) for job in book.all() if status in {None, job.status(now)}]
            for channel, book in books.items()
        }
        return web.json_response({"now_ms": round(now * 1_000, 3), "jobs": jobs})

    async def _count_jobs(self, request: web.Request) -> web.StreamResponse:
        now = time.monotonic()
        channels = {}
        for channel, book in self._books(request).items():
            standing = Counter(job.status(now) for job in book.all())
            counts = {status: standing[status] for status in STATUSES}
            channels[channel] = {"made": book.made, **counts}
        return web.json_response({"channels": channels})

    def _books(self, request: web.Request) -> dict[str, JobBook]:
        books = self._simulator.books()
        channel = request.query.get("channel")
        if channel is None:
            return books
        if channel not in books:
            raise UnknownChannel(channel)
        return {channel: books[channel]}

    def _channel(self, request: web.Request) -> str:
        channel = request.match_info["channel"]
        if channel not in self._simulator.faults():
            raise UnknownChannel(channel)
        return channel


@web.middleware
async def _json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except UnknownChannel as error:
        return _error(404, error.field, str(error))
    except ControlError as error:
        return _error(400, error.field, str(error))
    except web.HTTPException as error:
        return _error(error.status, "path", error.reason)


def _error(status: int, field: str, message: str) -> web.Response:
    return web.json_response({"error": {"field": field, "message": message}}, status=status)


async def _json_body(request: web.Request) -> object:
    try:
        return json.loads(await request.read())
    except ValueError:
        raise ControlError("body", "not valid JSON") from None
