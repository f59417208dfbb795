"""The simulated GitHub and Google, spoken to by authlib's own client; and the bot check."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError
from joserfc import jwt
from joserfc.jwk import KeySet

from simulator import SimulatedApp, Simulator
from simulator.bot_check import FAILS, PASSES, SECRET, SPENT

APP = SimulatedApp("an-app", "a secret with : in it")
BACK = "http://127.0.0.1:9/auth/callback"
VERIFIER = "v" * 43
PLACES = {
    "github": ("/login/oauth/authorize", "/login/oauth/access_token"),
    "google": ("/o/oauth2/v2/auth", "/token"),
}
PROVIDERS = pytest.mark.parametrize("provider", ["github", "google"])


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator((), sign_in=APP) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5) as opened:
        yield opened


def client(
    secret: str = APP.client_secret, method: str = "client_secret_post", **other: Any
) -> AsyncOAuth2Client:
    return AsyncOAuth2Client(
        APP.client_id,
        secret,
        redirect_uri=BACK,
        scope="openid email",
        code_challenge_method="S256",
        token_endpoint_auth_method=method,
        **other,
    )


def place(simulator: Simulator, provider: str, index: int) -> str:
    return f"{simulator.url}/_oauth/{provider}{PLACES[provider][index]}"


async def consented(
    simulator: Simulator,
    http: httpx.AsyncClient,
    provider: str,
    person: dict[str, Any] | None = None,
) -> dict[str, str]:
    """What the browser brings back of somebody who agrees at once."""
    put = await http.put(f"{simulator.url}/_oauth/{provider}/person", json=person or {})
    assert put.status_code == 200, put.text
    async with client() as asking:
        uri, _ = asking.create_authorization_url(
            place(simulator, provider, 0), state="s1", code_verifier=VERIFIER, nonce="n1"
        )
    sent = await http.get(uri)
    assert sent.status_code == 302, sent.text
    return {
        name: values[0]
        for name, values in parse_qs(urlsplit(sent.headers["location"]).query).items()
    }


@PROVIDERS
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
async def test_authlibs_client_exchanges_a_code(simulator, http, provider, method) -> None:
    back = await consented(simulator, http, provider)
    assert back["state"] == "s1"

    async with client(method=method) as asking:
        token = await asking.fetch_token(
            place(simulator, provider, 1), code=back["code"], code_verifier=VERIFIER
        )

    assert token["token_type"].lower() == "bearer"


@PROVIDERS
@pytest.mark.parametrize("verifier", ["w" * 43, "", VERIFIER + "x"])
async def test_a_wrong_verifier_is_refused(simulator, http, provider, verifier) -> None:
    back = await consented(simulator, http, provider)

    async with client() as asking:
        with pytest.raises(OAuthError) as refused:
            await asking.fetch_token(
                place(simulator, provider, 1), code=back["code"], code_verifier=verifier
            )
        with pytest.raises(OAuthError):  # and the code is spent
            await asking.fetch_token(
                place(simulator, provider, 1), code=back["code"], code_verifier=VERIFIER
            )

    words = {"github": "bad_verification_code", "google": "invalid_grant"}
    assert refused.value.error == words[provider]


@PROVIDERS
async def test_a_code_a_secret_and_a_page_are_checked(simulator, http, provider) -> None:
    url = place(simulator, provider, 1)
    back = await consented(simulator, http, provider)

    async with client(secret="another") as asking:
        with pytest.raises(OAuthError) as wrong_secret:
            await asking.fetch_token(url, code=back["code"], code_verifier=VERIFIER)
    async with client() as asking:
        with pytest.raises(OAuthError):
            await asking.fetch_token(url, code="never given", code_verifier=VERIFIER)
        with pytest.raises(OAuthError) as wrong_page:
            await asking.fetch_token(
                url, code=back["code"], code_verifier=VERIFIER, redirect_uri=f"{BACK}/other"
            )

    words = {"github": "incorrect_client_credentials", "google": "invalid_client"}
    assert wrong_secret.value.error == words[provider]
    assert wrong_page.value.error == "redirect_uri_mismatch"


@PROVIDERS
@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "another"},
        {"redirect_uri": "https://evil.example/"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
        {"response_type": "token"},
        {"state": ""},
    ],
)
async def test_a_browser_that_is_sent_wrongly_is_not_sent_back(
    simulator, http, provider, changed
) -> None:
    await http.put(f"{simulator.url}/_oauth/{provider}/person", json={})
    query = {
        "client_id": APP.client_id,
        "redirect_uri": BACK,
        "response_type": "code",
        "state": "s1",
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
    }
    url = place(simulator, provider, 0)

    assert (await http.get(url, params=query)).status_code == 302
    assert (await http.get(url, params={**query, **changed})).status_code == 400


async def test_github_says_no_with_200_and_answers_in_a_form_unless_asked_for_json(
    simulator, http
) -> None:
    form = {"client_id": APP.client_id, "client_secret": APP.client_secret, "code": "none"}
    url = place(simulator, "github", 1)

    json_answer = await http.post(url, data=form, headers={"accept": "application/json"})
    form_answer = await http.post(url, data=form)

    assert json_answer.status_code == form_answer.status_code == 200
    assert json_answer.json()["error"] == "bad_verification_code"
    assert parse_qs(form_answer.text)["error"] == ["bad_verification_code"]


async def test_github_tells_the_address_only_among_the_addresses(simulator, http) -> None:
    person = {"subject": "77", "email": "a@example.com", "verified": False}
    back = await consented(simulator, http, "github", person)
    async with client() as asking:
        await asking.fetch_token(
            place(simulator, "github", 1), code=back["code"], code_verifier=VERIFIER
        )
        api = f"{simulator.url}/_oauth/github/api"
        user = (await asking.get(f"{api}/user")).json()
        emails = (await asking.get(f"{api}/user/emails")).json()

    assert (user["id"], user["email"]) == (77, None)
    own = {"email": "a@example.com", "primary": True, "verified": False}
    assert own in emails
    assert (await http.get(f"{api}/user")).status_code == 401


async def test_googles_id_token_is_signed_by_a_key_that_it_publishes(simulator, http) -> None:
    issuer = f"{simulator.url}/_oauth/google"
    metadata = (await http.get(f"{issuer}/.well-known/openid-configuration")).json()
    published = (await http.get(metadata["jwks_uri"])).json()
    keys = KeySet.import_key_set(published)
    back = await consented(simulator, http, "google", {"subject": "s", "email": "a@example.com"})
    async with client() as asking:
        token = await asking.fetch_token(
            metadata["token_endpoint"], code=back["code"], code_verifier=VERIFIER
        )

    claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims

    assert metadata["issuer"] == claims["iss"] == issuer
    assert (claims["aud"], claims["nonce"], claims["sub"]) == (APP.client_id, "n1", "s")
    assert claims["email_verified"] is True
    await http.post(f"{issuer}/new_key")
    later = (await http.get(metadata["jwks_uri"])).json()
    assert later["keys"][0]["kid"] != published["keys"][0]["kid"]


@PROVIDERS
async def test_the_page_asks_who_signs_in(simulator, http, provider) -> None:
    async with client() as asking:
        uri, _ = asking.create_authorization_url(
            place(simulator, provider, 0), state="s1", code_verifier=VERIFIER
        )
    page = await http.get(uri)
    form = {"subject": "9", "email": "x@example.com", "name": "X", "verified": "yes"}

    yes = await http.post(uri, data={**form, "consent": "yes"})
    no = await http.post(uri, data={**form, "consent": "no"})

    assert "<form method=post>" in page.text
    assert "code=" in yes.headers["location"]
    assert "error=access_denied" in no.headers["location"]


async def test_what_cannot_be_said_to_the_controls_is_refused(simulator, http) -> None:
    base = f"{simulator.url}/_oauth/google"
    assert (await http.put(f"{base}/fault", json={"kind": "odd"})).status_code == 400
    assert (await http.put(f"{base}/person", json={"password": "x"})).status_code == 400
    assert (await http.put(f"{base}/person", content=b"{")).status_code == 400
    assert (await http.put(f"{base}/fault", json={"kind": "hang"})).json()["fault"] == "hang"
    assert (await http.delete(f"{base}/fault")).json()["fault"] is None
    assert set((await http.get(f"{simulator.url}/_oauth")).json()) == {"github", "google"}


@pytest.mark.parametrize(
    ("secret", "token", "said"),
    [
        (PASSES, "XXXX.DUMMY.TOKEN.XXXX", []),
        (PASSES, "", ["missing-input-response"]),
        (FAILS, "XXXX.DUMMY.TOKEN.XXXX", ["invalid-input-response"]),
        (SPENT, "XXXX.DUMMY.TOKEN.XXXX", ["timeout-or-duplicate"]),
        ("another", "XXXX.DUMMY.TOKEN.XXXX", ["invalid-input-secret"]),
        ("", "XXXX.DUMMY.TOKEN.XXXX", ["missing-input-secret"]),
        (SECRET, "pass-1", []),
        (SECRET, "no", ["invalid-input-response"]),
    ],
)
async def test_the_bot_check_knows_the_test_secrets(simulator, http, secret, token, said) -> None:
    form = {"secret": secret, "response": token}

    answer = (await http.post(f"{simulator.url}/_bot_check/siteverify", data=form)).json()

    assert answer["success"] is (not said)
    assert answer["error-codes"] == said
