"""The REST bridge on a bound socket: its reports become typed events."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from grpc import aio

from core.errors import GatewayError
from core.log import Defect, Emit, RouteEnded, Started
from dashboard.pages import pages
from rest_bridge.app import create_app
from rest_bridge.asgi import ASGIApp
from rest_bridge.client_address import Network, Proxies
from rest_bridge.protocol import Early
from rest_bridge.server import HttpServer
from rest_bridge.settings import BridgeSettings, Served, TurnedAway, welcome
from rest_bridge.settings import Defect as BridgeDefect

Glance = Callable[[str, bool], GatewayError | None]
"""The error for a request with a credential, where core knows it before it is asked."""


@dataclass(frozen=True, slots=True)
class CallerAddress:
    """How a bridge finds where callers are, and what makes core believe it."""

    trusted_proxies: tuple[Network, ...] = ()
    token: str = field(default="", repr=False)
    """Needless in core's own process."""


async def serve_rest(
    listener: socket.socket,
    channel: aio.Channel,
    emit: Emit,
    extra: Mapping[str, ASGIApp],
    caller: CallerAddress,
    glance: Glance | None = None,
) -> HttpServer:
    """Serve REST, calling core over *channel*; the caller stops what is returned.

    *glance* is that of a core in the same process.
    """

    def report(found: BridgeDefect) -> None:
        emit(Defect(found.endpoint or "rest", found.error_type, "/".join(found.frames)[-96:]))

    def served(request: Served) -> None:
        emit(RouteEnded(request.endpoint, request.status, request.request_id, request.milliseconds))

    settings = BridgeSettings(
        report_defect=report,
        report_route=served,
        proxies=Proxies(caller.trusted_proxies),
        token=caller.token,
        turned_away=welcome if glance is None else _turning_away(glance),
    )
    bridge = create_app(channel, settings, extra, pages(channel))
    return await serve_app(listener, bridge, emit, "rest", bridge.early)


def _turning_away(glance: Glance) -> Callable[[str, bool], TurnedAway | None]:
    """What core would say, in the bridge's words."""

    def turned_away(credential: str, starts: bool) -> TurnedAway | None:  # noqa: FBT001 (a callback)
        error = glance(credential, starts)
        if error is None:
            return None
        return TurnedAway(str(error.reason), error.message, error.retry_after, error.metadata)

    return turned_away


async def serve_app(
    listener: socket.socket, app: ASGIApp, emit: Emit, part: str, early: Early | None = None
) -> HttpServer:
    """Serve *app*; *part* is what the log calls it."""
    server = HttpServer(app, "", 0, sock=listener, early=early)
    await server.start()
    emit(Started(part, listener.getsockname()[1]))
    return server
