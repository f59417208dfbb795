"""Google: OpenID Connect by discovery, with PKCE and a nonce. Serves any such issuer.

Who came back is read from the id_token alone, whose signature and claims are checked as OpenID
Connect Core 3.1.3.7 says; the access token is never used.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import Token

from core.oauth import GOOGLE, Told, Trip, away, refused
from core.service_calls import JsonAnswer, ServiceAway, ServiceCalls
from core.settings_oauth import OAuthApp, is_safe
from core.values import dataclass

SCOPE: Final = "openid email profile"
_ALGORITHMS: Final = ("RS256",)
"""What Google signs with. A list of ours: what a token says of itself decides nothing."""
_LEEWAY_SECONDS: Final = 30
"""How far the clocks may differ."""
_FRESH_SECONDS: Final = 3_600.0
"""How long what was discovered is used; Google lets caches keep its keys for several hours."""
_LOOK_AGAIN_SECONDS: Final = 60.0
"""A token with a key that is not known makes us look for new keys, this often at most."""
_OWN_DOMAINS: Final = ("gmail.com", "googlemail.com")
_MOST_KEYS: Final = 20
"""Of a set; Google has two or three."""


@dataclass(frozen=True, slots=True)
class _Discovered:
    """What the issuer publishes, and when it was read."""

    authorization_endpoint: str
    token_endpoint: str
    keys: KeySet
    read_at: float


class Google:
    """A `SignInService`. *clock* gives Unix seconds, *ticks* monotonic ones."""

    def __init__(
        self,
        app: OAuthApp,
        calls: ServiceCalls,
        clock: Callable[[], float],
        ticks: Callable[[], float],
    ) -> None:
        self._app = app
        self._calls = calls
        self._clock = clock
        self._ticks = ticks
        self._known: _Discovered | None = None
        self._alone = asyncio.Lock()

    async def authorization_uri(self, trip: Trip) -> str:
        """Where to send the browser."""
        known = await self._discovered(_FRESH_SECONDS)
        uri: str = prepare_grant_uri(
            known.authorization_endpoint,
            self._app.client_id,
            "code",
            redirect_uri=trip.redirect_uri,
            scope=SCOPE,
            state=trip.state,
            nonce=trip.nonce,
            code_challenge=create_s256_code_challenge(trip.verifier),
            code_challenge_method="S256",
            prompt="select_account",
        )
        return uri

    async def identify(self, code: str, trip: Trip) -> Told:
        """Who came back with *code*."""
        known = await self._discovered(_FRESH_SECONDS)
        form = {
            "grant_type": "authorization_code",
            "client_id": self._app.client_id,
            "client_secret": self._app.client_secret.reveal(),
            "code": code,
            "redirect_uri": trip.redirect_uri,
            "code_verifier": trip.verifier,
        }
        try:
            answer = await self._calls.post(known.token_endpoint, form)
        except ServiceAway:
            raise away(GOOGLE) from None
        return _told(await self._verified(_id_token(answer), trip))

    async def _verified(self, id_token: str, trip: Trip) -> dict[str, Any]:
        """The claims of a token that the issuer signed for us and for this very trip."""
        try:
            token = await self._decoded(id_token)
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": self._app.url},
                    "aud": {"essential": True, "value": self._app.client_id},
                    "sub": {"essential": True},
                    "nonce": {"essential": True, "value": trip.nonce},
                },
                params={"nonce": trip.nonce, "client_id": self._app.client_id},
            )
            claims.validate(now=int(self._clock()), leeway=_LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError):
            raise refused(GOOGLE, "identity_not_proved") from None
        return dict(claims)

    async def _decoded(self, id_token: str) -> Token:
        known = await self._discovered(_FRESH_SECONDS)
        try:
            return jwt.decode(id_token, known.keys, algorithms=_ALGORITHMS)
        except InvalidKeyIdError:  # perhaps the issuer has new keys
            known = await self._discovered(_LOOK_AGAIN_SECONDS)
            return jwt.decode(id_token, known.keys, algorithms=_ALGORITHMS)

    async def _discovered(self, fresh: float) -> _Discovered:
        """What the issuer publishes, at most *fresh* seconds old; asked for once at a time."""
        async with self._alone:
            now = self._ticks()
            if self._known is None or now - self._known.read_at > fresh:
                try:
                    self._known = await self._discover(now)
                except ServiceAway:
                    raise away(GOOGLE) from None
            return self._known

    async def _discover(self, now: float) -> _Discovered:
        metadata = await self._calls.get(f"{self._app.url}/.well-known/openid-configuration")
        places = [
            metadata.member(name)
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        ]
        texts = [place for place in places if isinstance(place, str) and is_safe(place)]
        if metadata.status != 200 or metadata.member("issuer") != self._app.url or len(texts) != 3:
            raise ServiceAway
        authorization, token, jwks = texts
        published = await self._calls.get(jwks)
        keys = published.member("keys")
        if published.status != 200 or not isinstance(keys, list) or len(keys) > _MOST_KEYS:
            raise ServiceAway
        usable = [key for key in keys if isinstance(key, dict) and key.get("kty") == "RSA"]
        try:
            return _Discovered(authorization, token, KeySet.import_key_set({"keys": usable}), now)
        except (JoseError, ValueError, TypeError, LookupError):
            raise ServiceAway from None


def _id_token(answer: JsonAnswer) -> str:
    if answer.member("error") == "invalid_grant":
        raise refused(GOOGLE, "code_refused")
    id_token = answer.member("id_token")
    if answer.status != 200 or answer.member("error") or not isinstance(id_token, str):
        raise away(GOOGLE)
    return id_token


def _told(claims: dict[str, Any]) -> Told:
    told, name = claims.get("email"), claims.get("name")
    email = told if isinstance(told, str) else ""
    return Told(
        subject=str(claims["sub"]),
        email=email,
        email_verified=claims.get("email_verified") is True,
        display_name=name if isinstance(name, str) else "",
        suffices=_is_of_google(email, claims.get("hd")),
    )


def _is_of_google(email: str, hosted_domain: object) -> bool:
    """Whether Google gives the address out, itself or for a company that it hosts (`hd`).

    Of other addresses it knows that somebody had them once, when they were typed there.
    """
    domain = email.rpartition("@")[2].lower()
    hosted = hosted_domain.lower() if isinstance(hosted_domain, str) else ""
    return bool(domain) and domain in (*_OWN_DOMAINS, hosted)
