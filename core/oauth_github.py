"""GitHub: plain OAuth 2 with PKCE. Errors of the token endpoint come with status 200."""

from typing import Final

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from core.oauth import GITHUB, Told, Trip, away, refused
from core.service_calls import JsonAnswer, ServiceAway, ServiceCalls
from core.settings_oauth import OAuthApp

SCOPE: Final = "user:email"
"""The addresses, read only. Who the person is (id, name) is public there and needs no scope."""
_CODE_ERRORS: Final = frozenset({"bad_verification_code", "invalid_grant"})
"""The code is wrong, old or used, or PKCE's verifier is not its own. Any other error is about the
app: the operator's to mend."""


class GitHub:
    """A `SignInService`."""

    def __init__(self, app: OAuthApp, calls: ServiceCalls) -> None:
        self._app = app
        self._calls = calls

    async def authorization_uri(self, trip: Trip) -> str:
        """Where to send the browser."""
        uri: str = prepare_grant_uri(
            f"{self._app.url}/login/oauth/authorize",
            self._app.client_id,
            "code",
            redirect_uri=trip.redirect_uri,
            scope=SCOPE,
            state=trip.state,
            code_challenge=create_s256_code_challenge(trip.verifier),
            code_challenge_method="S256",
        )
        return uri

    async def identify(self, code: str, trip: Trip) -> Told:
        """Who came back with *code*."""
        form = {
            "client_id": self._app.client_id,
            "client_secret": self._app.client_secret.reveal(),
            "code": code,
            "redirect_uri": trip.redirect_uri,
            "code_verifier": trip.verifier,
        }
        try:
            answer = await self._calls.post(f"{self._app.url}/login/oauth/access_token", form)
            token = _token(answer)
            user = await self._calls.get(f"{self._app.api_url}/user", token)
            emails = await self._calls.get(f"{self._app.api_url}/user/emails", token)
        except ServiceAway:
            raise away(GITHUB) from None
        return _told(user, emails)


def _token(answer: JsonAnswer) -> str:
    """The access token, which lives in here only."""
    error = answer.member("error")
    if error is not None and isinstance(error, str) and error in _CODE_ERRORS:
        raise refused(GITHUB, "code_refused")
    token, kind = answer.member("access_token"), answer.member("token_type")
    is_good = isinstance(token, str) and isinstance(kind, str) and kind.lower() == "bearer"
    if answer.status != 200 or error is not None or not is_good:
        raise away(GITHUB)
    return str(token)


def _told(user: JsonAnswer, emails: JsonAnswer) -> Told:
    id_, name = user.member("id"), user.member("name")
    listed = emails.content
    if user.status != 200 or not isinstance(id_, int) or isinstance(id_, bool):
        raise away(GITHUB)
    if emails.status != 200 or not isinstance(listed, list):
        raise away(GITHUB)
    primary = next(
        (each for each in listed if isinstance(each, dict) and each.get("primary") is True), {}
    )
    email = primary.get("email")
    return Told(
        subject=str(id_),
        email=email if isinstance(email, str) else "",
        email_verified=primary.get("verified") is True,
        display_name=name if isinstance(name, str) else "",
    )
