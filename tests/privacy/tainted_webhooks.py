"""Calls about webhooks, and callbacks, with a canary in whatever is typed."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.proof.requests import GENERATIONS, Maker, Tainted, as_json, as_text

ENDPOINTS = "/api/v1/webhook_endpoints"
URL = "https://CANARY.invalid/CANARY?CANARY=CANARY"
GOOD: Mapping[str, dict[str, Any]] = {
    "webhook": {"uri": URL, "display_name": "CANARY"},
    "webhook of failures": {
        "uri": URL,
        "event_types": ["WEBHOOK_EVENT_TYPE_GENERATION_FAILED"],
    },
}
WRONG: Mapping[str, dict[str, Any]] = {
    "webhook http": {"uri": "http://CANARY.example/CANARY"},
    "webhook inside": {"uri": "https://10.0.0.1/CANARY"},
    "webhook user": {"uri": "https://CANARY:CANARY@CANARY.example/"},
    "webhook broken": {"uri": "https://[CANARY/"},
    "webhook name": {"uri": URL, "display_name": "CANARY" * 20},
    "webhook type": {"uri": URL, "event_types": ["CANARY"]},
    "webhook field": {"uri": URL, "CANARY": "CANARY"},
    "webhook etag": {"uri": {"CANARY": "CANARY"}},
}
LOST: Mapping[str, tuple[str, str]] = {
    "lost webhook": ("GET", f"{ENDPOINTS}/CANARY?"),
    "lost webhook, changed": ("PATCH", f"{ENDPOINTS}/CANARY?"),
    "lost webhook, deleted": ("DELETE", f"{ENDPOINTS}/CANARY?"),
    "lost webhook, turned": ("POST", f"{ENDPOINTS}/CANARY:rotate_secret?"),
    "lost webhook, tested": ("POST", f"{ENDPOINTS}/CANARY:test?"),
    "lost delivery": ("POST", "/api/v1/webhook_deliveries/CANARY:redeliver?"),
    "webhook page": ("GET", f"{ENDPOINTS}?page_token="),
    "delivery page": ("GET", "/api/v1/webhook_deliveries?generation="),
}


def good(maker: Maker) -> Iterator[Tainted]:
    """Endpoints that nobody answers at, and generations that tell of their end."""
    for name, fields in GOOD.items():
        yield maker.make(name, _json(fields), f"{ENDPOINTS}?")
    secret = "/api/v1/callback_secret:rotate?"
    yield maker.make("callback secret", _json({}), secret)
    yield maker.make("callback", as_json(callback_url=URL), GENERATIONS)


def refused(maker: Maker) -> Iterator[Tainted]:
    """What is wrong in itself, or not there."""
    for name, fields in WRONG.items():
        yield maker.make(name, _json(fields), f"{ENDPOINTS}?")
    for name, (method, path) in LOST.items():
        body = _json({}) if method == "POST" else _json({"uri": URL})
        yield maker.make(name, body, path, method)


def _json(fields: Mapping[str, Any]) -> Any:
    return as_text("application/json", json.dumps(fields))
