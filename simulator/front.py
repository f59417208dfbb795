"""The front of one channel: takes a request, records it, and answers or fails as told."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn

from aiohttp import hdrs, web

from simulator import delivery
from simulator.answer import Answer, Dialect, Incoming
from simulator.calls import Call, CallLog
from simulator.faults import JOB_KINDS, Fault, FaultBoard
from simulator.knobs import Knobs

MAX_BODY_BYTES: Final = 128 << 20
# The only text of a request line that is recorded.
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_GARBAGE: Final = Answer(
    status=200,
    headers={"content-type": "text/html; charset=utf-8"},
    frames=(
        b"<!DOCTYPE html>\n<html><head><title>Just a moment</title></head><body></body></html>\n",
    ),
    outcome="faulted",
)


def _call(_method: str, _path: str) -> str:
    return "call"


class _TooLarge(Exception):
    """The body is longer than any that is taken."""


@dataclass(slots=True)
class Front:
    """Serves every request that reaches one channel's port."""

    channel: str
    dialect: Dialect
    faults: FaultBoard
    calls: CallLog
    knobs: Knobs = field(default_factory=Knobs)
    # What a call (method, path) is for; dialects without jobs have calls only.
    operation: Callable[[str, str], str] = _call
    # Connections with a call in flight; the others may be dropped at once by `refuse`.
    busy: set[object] = field(default_factory=set)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request; aiohttp calls this."""
        method = request.method if request.method in _METHODS else "(other)"
        route = self.dialect.route(request.rel_url.path)
        call = self.calls.begin(self.channel, method, route, _now_ms())
        protocol = request.protocol
        self.busy.add(protocol)
        try:
            return await self._serve(request, call)
        except (asyncio.CancelledError, ConnectionError, web.RequestPayloadError):
            # Only a caller who left, or our own shutdown, ends here.
            call.outcome = "disconnected"
            raise
        finally:
            call.ended_ms = _now_ms()
            self.busy.discard(protocol)

    async def _serve(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        try:
            body = await _read_body(request)
        except _TooLarge:
            return await self._whole(request, self.dialect.too_large(MAX_BODY_BYTES), call)
        call.request_bytes = len(body)
        call.digest = self.calls.digest(body)
        incoming = Incoming(
            method=request.method,
            path=request.rel_url.path,
            headers=request.headers,
            body=body,
            knobs=self.knobs,
            now=time.monotonic(),
            query=request.rel_url.raw_query_string,
        )
        operation = self.operation(incoming.method, incoming.path)
        fault = self.faults.take(self.channel, operation)
        if fault is None:
            return await self._whole(request, await self.dialect.answer(incoming), call)
        call.fault = fault.kind
        if fault.kind in JOB_KINDS:
            incoming = replace(incoming, job_fault=fault)
            return await self._whole(request, await self.dialect.answer(incoming), call)
        if fault.delay_ms and fault.kind != "slow":
            await asyncio.sleep(fault.delay_s)
        return await self._fail(request, incoming, call, fault)

    async def _whole(
        self, request: web.BaseRequest, answer: Answer, call: Call
    ) -> web.StreamResponse:
        call.made = answer.made
        if said := self.knobs.limit_headers:
            answer = replace(answer, headers={**answer.headers, **said})
        response = await delivery.send_whole(request, answer, call)
        call.outcome = answer.outcome
        return response

    async def _fail(
        self, request: web.BaseRequest, incoming: Incoming, call: Call, fault: Fault
    ) -> web.StreamResponse:
        """Act *fault* out; the table in `simulator.faults` says what each kind does."""
        match fault.kind:
            case "garbage":
                return await self._whole(request, _GARBAGE, call)
            case "hang" if not fault.after and fault.unit != "headers":
                return await _forever()
            case "reset" if not fault.after and fault.unit != "headers":
                call.outcome = "faulted"
                return delivery.reset(request)
            case "status" | "in_band":
                return await self._status(request, incoming, call, fault)
            case _:
                return await self._spoil(request, incoming, call, fault)

    async def _status(
        self, request: web.BaseRequest, incoming: Incoming, call: Call, fault: Fault
    ) -> web.StreamResponse:
        is_told_within = fault.kind == "in_band"
        is_call = self.operation(incoming.method, incoming.path) == "call"
        if fault.after or (is_told_within and is_call):
            answer = await self.dialect.answer(incoming)
            if answer.streamed and not answer.has_events and fault.after:
                # What has no event for it can only break off.
                call.outcome = "faulted"
                cut = replace(fault, kind="cut", unit="events")
                response = await delivery.send_part(request, answer, call, cut)
                delivery.close(request)
                return response
            if answer.streamed and answer.has_events:
                kept = answer.frames[: min(fault.after, len(answer.frames) - 1)]
                frames = (*kept, self.dialect.failure_event(fault))
                broken = replace(answer, frames=frames, outcome="faulted", made=0)
                return await self._whole(request, broken, call)
        failure = self.dialect.failure(fault)
        if is_told_within:
            failure = replace(failure, status=200)
        return await self._whole(request, failure, call)

    async def _spoil(
        self, request: web.BaseRequest, incoming: Incoming, call: Call, fault: Fault
    ) -> web.StreamResponse:
        """Make the true answer, then hold back, break or delay it."""
        if fault.kind == "empty":
            incoming = replace(incoming, empty=fault.variant)
        if fault.kind == "slow":
            await asyncio.sleep(fault.delay_s)
        answer = await self.dialect.answer(incoming)
        call.made = answer.made
        match fault.kind:
            case "slow" if fault.after:
                response = await delivery.send_slowly(request, answer, call, fault)
            case "slow":
                return await self._whole(request, answer, call)
            case "lost":
                await asyncio.sleep(answer.wait_s)
                response = delivery.close(request)
            case "cut":
                response = await delivery.send_part(request, answer, call, fault)
                delivery.close(request)
            case "reset":
                response = await delivery.send_part(request, answer, call, fault)
                delivery.reset(request)
            case "hang":
                response = await delivery.send_part(request, answer, call, fault)
                await _forever()
            case "malformed":
                response = await delivery.send_whole(request, delivery.garbled(answer, fault), call)
            case _:
                # `empty`; and `refuse`, for the call that slipped in before the listener closed.
                response = await delivery.send_whole(request, answer, call)
        call.outcome = answer.outcome if fault.kind in {"slow", "refuse"} else "faulted"
        return response


async def _forever() -> NoReturn:
    """Wait until cancelled: aiohttp does so when the caller leaves or the listener closes."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def _read_body(request: web.BaseRequest) -> bytes:
    """Read the body here and nowhere else: aiohttp would keep it with the idle connection."""
    length = request.content_length
    if length is not None and length > MAX_BODY_BYTES:
        raise _TooLarge
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    chunks: list[bytes] = []
    size = 0
    while chunk := await request.content.readany():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise _TooLarge
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _now_ms() -> float:
    return time.monotonic() * 1_000
