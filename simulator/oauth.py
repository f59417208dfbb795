"""GitHub and Google, as far as signing in goes, below `/_oauth/` of the control port.

Both know one app and check what it sends: its secret, the page to return to, S256 PKCE (which must
be there), codes that work once. `{simulator}/_oauth/github` is GitHub's site and
`{simulator}/_oauth/github/api` its API; `{simulator}/_oauth/google` is Google's issuer. A browser
sees a page that asks who signs in.

PUT /_oauth/{provider}/person    Who is signed in there and agrees at once, without a page:
                                 {"subject": "1001", "email", "name", "verified": true,
                                 "declines": false}. DELETE: shows the page again.
PUT /_oauth/{provider}/fault     Breaks the token endpoint: {"kind", "times": 1, "status": 500};
                                 `simulator.oauth_books.FAULTS` lists the kinds. DELETE heals.
POST /_oauth/google/new_key      Signs with another key from now on.
GET /_oauth                      Shows how both stand.

Nothing of a person is kept but in memory, and nothing is logged.
"""

import asyncio
import json
from collections.abc import Callable
from time import time
from typing import Final, Protocol

from aiohttp import hdrs, web

from simulator.json_object import ControlError
from simulator.oauth_books import (
    GITHUB,
    GOOGLE,
    Consent,
    OAuthBooks,
    Refusal,
    SimulatedApp,
    parse_fault,
    parse_somebody,
)
from simulator.oauth_github import GitHubSide
from simulator.oauth_google import GoogleSide
from simulator.oauth_pages import consent_page, refusal_page, somebody_of

PREFIX: Final = "/_oauth"


class Side(Protocol):
    """What one service does in its own way."""

    title: str
    authorize_path: str
    token_path: str

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the routes that the other has not."""

    def granted(self, request: web.Request, consent: Consent, fault: str) -> web.Response:
        """The token endpoint's yes."""

    def refused(self, request: web.Request, refusal: Refusal) -> web.Response:
        """Its no."""


class FakeOAuth:
    """Both services, with their controls."""

    def __init__(self, app: SimulatedApp, clock: Callable[[], float] = time) -> None:
        self.github, self.google = OAuthBooks(app, clock), OAuthBooks(app, clock)
        self.google_side = GoogleSide(self.google)
        self._services = (
            _Service(GITHUB, self.github, GitHubSide(self.github)),
            _Service(GOOGLE, self.google, self.google_side),
        )

    def add_to(self, application: web.Application) -> None:
        """Add the routes to the control port's."""
        application.router.add_get(PREFIX, self._describe)
        application.router.add_post(f"{PREFIX}/{GOOGLE}/new_key", self._new_key)
        for service in self._services:
            service.add_to(application.router)

    async def _describe(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {GITHUB: self.github.as_json(), GOOGLE: self.google.as_json()},
        )

    async def _new_key(self, request: web.Request) -> web.StreamResponse:
        self.google_side.new_key()
        return await self._describe(request)


class _Service:
    """One of them."""

    def __init__(self, name: str, books: OAuthBooks, side: Side) -> None:
        self._prefix = f"{PREFIX}/{name}"
        self._books = books
        self._side = side

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get(self._prefix + self._side.authorize_path, self._authorize)
        router.add_post(self._prefix + self._side.authorize_path, self._consent)
        router.add_post(self._prefix + self._side.token_path, self._token)
        router.add_put(f"{self._prefix}/person", self._put_person)
        router.add_delete(f"{self._prefix}/person", self._clear_person)
        router.add_put(f"{self._prefix}/fault", self._put_fault)
        router.add_delete(f"{self._prefix}/fault", self._heal)
        self._side.add_to(router, self._prefix)

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = self._books.asked(request.query)
        except Refusal as refusal:
            return refusal_page(self._side.title, refusal.code)
        if self._books.standing is None:
            return consent_page(self._side.title, asked)
        return _redirect(self._books.answer(asked, self._books.standing))

    async def _consent(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request)
        try:
            asked = self._books.asked(request.query)
        except Refusal as refusal:
            return refusal_page(self._side.title, refusal.code)
        return _redirect(self._books.answer(asked, somebody_of(form)))

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request)
        kind, status = self._books.fault() or ("", 0)
        if kind == "hang":
            await asyncio.get_running_loop().create_future()
        if kind == "status":
            return web.Response(status=status, text="Oops")
        if kind == "garbage":
            return web.Response(text="<html>not JSON</html>", content_type="text/html")
        try:
            if kind == "error":
                raise Refusal("invalid_grant")
            consent = self._books.redeem(form, request.headers.get(hdrs.AUTHORIZATION, ""))
        except Refusal as refusal:
            return self._side.refused(request, refusal)
        return self._side.granted(request, consent, kind)

    async def _put_person(self, request: web.Request) -> web.StreamResponse:
        self._books.standing = parse_somebody(await _json(request))
        return web.json_response(self._books.as_json())

    async def _clear_person(self, _request: web.Request) -> web.StreamResponse:
        self._books.standing = None
        return web.json_response(self._books.as_json())

    async def _put_fault(self, request: web.Request) -> web.StreamResponse:
        self._books.put_fault(*parse_fault(await _json(request)))
        return web.json_response(self._books.as_json())

    async def _heal(self, _request: web.Request) -> web.StreamResponse:
        self._books.heal()
        return web.json_response(self._books.as_json())


async def _form(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in (await request.post()).items() if type(value) is str}


async def _json(request: web.Request) -> object:
    try:
        return json.loads(await request.read())
    except ValueError:
        raise ControlError("body", "not valid JSON") from None


def _redirect(url: str) -> web.Response:
    return web.Response(status=302, headers={hdrs.LOCATION: url, hdrs.CACHE_CONTROL: "no-store"})
