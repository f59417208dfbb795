"""Every route of the bridge and of the pages, found by walking their table, with canaries."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Final
from urllib.parse import urlencode

from grpc import aio

from dashboard.pages import pages
from gateway.proof.requests import GENERATIONS, Maker, Tainted, as_json, as_text
from rest_bridge import image_fields, job_fields
from rest_bridge.routes import build_routes

_VARIABLE = re.compile(r"\{[a-z_.]+(?:=([^}]*))?\}")
_FORM = re.compile(r"<form\b[^>]*\baction=\"([^\"]*)\"[^>]*>(.*?)</form>", re.DOTALL)
_FIELD = re.compile(r"<input\b[^>]*\bname=\"([^\"]*)\" value=\"([^\"]*)\"")
_CSRF: Final = "csrf_token"
_FORM_TYPE: Final = "application/x-www-form-urlencoded"


def routes() -> list[tuple[str, str]]:
    """Every method and template of the bridge."""
    channel = _nobody()
    router = build_routes(channel, pages(channel))
    return sorted({(method, route.template) for method, route in router})


def page_paths() -> list[str]:
    """Where pages are to be read: those without a variable."""
    found = pages(_nobody())
    return sorted({path for method, path, _ in found if method == "GET" and "{" not in path})


def _nobody() -> aio.Channel:
    """A channel on which nothing is asked: the table of routes wants one."""
    return aio.insecure_channel("127.0.0.1:1")


def asked(maker: Maker, who: str = "") -> Iterator[Tainted]:
    """Each route with a canary for each variable of its path, and in its body."""
    body = as_text("application/json", json.dumps({"CANARY": "CANARY", "prompt": "CANARY"}))
    for method, template in routes():
        path = _VARIABLE.sub(lambda found: (found[1] or "*").replace("**", "*"), template)
        path = path.replace("*", "CANARY")
        yield maker.make(f"route {method} {template}{who}", body, path, method)


def fields(maker: Maker) -> Iterator[Tainted]:
    """Each field that the bridge knows by name, with a word of the caller's in it."""
    for path, known in (
        (GENERATIONS, image_fields.FIELDS),
        ("/v1/images/edits", image_fields.FIELDS),
        ("/v1/videos", job_fields.FIELDS),
        ("/api/v1/images/generations", job_fields.FIELDS),
        ("/api/v1/audio/generations", job_fields.FIELDS),
    ):
        for name in known:
            yield maker.make(f"field {name} of {path}", as_json(**{name: "CANARY"}), path)


def forms(maker: Maker, html: str, origin: str, cookie: str = "") -> Iterator[Tainted]:
    """Each form of a page, filled in and posted from there; *cookie* is a session's."""
    headers = {"origin": origin, "cookie": cookie or "CANARY=CANARY"}
    for action, inside in _FORM.findall(html):
        filled = {
            unescape(name): unescape(value) if name == _CSRF else "CANARY"
            for name, value in _FIELD.findall(inside)
        }
        body = as_text(_FORM_TYPE, urlencode(filled))
        name = f"form {unescape(action)}{', signed in' if cookie else ''}"
        yield maker.make(name, body, f"{unescape(action)}?", headers=headers)
