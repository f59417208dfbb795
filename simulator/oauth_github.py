"""GitHub's side of signing in: plain OAuth 2. Its token endpoint says what is wrong with 200.

Base URL `/_oauth/github` (GitHub's own site), its API below `/_oauth/github/api`.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

from aiohttp import hdrs, web

from simulator.oauth_books import Consent, OAuthBooks, Refusal, Somebody

TITLE: Final = "Simulated GitHub"
_WORDS: Final[Mapping[str, str]] = {
    "invalid_grant": "bad_verification_code",
    "invalid_client": "incorrect_client_credentials",
}
"""What GitHub calls RFC 6749's errors."""


class GitHubSide:
    """What GitHub does where Google does it otherwise."""

    title = TITLE
    authorize_path = "/login/oauth/authorize"
    token_path = "/login/oauth/access_token"  # noqa: S105 (a path)

    def __init__(self, books: OAuthBooks) -> None:
        self._books = books

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add what is GitHub's alone."""
        router.add_get(f"{prefix}/api/user", self._user)
        router.add_get(f"{prefix}/api/user/emails", self._emails)

    def granted(self, request: web.Request, consent: Consent, _fault: str) -> web.Response:
        """The token endpoint's yes."""
        token = self._books.tokens.put("gho_", consent.somebody)
        scope = consent.asked.scope.replace(" ", ",")
        return _said(request, {"access_token": token, "token_type": "bearer", "scope": scope})

    def refused(self, request: web.Request, refusal: Refusal) -> web.Response:
        """Its no: status 200."""
        code = _WORDS.get(refusal.code, refusal.code)
        return _said(request, {"error": code, "error_description": "The code is incorrect."})

    async def _user(self, request: web.Request) -> web.StreamResponse:
        somebody = self._bearer(request)
        if somebody is None:
            return _unknown()
        # GitHub tells an address here only of people who publish theirs.
        id_ = _number(somebody.subject)
        said = {"id": id_, "login": f"octo-{id_}", "name": somebody.name, "email": None}
        return web.json_response(said)

    async def _emails(self, request: web.Request) -> web.StreamResponse:
        somebody = self._bearer(request)
        if somebody is None:
            return _unknown()
        other = {"email": "other@example.org", "primary": False, "verified": True}
        if not somebody.email:
            return web.json_response([other])
        own = {"email": somebody.email, "primary": True, "verified": somebody.verified}
        return web.json_response([other, own])

    def _bearer(self, request: web.Request) -> Somebody | None:
        _, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        return self._books.tokens.look(token)


def _number(subject: str) -> int:
    """GitHub's ids are numbers."""
    is_number = subject.isascii() and subject.isdigit() and len(subject) < 16
    return int(subject) if is_number else int.from_bytes(sha256(subject.encode()).digest()[:6])


def _said(request: web.Request, content: Mapping[str, str]) -> web.Response:
    if "application/json" in request.headers.get(hdrs.ACCEPT, ""):
        return web.json_response(content)
    return web.Response(
        text=urlencode(content), content_type="application/x-www-form-urlencoded", charset="utf-8"
    )


def _unknown() -> web.Response:
    return web.json_response({"message": "Bad credentials", "status": "401"}, status=401)
