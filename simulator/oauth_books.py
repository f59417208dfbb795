"""What the simulated GitHub and Google share: people, codes, tokens, what goes wrong on demand."""

import base64
import binascii
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Final, Generic, TypeVar
from urllib.parse import unquote, urlencode

from simulator.json_object import JsonObject, one_of, within
from simulator.listener import is_loopback_url

GITHUB: Final = "github"
GOOGLE: Final = "google"
PROVIDERS: Final = (GITHUB, GOOGLE)
FAULTS: Final = (
    *("status", "hang", "error", "garbage"),
    *("nonce", "audience", "issuer", "azp", "expired", "key", "unsigned"),
)
"""Of the token endpoint: an HTTP status, no answer, the protocol's error, no JSON; and, of Google's
id_token, what is wrong in it."""
CODE_SECONDS: Final = 600.0
"""As GitHub's codes live."""
_MOST: Final = 1_000
"""Codes and tokens that are remembered; the oldest are forgotten."""
_MAX_TIMES: Final = 1_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SimulatedApp:
    """The one app that is registered at both services.

    Its pages to return to are *callbacks*; none given: any on loopback.
    """

    client_id: str
    client_secret: str = field(repr=False)
    callbacks: tuple[str, ...] = ()

    def may_return_to(self, uri: str) -> bool:
        """Whether a browser may be sent back to *uri*."""
        return uri in self.callbacks if self.callbacks else is_loopback_url(uri)


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person with an account at the services."""

    subject: str = "1001"
    email: str = field(default="octo@example.com", repr=False)
    """Empty: none."""
    name: str = field(default="Octo Cat", repr=False)
    verified: bool = True
    declines: bool = False
    """Says no when asked."""
    hosted_domain: str = ""
    """The company whose addresses Google gives out; empty: none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a browser was sent with."""

    redirect_uri: str
    state: str
    challenge: str
    nonce: str
    scope: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What a code stands for."""

    asked: Asked
    somebody: Somebody
    expires: float


class Refusal(Exception):
    """The protocol's error, by its code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Shelf(Generic[T]):
    """Things under names that nobody can guess; the oldest go first."""

    def __init__(self) -> None:
        self._things: dict[str, T] = {}
        self._order: deque[str] = deque()

    def put(self, prefix: str, thing: T) -> str:
        """Keep a thing; its new name."""
        name = prefix + secrets.token_urlsafe(24)
        self._things[name] = thing
        self._order.append(name)
        if len(self._order) > _MOST:
            self._things.pop(self._order.popleft(), None)
        return name

    def take(self, name: str) -> T | None:
        """Give a thing away, once."""
        return self._things.pop(name, None)

    def look(self, name: str) -> T | None:
        """Show a thing."""
        return self._things.get(name)


class OAuthBooks:
    """One service's memory. *clock* gives Unix seconds."""

    def __init__(self, app: SimulatedApp, clock: Callable[[], float] = time.time) -> None:
        self.app = app
        self.clock = clock
        self.standing: Somebody | None = None
        """Who is signed in at the service and has agreed before: the browser is sent straight back.
        None: it shows a page."""
        self.calls = 0
        """How often the token endpoint was asked."""
        self._codes: Shelf[Consent] = Shelf()
        self.tokens: Shelf[Somebody] = Shelf()
        self._fault: tuple[str, int | None, int] | None = None

    def asked(self, query: Mapping[str, str]) -> Asked:
        """Read what a browser was sent with; raises Refusal, to be shown to the person."""
        if query.get("client_id") != self.app.client_id:
            raise Refusal("invalid_client")
        redirect_uri = query.get("redirect_uri", "")
        if not self.app.may_return_to(redirect_uri):
            raise Refusal("redirect_uri_mismatch")
        is_known = query.get("response_type") == "code"
        is_s256 = query.get("code_challenge_method") == "S256" and query.get("code_challenge")
        if not is_known or not is_s256 or not query.get("state"):
            raise Refusal("invalid_request")
        return Asked(
            redirect_uri,
            query["state"],
            query["code_challenge"],
            query.get("nonce", ""),
            query.get("scope", ""),
        )

    def answer(self, asked: Asked, somebody: Somebody) -> str:
        """The address to send the browser back to."""
        if somebody.declines:
            return back(asked, error="access_denied")
        consent = Consent(asked, somebody, self.clock() + CODE_SECONDS)
        return back(asked, code=self._codes.put("", consent))

    def redeem(self, form: Mapping[str, str], authorization: str) -> Consent:
        """What the code in *form* stands for, which works once; raises Refusal."""
        self.calls += 1
        self._authenticate(form, authorization)
        consent = self._codes.take(form.get("code", ""))
        if consent is None or consent.expires <= self.clock():
            raise Refusal("invalid_grant")
        if form.get("redirect_uri") != consent.asked.redirect_uri:
            raise Refusal("redirect_uri_mismatch")
        if _challenge(form.get("code_verifier", "")) != consent.asked.challenge:
            raise Refusal("invalid_grant")
        return consent

    def put_fault(self, kind: str, times: int | None, status: int) -> None:
        """Break the token endpoint, *times* times (None: until healed)."""
        self._fault = kind, times, status

    def heal(self) -> None:
        """Be well again."""
        self._fault = None

    def fault(self) -> tuple[str, int] | None:
        """What the call that arrives now must suffer: kind and status."""
        if self._fault is None:
            return None
        kind, times, status = self._fault
        if times is not None:
            self._fault = (kind, times - 1, status) if times > 1 else None
        return kind, status

    def as_json(self) -> dict[str, object]:
        """How it stands; no code and no token."""
        fault = None if self._fault is None else self._fault[0]
        standing = None if self.standing is None else asdict(self.standing)
        return {"person": standing, "fault": fault, "calls": self.calls}

    def _authenticate(self, form: Mapping[str, str], authorization: str) -> None:
        given = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.lower().startswith("basic "):
            try:
                text = base64.b64decode(authorization[6:], validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise Refusal("invalid_client") from None
            name, _, secret = text.partition(":")
            given = unquote(name), unquote(secret)
        is_known = hmac.compare_digest(given[0].encode(), self.app.client_id.encode())
        is_right = hmac.compare_digest(given[1].encode(), self.app.client_secret.encode())
        if not is_known or not is_right:
            raise Refusal("invalid_client")


def back(asked: Asked, **answer: str) -> str:
    """The page to return to, with an answer."""
    mark = "&" if "?" in asked.redirect_uri else "?"
    return f"{asked.redirect_uri}{mark}{urlencode({**answer, 'state': asked.state})}"


def parse_somebody(data: object) -> Somebody:
    """Read a person from decoded JSON; raises ControlError naming the field."""
    usual = Somebody()
    names = ("subject", "email", "name", "verified", "declines", "hosted_domain")
    given = JsonObject(data, names)
    return Somebody(
        given.text("subject", usual.subject),
        given.text("email", usual.email),
        given.text("name", usual.name),
        given.flag("verified", default=True),
        given.flag("declines"),
        given.text("hosted_domain", ""),
    )


def parse_fault(data: object) -> tuple[str, int | None, int]:
    """Read a fault: kind, how often, and the status of `status`; raises ControlError likewise."""
    given = JsonObject(data, ("kind", "times", "status"))
    kind, status = given.text("kind"), given.integer("status", 500)
    one_of("kind", kind, FAULTS)
    within("status", status, 400, 599)
    times = given.integer("times", None) if given.has("times") else 1
    if times is not None:
        within("times", times, 1, _MAX_TIMES)
    return kind, times, status


def _challenge(verifier: str) -> str:
    digest = sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
