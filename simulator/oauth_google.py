"""Google's side of signing in: OpenID Connect with signatures that can be checked.

The issuer is the base URL, `/_oauth/google`.
"""

import base64
import json
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import Final

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from simulator.oauth_books import Consent, OAuthBooks, Refusal

TITLE: Final = "Simulated Google"
_KEY_ID: Final = "simulated-1"
_HOUR: Final = 3_600
_STATUSES: Final[Mapping[str, int]] = {"invalid_client": 401}
"""Of the token endpoint's errors, where not 400."""


class GoogleSide:
    """What Google does where GitHub does it otherwise."""

    title = TITLE
    authorize_path = "/o/oauth2/v2/auth"
    token_path = "/token"  # noqa: S105 (a path)

    def __init__(self, books: OAuthBooks) -> None:
        self._books = books
        self._prefix = ""
        self._key_id = _KEY_ID

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add what is Google's alone."""
        self._prefix = prefix
        router.add_get(f"{prefix}/.well-known/openid-configuration", self._metadata)
        router.add_get(f"{prefix}/oauth2/v3/certs", self._keys)

    def granted(self, request: web.Request, consent: Consent, fault: str) -> web.Response:
        """The token endpoint's yes; *fault* is what is wrong in the id_token."""
        token = self._books.tokens.put("ya29.", consent.somebody)
        answer = {
            "access_token": token,
            "expires_in": _HOUR - 1,
            "scope": consent.asked.scope,
            "token_type": "Bearer",
            "id_token": self._id_token(self._issuer_of(request), consent, token, fault),
        }
        return web.json_response(answer)

    def refused(self, _request: web.Request, refusal: Refusal) -> web.Response:
        """Its no."""
        said = {"error": refusal.code, "error_description": "Bad Request"}
        return web.json_response(said, status=_STATUSES.get(refusal.code, 400))

    def new_key(self) -> None:
        """Sign with another key from now on, as Google does every week or so."""
        self._key, self._key_id = RSAKey.generate_key(2048), f"{self._key_id}-next"

    @cached_property
    def _key(self) -> RSAKey:
        return RSAKey.generate_key(2048)

    async def _metadata(self, request: web.Request) -> web.StreamResponse:
        issuer = self._issuer_of(request)
        return web.json_response(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}{self.authorize_path}",
                "token_endpoint": f"{issuer}{self.token_path}",
                "jwks_uri": f"{issuer}/oauth2/v3/certs",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "email", "profile"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "client_secret_basic",
                ],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _keys(self, _request: web.Request) -> web.StreamResponse:
        public = self._key.as_dict(private=False)
        key = {**public, "kid": self._key_id, "use": "sig", "alg": "RS256"}
        return web.json_response({"keys": [key]}, headers={"cache-control": "max-age=20000"})

    def _issuer_of(self, request: web.Request) -> str:
        return f"{request.scheme}://{request.host}{self._prefix}"

    def _id_token(self, issuer: str, consent: Consent, access_token: str, fault: str) -> str:
        now, somebody = int(self._books.clock()), consent.somebody
        own = self._books.app.client_id
        claims: dict[str, object] = {
            "iss": "https://accounts.example.net" if fault == "issuer" else issuer,
            "azp": "another-app" if fault == "azp" else own,
            "aud": "another-app" if fault == "audience" else own,
            "sub": somebody.subject,
            "at_hash": _half_digest(access_token),
            "nonce": "another" if fault == "nonce" else consent.asked.nonce,
            "iat": now - 2 * _HOUR if fault == "expired" else now,
            "exp": now - _HOUR if fault == "expired" else now + _HOUR,
        }
        if somebody.email:
            claims |= {"email": somebody.email, "email_verified": somebody.verified}
        if somebody.hosted_domain:
            claims["hd"] = somebody.hosted_domain
        if somebody.name:
            claims["name"] = somebody.name
        if fault == "unsigned":
            return f"{_encoded(_json({'alg': 'none'}))}.{_encoded(_json(claims))}."
        key = RSAKey.generate_key(2048) if fault == "key" else self._key
        return jwt.encode({"alg": "RS256", "kid": self._key_id}, claims, key)


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content).encode()


def _half_digest(token: str) -> str:
    return _encoded(sha256(token.encode()).digest()[:16])


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
