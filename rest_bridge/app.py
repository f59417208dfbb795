"""The ASGI root: finds the route, supervises its handler, and lets no exception out."""

from collections.abc import Mapping
from time import monotonic
from traceback import walk_tb

import grpc

from rest_bridge.asgi import ASGIApp, ClientGone, Receive, Scope, Send
from rest_bridge.errors import ApiError
from rest_bridge.exchange import ByteBudget, Exchange
from rest_bridge.headers import Header, Headers
from rest_bridge.refusals import whole
from rest_bridge.routes import Added, Route, build_routes
from rest_bridge.settings import BridgeSettings, Defect, Served

_LONGEST_URL_SHOWN = 200
_OURS = ("/v1/", "/api/")
"""Unknown paths below these are errors of the API, whatever is mounted at `/`."""
_PREFLIGHT_SECONDS = b"600"


def create_app(
    channel: grpc.aio.Channel,
    settings: BridgeSettings,
    extra: Mapping[str, ASGIApp] | None = None,
    added: Added = (),
) -> "Bridge":
    """The bridge as an ASGI application that calls core over *channel*.

    *channel* may be a `grpc.aio` channel or an in-process one with the same
    methods. *extra* mounts applications: each answers its path and what lies
    below, unless a route of the bridge does. *added* are such routes: the pages.
    """
    return Bridge(channel, settings, extra or {}, added)


class Bridge:
    """An ASGI application; and what it answers before there is anything of ASGI (`early`)."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        settings: BridgeSettings,
        extra: Mapping[str, ASGIApp],
        added: Added,
    ) -> None:
        self._settings = settings
        self._routes = build_routes(channel, added)
        self._budget = ByteBudget(settings.body_bytes_in_flight)
        # The longest path first: the most exact mount answers.
        self._mounts = sorted(extra.items(), key=lambda item: -len(item[0]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _no_http(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, self._settings, self._budget)
        try:
            await self._serve(exchange, receive, send)
        except ClientGone:
            pass
        except ApiError as error:
            await exchange.fail(error)
        except Exception as error:  # noqa: BLE001 (the supervision boundary of HTTP)
            self._settings.report_defect(_defect(exchange, error))
            await exchange.fail(ApiError("INTERNAL"))
        finally:
            exchange.release()
            self._settings.report_route(
                Served(
                    exchange.endpoint,
                    exchange.status,
                    exchange.request_id,
                    (monotonic() - exchange.started_at) * 1_000,
                )
            )

    def early(self, method: str, path: str, headers: Headers) -> bytes | None:
        """The whole answer to a request that is turned away for who sends it; else None.

        Under overload most requests are: each costs a fraction of what an exchange costs, and
        none a line in the log (the metrics count them). Not for HEAD; paths with arguments are
        looked at later.
        """
        routes = self._routes.fixed(path)
        route = None if routes is None else routes.get(method)
        if route is None:
            return None
        found = dict(headers)
        turned = self._turned_away(found, route)
        return None if turned is None else whole(turned, crosses=b"origin" in found)

    async def _serve(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        routes = self._routes.fixed(exchange.path)
        arguments: Mapping[str, Mapping[str, str]] = {}
        if routes is None:
            found = self._routes.find(exchange.raw_path())
            if found is not None:
                routes, arguments = found.routes, found.arguments
        if routes is None:
            mounted = self._mounted(exchange.path)
            if mounted is None:
                raise _unknown_url(exchange)
            await mounted(exchange.scope, receive, send)
            return
        method = exchange.method
        if method == "OPTIONS":
            await _options(exchange, routes)
            return
        route = routes.get(method)
        if route is None:
            allowed = ", ".join(sorted(routes))
            raise ApiError(
                "METHOD_NOT_ALLOWED",
                f"Not allowed to {method[:20]} on {_shown(exchange)}. Allowed: {allowed}.",
                metadata={"allow": allowed},
            )
        exchange.endpoint = route.template
        if arguments or exchange.direct is None or not exchange.direct.is_welcome:
            self._glance(exchange, route)
        if method in arguments:
            exchange.arguments = dict(arguments[method])
        await route.handler(exchange)

    def _glance(self, exchange: Exchange, route: Route) -> None:
        """Refuse at once what core would only refuse later: then refusing costs next to nothing."""
        turned = self._turned_away(exchange.headers, route)
        if turned is not None:
            raise turned

    def _turned_away(self, headers: Mapping[bytes, bytes], route: Route) -> ApiError | None:
        value = headers.get(b"authorization")
        if value is None:
            return None
        scheme, _, token = value.decode("latin-1").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        turned = self._settings.turned_away(token.strip(), route.starts)
        if turned is None:
            return None
        return ApiError(
            turned.reason,
            turned.message,
            retry_after=turned.retry_after,
            metadata=turned.metadata,
        )

    def _mounted(self, path: str) -> ASGIApp | None:
        for prefix, app in self._mounts:
            base = prefix.rstrip("/")
            if path == prefix or path.startswith(base + "/"):
                return None if not base and path.startswith(_OURS) else app
        return None


async def _options(exchange: Exchange, routes: Mapping[str, Route]) -> None:
    """A CORS preflight: any origin may call with a key, never with cookies."""
    allowed = ", ".join(sorted({*routes, "OPTIONS"})).encode()
    headers: list[Header] = [
        (b"allow", allowed),
        (b"access-control-allow-methods", allowed),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
        (b"vary", b"access-control-request-headers"),
    ]
    # `*` does not cover Authorization: name what the browser asks for.
    asked = exchange.headers.get(b"access-control-request-headers", b"")
    if asked and all(0x20 <= byte < 0x7F for byte in asked):
        headers.append((b"access-control-allow-headers", asked))
    await exchange.start(204, headers)
    await exchange.write(b"", more=False)


async def _no_http(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse websockets; go along with the lifespan protocol of servers that speak it."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _unknown_url(exchange: Exchange) -> ApiError:
    return ApiError(
        "ENDPOINT_NOT_FOUND", f"Invalid URL ({exchange.method[:20]} {_shown(exchange)})"
    )


def _shown(exchange: Exchange) -> str:
    return exchange.path[:_LONGEST_URL_SHOWN]


def _defect(exchange: Exchange, error: Exception) -> Defect:
    """What may be told of an exception: its type and where; never its text."""
    frames = tuple(
        f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}"
        for frame, line in walk_tb(error.__traceback__)
    )
    return Defect(exchange.request_id, exchange.endpoint, type(error).__name__, frames)
