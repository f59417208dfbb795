"""Browsers: the session's token in a cookie, and what keeps other sites from using it.

A browser asks with `x-reapi-session: cookie`; from then on the token is never where a script could
read it. The cookie alone changes nothing: a call that is no read needs the CSRF token too, which
belongs to the session, and no call may come from another site (OWASP ASVS 4.0.3 3.4, 4.2.2;
`__Host-` is RFC 6265bis 4.1.3.2). Programs send `authorization` and have nothing to do with this.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from google.protobuf.message import Message

from reapi.v1 import account_pb2, account_service_pb2
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.headers import NO_STORE, Header

SESSION: Final = "__Host-reapi_session"
CSRF: Final = "__Host-reapi_csrf"
"""Scripts of our own pages read it, to send it back in the header."""
OAUTH: Final = "__Host-reapi_oauth"
CSRF_HEADER: Final = b"x-csrf-token"
_MODE: Final = b"x-reapi-session"
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN = re.compile(r"[A-Za-z0-9_\-]{20,200}\Z")
_SESSION_SECONDS: Final = 30 * 86_400
"""As long as a session may last at most: core ends it earlier."""
_OAUTH_SECONDS: Final = 600
_STRICT: Final = "Path=/; Secure; SameSite=Lax"
"""Lax: the way back from another sign-in service is a navigation from there."""
_OURS: Final = frozenset({b"same-origin", b"none"})
"""`none`: the person typed the address or opened a bookmark."""

STRICT_HEADERS: Final[tuple[Header, ...]] = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
)
"""Of answers that browsers get with their cookie; over http they ignore the last one."""


def cookies(header: bytes | None) -> Mapping[str, str]:
    """The cookies of a `Cookie` header that are ours; of two with a name, the first."""
    found: dict[str, str] = {}
    for part in (header or b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name in (SESSION, CSRF, OAUTH) and _TOKEN.match(value):
            found.setdefault(name, value)
    return found


def csrf_token(session_token: str) -> str:
    """What belongs to a session and cannot be guessed without its token."""
    digest = hashlib.sha256(b"reapi-csrf\0" + session_token.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def set_cookie(name: str, value: str, seconds: int, *, script: bool = False) -> Header:
    """A cookie; *seconds* 0 takes it away."""
    hidden = "" if script else "; HttpOnly"
    return (b"set-cookie", f"{name}={value}; Max-Age={seconds}; {_STRICT}{hidden}".encode())


def session_cookies(token: str) -> list[Header]:
    """The cookies of a session; an empty *token* takes them away."""
    seconds = _SESSION_SECONDS if token else 0
    return [
        set_cookie(SESSION, token, seconds),
        set_cookie(CSRF, csrf_token(token) if token else "", seconds, script=True),
    ]


class BrowserSession:
    """What one exchange has to do with cookies."""

    def __init__(self, exchange: Exchange, form: Mapping[str, str] | None = None) -> None:
        """Raises CSRF_TOKEN_INVALID for a cookie from elsewhere, or without its token.

        *form* is what a page of ours posted, with the token in a field, or empty for a page that
        is only read: it may be come to from anywhere, as by the link in a mail.
        """
        self._cookies: Mapping[str, str] = {}
        headers = exchange.headers
        self.by_cookie = False
        """Whether the credential is the cookie."""
        if b"authorization" not in headers:
            self._cookies = cookies(headers.get(b"cookie"))
            self.by_cookie = SESSION in self._cookies
        reads = exchange.method in _READS
        asks = form is not None or headers.get(_MODE, b"").strip().lower() == b"cookie"
        self.answers_cookie = self.by_cookie or asks
        """Whether tokens go into cookies, not into the answer."""
        is_visit = reads and form is not None
        if self.answers_cookie and not is_visit and not _is_ours(exchange):
            raise ApiError("CSRF_TOKEN_INVALID")
        if self.by_cookie:
            token = self._cookies[SESSION]
            if not reads:
                sent = headers.get(CSRF_HEADER, b"")
                if form is not None:
                    sent = form.get("csrf_token", "").encode()
                if not hmac.compare_digest(sent, csrf_token(token).encode()):
                    raise ApiError("CSRF_TOKEN_INVALID")
            exchange.credential = f"Bearer {token}"

    @property
    def token(self) -> str:
        """The session's token that the browser sent as a cookie; empty: none."""
        return self._cookies.get(SESSION, "")

    def complete(self, request: Message) -> None:
        """Fill in what the browser keeps in a cookie."""
        if (
            self.answers_cookie
            and isinstance(request, account_service_pb2.FinishOAuthRequest)
            and not request.browser_token
        ):
            request.browser_token = self._cookies.get(OAUTH, "")

    def headers_of(self, response: Message) -> list[Header]:
        """The cookies that *response* means; its tokens are taken out of it."""
        if not self.answers_cookie:
            return []
        found: list[Header] = [NO_STORE, *STRICT_HEADERS]
        if isinstance(response, account_service_pb2.BeginOAuthResponse):
            found.append(set_cookie(OAUTH, response.browser_token, _OAUTH_SECONDS))
            response.browser_token = ""
        if isinstance(response, _ENDS):
            found += session_cookies("")
        grant = getattr(response, "grant", None)
        if isinstance(grant, account_pb2.SessionGrant) and grant.session_token:
            found += session_cookies(grant.session_token)
            grant.session_token = ""
        if isinstance(response, account_service_pb2.FinishOAuthResponse):
            found.append(set_cookie(OAUTH, "", 0))
        return found

    def told(self, error: ApiError) -> ApiError:
        """*error*, which takes a cookie away that is worth nothing any more."""
        if self.by_cookie and error.reason == "SESSION_INVALID":
            error.headers = (*error.headers, *session_cookies(""))
        return error


_ENDS = (account_service_pb2.SignOutResponse, account_service_pb2.DeleteAccountResponse)


def _is_ours(exchange: Exchange) -> bool:
    """Whether the request comes from our own pages, or from no page at all."""
    headers = exchange.headers
    site = headers.get(b"sec-fetch-site")
    if site is not None and site.strip().lower() not in _OURS:
        return False
    origin = headers.get(b"origin")
    if origin is None:
        return True
    host = headers.get(b"host", b"").decode("latin-1").strip().lower()
    try:
        return bool(host) and urlsplit(origin.decode("latin-1").strip()).netloc.lower() == host
    except ValueError:
        return False
