"""What a core without REST answers over HTTP: /healthz, /readyz and /metrics."""

from grpc_health.v1 import health_pb2

from core.app import Core
from gateway.metrics import metrics_app
from rest_bridge.asgi import ASGIApp, Receive, Scope, Send

_TYPE = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")


def probes_app(core: Core) -> ASGIApp:
    """An ASGI application for load balancers and Prometheus."""
    metrics = metrics_app(core.metrics, core.admin_token)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        match scope["path"]:
            case "/metrics":
                await metrics(scope, receive, send)
            case "/healthz":
                await _answer(send, 200, b'{"status":"ok"}')
            case "/readyz" if await _is_serving(core):
                await _answer(send, 200, b'{"status":"ready"}')
            case "/readyz":
                await _answer(send, 503, b'{"status":"not ready"}')
            case _:
                await _answer(send, 404, b'{"status":"core serves gRPC; REST is at its bridges"}')

    return app


async def _is_serving(core: Core) -> bool:
    # The servicer looks at its context only for services that it does not know.
    answer = await core.health.Check(health_pb2.HealthCheckRequest(), None)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _answer(send: Send, status: int, body: bytes) -> None:
    size = (b"content-length", b"%d" % len(body))
    headers = [_TYPE, _NO_STORE, size]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
