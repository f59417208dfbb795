"""A page: what it says and asks, as HTML that needs no script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import jinja2

from rest_bridge.browser import SESSION, cookies, csrf_token
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.headers import NO_STORE, Header

STYLE: Final = "/pages.css"
_HTML: Final[Header] = (b"content-type", b"text/html; charset=utf-8")
_FORM_BYTES: Final = 64 * 1024
_FORM_FIELDS: Final = 50
_ROOM: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Field:
    """Something to fill in. A *kind* of `hidden` is not seen; a `checkbox` with a value is set."""

    name: str
    label: str = ""
    kind: str = "text"
    value: str = ""
    autocomplete: str = "off"
    required: bool = True


@dataclass(frozen=True, slots=True)
class BotCheck:
    """A check that another service makes, where the operator enables one."""

    site_key: str
    script: str


@dataclass(frozen=True, slots=True)
class Form:
    """Fields with a button; posted to *action*."""

    action: str
    button: str
    fields: Sequence[Field] = ()
    bot_check: BotCheck | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says and asks."""

    title: str
    text: Sequence[str] = ()
    forms: Sequence[Form] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    """By address: what they are called."""
    error: str = ""
    leads_to: str = ""
    """Where the browser goes by itself."""


async def show(
    exchange: Exchange, page: Page, headers: Sequence[Header] = (), status: int = 200
) -> None:
    """Answer with *page*."""
    token = cookies(exchange.headers.get(b"cookie")).get(SESSION, "")
    body = _template().render(page=page, style=STYLE, csrf=csrf_token(token) if token else "")
    strict = (_HTML, NO_STORE, *_strict(page), *headers)
    await exchange.answer(status, strict, (body.encode(),))


async def send_to(exchange: Exchange, path: str, headers: Sequence[Header] = ()) -> None:
    """Send the browser to another page of ours."""
    strict = (NO_STORE, *_strict(Page("")), *headers)
    await exchange.answer(303, ((b"location", path.encode()), *strict))


async def style(exchange: Exchange) -> None:
    """The style sheet of all pages."""
    headers = ((b"content-type", b"text/css"), (b"x-content-type-options", b"nosniff"))
    await exchange.answer(200, headers, (_style(),))


async def posted(exchange: Exchange) -> Mapping[str, str]:
    """The fields of a form; raises ApiError where they are not those of one."""
    kind = exchange.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind != b"application/x-www-form-urlencoded":
        raise ApiError("UNSUPPORTED_CONTENT_TYPE")
    return _pairs(await exchange.body(_FORM_BYTES))


def asked(exchange: Exchange) -> Mapping[str, str]:
    """The parameters of the address."""
    return _pairs(exchange.scope.get("query_string", b""))


def _pairs(data: bytes) -> Mapping[str, str]:
    try:
        text = data.decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_FORM_FIELDS))
    except ValueError:
        raise ApiError("MALFORMED_REQUEST") from None


def _strict(page: Page) -> tuple[Header, ...]:
    """Nothing but our own style, and the bot check where there is one."""
    scripts = sorted({_origin(form.bot_check.script) for form in page.forms if form.bot_check})
    allowed = f" script-src {' '.join(scripts)}; frame-src {' '.join(scripts)};" if scripts else ""
    policy = (
        f"default-src 'none'; style-src 'self';{allowed} form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return (
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        # `no-referrer` would make browsers send our own forms with `Origin: null`.
        (b"referrer-policy", b"same-origin"),
        (b"strict-transport-security", b"max-age=31536000"),
        (b"cross-origin-opener-policy", b"same-origin"),
    )


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


@cache
def _template() -> jinja2.Template:
    rooms = jinja2.FileSystemLoader(_ROOM)
    undefined = jinja2.StrictUndefined
    return jinja2.Environment(loader=rooms, autoescape=True, undefined=undefined).get_template(
        "page.html"
    )


@cache
def _style() -> bytes:
    return (_ROOM / "pages.css").read_bytes()
