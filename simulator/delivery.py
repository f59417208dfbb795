"""Sends an answer over one connection: whole, or broken the way a fault says."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace

from aiohttp import web

from simulator.answer import Answer
from simulator.calls import Call
from simulator.faults import Fault

# How long bytes already written may take to leave before the connection is torn down.
FLUSH_SECONDS = 1.0
_BROKEN_EVENT = b'data: {"type":"image_generation.comp\n\n'
_PAGE = b"<!DOCTYPE html>\n<html><head><title>Error</title></head></html>\n"


async def send_whole(request: web.BaseRequest, answer: Answer, call: Call) -> web.StreamResponse:
    """Send *answer* as a healthy upstream does."""
    if answer.wait_s:
        await asyncio.sleep(answer.wait_s)
    if answer.streamed:
        return await _send_frames(request, answer, call)
    response = web.Response(
        status=answer.status, body=answer.frames[0], headers=dict(answer.headers)
    )
    await response.prepare(request)
    call.status = answer.status
    await response.write_eof()
    # The connection remembers its last response while it idles; it must not remember the body.
    response.body = None
    return response


async def _send_frames(request: web.BaseRequest, answer: Answer, call: Call) -> web.StreamResponse:
    response = await _headed(request, answer, call)
    for index, frame in enumerate(answer.frames):
        if index and answer.interval_s:
            await asyncio.sleep(answer.interval_s)
        await response.write(frame)
    await response.write_eof()
    return response


async def send_part(
    request: web.BaseRequest, answer: Answer, call: Call, fault: Fault
) -> web.StreamResponse:
    """Send the headers and what *fault*'s `after` lets through, never the end."""
    if answer.wait_s:
        await asyncio.sleep(answer.wait_s)
    response = await _headed(request, answer, call)
    request.writer.send_headers()  # they would wait for the first byte
    for index, piece in enumerate(_let_through(answer, fault)):
        if index and answer.interval_s:
            await asyncio.sleep(answer.interval_s)
        await response.write(piece)
    await _flush(request)
    return response


async def send_slowly(
    request: web.BaseRequest, answer: Answer, call: Call, fault: Fault
) -> web.StreamResponse:
    """Send *answer* whole, its body in pieces of `after` bytes, `delay_ms` before each."""
    if answer.wait_s:
        await asyncio.sleep(answer.wait_s)
    response = await _headed(request, answer, call)
    for frame in answer.frames:
        for start in range(0, len(frame), fault.after):
            await asyncio.sleep(fault.delay_s)
            await response.write(frame[start : start + fault.after])
    await response.write_eof()
    return response


async def _headed(request: web.BaseRequest, answer: Answer, call: Call) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=dict(answer.headers))
    if not answer.streamed:
        response.content_length = len(answer.frames[0])
    await response.prepare(request)
    call.status = answer.status
    return response


def _let_through(answer: Answer, fault: Fault) -> Iterator[bytes]:
    """Yield what may be sent, in frames; the last byte or event is always withheld."""
    if fault.counts_events(streamed=answer.streamed):
        yield from answer.frames[: min(fault.after, len(answer.frames) - 1)]
        return
    left = min(fault.after, sum(map(len, answer.frames)) - 1)
    for frame in answer.frames:
        if left <= 0:
            return
        yield frame[:left]
        left -= len(frame)


async def _flush(request: web.BaseRequest) -> None:
    """Wait until the kernel has what was written, so that tearing down does not take it back."""
    if request.transport is None:
        return
    # From here on, draining means emptying.
    request.transport.set_write_buffer_limits(high=0)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_SECONDS):
            await request.writer.drain()


def garbled(answer: Answer, fault: Fault) -> Answer:
    """Give *answer* so that it arrives whole and cannot be read."""
    if not answer.streamed:
        return replace(answer, frames=(answer.frames[0][: len(answer.frames[0]) // 2],))
    kept = answer.frames[: min(fault.after, len(answer.frames) - 1)]
    return replace(answer, frames=(*kept, _BROKEN_EVENT if answer.has_events else _PAGE))


def close(request: web.BaseRequest) -> web.StreamResponse:
    """Close in an orderly way (FIN); give aiohttp a response it will fail to send."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def reset(request: web.BaseRequest) -> web.StreamResponse:
    """Tear the connection down with a RST; give aiohttp a response it will fail to send."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        # A lingering time of zero is what makes close() send RST. The option belongs to the
        # connection, not to the descriptor, so a duplicate sets it under any event loop.
        with socket.socket(fileno=os.dup(sock.fileno())) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()
