"""The page on which somebody agrees to sign in, for people who try it in a browser."""

from collections.abc import Mapping
from html import escape
from typing import Final

from aiohttp import web

from simulator.oauth_books import Asked, Somebody

_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "cache-control": "no-store",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#1a1f36}"
    "label{display:block;padding:.4rem 0}button{font:inherit;padding:.5rem 1.5rem;margin:1rem 1rem "
    "0 0}small{color:#697386}"
)


def consent_page(title: str, asked: Asked) -> web.Response:
    """Ask who signs in, and whether they agree."""
    usual = Somebody()
    scopes = escape(asked.scope or "nothing")
    return _page(
        200,
        title,
        f"<p>This app asks for: <b>{scopes}</b></p><form method=post>"
        f'<label>E-mail <input name=email type=email value="{escape(usual.email)}"></label>'
        f'<label>Name <input name=name value="{escape(usual.name)}"></label>'
        f'<label>Id <input name=subject value="{escape(usual.subject)}"></label>'
        "<label><input type=checkbox name=verified value=yes checked> the address is verified"
        "</label><button name=consent value=yes>Agree</button>"
        "<button name=consent value=no>Decline</button></form>",
    )


def refusal_page(title: str, code: str) -> web.Response:
    """Say why the browser is not sent back."""
    return _page(400, title, f"<p role=alert>Error: {escape(code)}</p>")


def somebody_of(form: Mapping[str, str]) -> Somebody:
    """Who filled the page in."""
    return Somebody(
        form.get("subject", ""),
        form.get("email", ""),
        form.get("name", ""),
        form.get("verified") == "yes",
        form.get("consent") != "yes",
    )


def _page(status: int, title: str, content: str) -> web.Response:
    text = (
        f"<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>{title}</title>"
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p><small>Nobody's account; any name will do.</small></p>{content}</body></html>\n"
    )
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)
