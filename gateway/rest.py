"""The REST bridge on a bound socket: its reports become typed events."""

import socket
from collections.abc import Mapping

from grpc import aio

from core.log import Defect, Emit, RouteEnded, Started
from rest_bridge.app import create_app
from rest_bridge.asgi import ASGIApp
from rest_bridge.server import HttpServer
from rest_bridge.settings import BridgeSettings, Served
from rest_bridge.settings import Defect as BridgeDefect


async def serve_rest(
    listener: socket.socket, channel: aio.Channel, emit: Emit, extra: Mapping[str, ASGIApp]
) -> HttpServer:
    """Serve REST, calling core over *channel*; the caller stops what is returned."""

    def report(found: BridgeDefect) -> None:
        emit(Defect(found.endpoint or "rest", found.error_type, "/".join(found.frames)[-96:]))

    def served(request: Served) -> None:
        emit(RouteEnded(request.endpoint, request.status, request.request_id, request.milliseconds))

    settings = BridgeSettings(report_defect=report, report_route=served)
    return await serve_app(listener, create_app(channel, settings, extra), emit, "rest")


async def serve_app(listener: socket.socket, app: ASGIApp, emit: Emit, part: str) -> HttpServer:
    """Serve *app*; *part* is what the log calls it."""
    server = HttpServer(app, "", 0, sock=listener)
    await server.start()
    emit(Started(part, listener.getsockname()[1]))
    return server
