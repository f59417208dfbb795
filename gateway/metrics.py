"""`GET /metrics` for Prometheus: on loopback, or with the admin token."""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import ip_address
from typing import Any

from core.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_TYPE = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


def metrics_app(metrics: Metrics, admin_token: str | None) -> App:
    """An ASGI application that answers every path with the metrics.

    A process that knows no token (None) answers on loopback only.
    """
    expected = f"Bearer {admin_token}".encode()

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        allowed = admin_token is not None and hmac.compare_digest(
            headers.get(b"authorization", b""), expected
        )
        # A forwarded request comes from loopback too: its own origin is not known here.
        is_forwarded = b"x-forwarded-for" in headers or b"forwarded" in headers
        allowed = allowed or (_is_loopback(scope) and not is_forwarded)
        body = metrics.render() if allowed else b"Only on loopback, or with the admin token.\n"
        status = 200 if allowed else 403
        size = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [_TYPE, size]})
        await send({"type": "http.response.body", "body": body})

    return app


def _is_loopback(scope: Scope) -> bool:
    client = scope.get("client")
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False
