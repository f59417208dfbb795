"""Cookies of browsers: where the token is, and who may use it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from grpc import aio

from core.local.channel import LocalChannel
from core.local.server import LocalServer
from reapi.v1 import account_service_pb2_grpc
from rest_bridge.app import create_app
from rest_bridge.browser import CSRF, OAUTH, SESSION, cookies, csrf_token
from rest_bridge.settings import BridgeSettings
from tests.bridge.scripted_people import BROWSER, NEXT, TOKEN, PeopleCore

ORIGIN = "http://gateway.test"
COOKIE = {"x-reapi-session": "cookie"}
SIGN_IN = "/api/v1/sessions:sign_in"
ASK = {"email": "a@example.com", "password": "correct horse"}


@dataclass
class Site:
    """A bridge in front of one person's account service."""

    core: PeopleCore
    http: httpx.AsyncClient


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    people = PeopleCore()
    server = LocalServer()
    account_service_pb2_grpc.add_AccountServiceServicer_to_server(people, server)
    async with LocalChannel(server) as channel:
        assert isinstance(channel, aio.Channel)
        bridge = create_app(channel, BridgeSettings())
        transport = httpx.ASGITransport(app=bridge)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            yield Site(people, http)
    await server.stop(None)


def baked(answer: httpx.Response) -> dict[str, str]:
    """The cookies that an answer sets, with their attributes."""
    return {
        line.split("=", 1)[0]: line.split("=", 1)[1]
        for line in answer.headers.get_list("set-cookie")
    }


def with_cookie(token: str = TOKEN, csrf: str | None = None) -> dict[str, str]:
    headers = {"cookie": f"{SESSION}={token}"}
    return headers if csrf is None else {**headers, "x-csrf-token": csrf}


async def test_a_browser_gets_the_token_in_a_cookie_that_scripts_cannot_read(site: Site) -> None:
    answer = await site.http.post(SIGN_IN, json=ASK, headers={**COOKIE, "origin": ORIGIN})

    assert answer.status_code == 200
    assert TOKEN not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    set_ = baked(answer)
    assert set_[SESSION].startswith(TOKEN + ";")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in set_[SESSION]
    assert "Domain" not in set_[SESSION]
    assert set_[CSRF].startswith(csrf_token(TOKEN) + ";")
    assert "HttpOnly" not in set_[CSRF]


async def test_a_program_gets_the_token_in_the_answer_and_no_cookie(site: Site) -> None:
    answer = await site.http.post(SIGN_IN, json=ASK)

    assert answer.json()["grant"]["session_token"] == TOKEN
    assert not baked(answer)


async def test_a_cookie_reads_without_a_csrf_token(site: Site) -> None:
    answer = await site.http.get("/api/v1/profile", headers=with_cookie())

    assert answer.status_code == 200
    assert site.core.credentials == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize("sent", [None, "", "x" * 43, csrf_token(NEXT)])
async def test_a_cookie_changes_nothing_without_the_csrf_token_of_its_session(
    site: Site, sent: str | None
) -> None:
    answer = await site.http.post("/api/v1/sessions:sign_out", headers=with_cookie(csrf=sent))

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "csrf_token_invalid"
    assert site.core.credentials == []


async def test_with_the_csrf_token_it_signs_out_and_the_cookies_go(site: Site) -> None:
    headers = {**with_cookie(csrf=csrf_token(TOKEN)), "origin": ORIGIN}
    answer = await site.http.post("/api/v1/sessions:sign_out", headers=headers)

    assert answer.status_code == 200
    set_ = baked(answer)
    assert "Max-Age=0" in set_[SESSION]
    assert "Max-Age=0" in set_[CSRF]


@pytest.mark.parametrize(
    "foreign",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://gateway.test.evil.example"},
        {"origin": "https://[broken"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a_cookie_from_another_site_is_refused_even_to_read(
    site: Site, foreign: dict[str, str]
) -> None:
    headers = {**with_cookie(csrf=csrf_token(TOKEN)), **foreign}
    read = await site.http.get("/api/v1/profile", headers=headers)
    write = await site.http.post("/api/v1/sessions:sign_out", headers=headers)

    assert read.status_code == write.status_code == 403
    assert site.core.credentials == []


async def test_a_browser_that_signs_in_anew_leaves_the_session_that_it_had(site: Site) -> None:
    site.core.token = NEXT
    own = with_cookie(NEXT, csrf_token(NEXT))
    answer = await site.http.post(SIGN_IN, json=ASK, headers={**COOKIE, **own})

    assert baked(answer)[SESSION].startswith(TOKEN)
    assert site.core.signed_out == [f"Bearer {NEXT}"]


async def test_a_cookie_of_a_session_that_ended_keeps_nobody_from_signing_in(site: Site) -> None:
    own = with_cookie(NEXT, csrf_token(NEXT))
    answer = await site.http.post(SIGN_IN, json=ASK, headers={**COOKIE, **own})

    assert baked(answer)[SESSION].startswith(TOKEN)
    assert site.core.signed_out == []


async def test_another_site_cannot_sign_a_browser_in(site: Site) -> None:
    answer = await site.http.post(
        SIGN_IN, json=ASK, headers={**COOKIE, "origin": "https://evil.example"}
    )

    assert answer.status_code == 403
    assert not baked(answer)


async def test_a_cookie_with_an_authorization_header_is_nothing(site: Site) -> None:
    site.core.token = NEXT
    headers = {**with_cookie(), "authorization": f"Bearer {NEXT}", "origin": "https://app.example"}
    answer = await site.http.get("/api/v1/profile", headers=headers)

    assert answer.status_code == 200
    assert site.core.credentials == [f"Bearer {NEXT}"]
    assert not baked(answer)


async def test_a_changed_token_replaces_the_cookies(site: Site) -> None:
    answer = await site.http.post(
        "/api/v1/sessions:switch_account",
        json={"account": "accounts/1"},
        headers=with_cookie(csrf=csrf_token(TOKEN)),
    )

    assert NEXT not in answer.text
    assert baked(answer)[SESSION].startswith(NEXT)
    assert baked(answer)[CSRF].startswith(csrf_token(NEXT))


async def test_a_cookie_that_is_worth_nothing_any_more_is_taken_away(site: Site) -> None:
    site.core.token = NEXT
    answer = await site.http.get("/api/v1/profile", headers=with_cookie())

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "session_invalid"
    assert "Max-Age=0" in baked(answer)[SESSION]


async def test_a_sign_in_elsewhere_is_tied_to_the_browser_by_a_cookie(site: Site) -> None:
    begun = await site.http.post("/api/v1/oauth:begin", json={"provider": "github"}, headers=COOKIE)
    finished = await site.http.post(
        "/api/v1/oauth:finish",
        json={"provider": "github", "state": "s", "code": "c"},
        headers={**COOKIE, "cookie": f"{OAUTH}={BROWSER}"},
    )

    assert BROWSER not in begun.text
    assert baked(begun)[OAUTH].startswith(BROWSER)
    assert "HttpOnly" in baked(begun)[OAUTH]
    assert site.core.finished == [BROWSER]
    assert baked(finished)[SESSION].startswith(TOKEN)
    assert "Max-Age=0" in baked(finished)[OAUTH]


def test_of_two_cookies_with_our_name_the_first_counts_and_odd_ones_are_nothing() -> None:
    header = f"a=b; {SESSION}={TOKEN}; {SESSION}={NEXT}; {CSRF}=<script>; {OAUTH}".encode()

    assert cookies(header) == {SESSION: TOKEN}
    assert cookies(None) == {}
