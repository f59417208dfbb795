"""The web pages: what a browser without scripts can do with them."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape

import httpx
import pytest

from core.local.channel import LocalChannel
from core.local.server import LocalServer
from dashboard.pages import pages
from reapi.v1 import account_service_pb2_grpc
from rest_bridge.app import create_app
from rest_bridge.browser import CSRF, OAUTH, SESSION, csrf_token
from rest_bridge.settings import BridgeSettings
from tests.bridge.scripted_people import BROWSER, MAIL_TOKEN, PASSWORD, TOKEN, PeopleCore

ORIGIN = "http://gateway.test"
OURS = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}
FROM_MAIL = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
EVERY_PAGE = (
    "/sign-in",
    "/sign-up",
    "/forgot-password",
    f"/verify-email?token={MAIL_TOKEN}",
    f"/reset-password?token={MAIL_TOKEN}",
    f"/accept-invitation?token={MAIL_TOKEN}",
    f"/unsubscribe?token={MAIL_TOKEN}",
)


@dataclass
class Site:
    """Pages in front of one person's account service."""

    core: PeopleCore
    http: httpx.AsyncClient

    async def press(self, page: httpx.Response, **filled: str) -> httpx.Response:
        """Send the first form of *page*, as a browser would."""
        form = re.search(r'<form method="post" action="([^"]+)">(.*?)</form>', page.text, re.DOTALL)
        assert form is not None, page.text
        fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form[2]))
        data = {name: unescape(value) for name, value in fields.items()} | filled
        return await self.http.post(unescape(form[1]), data=data, headers=OURS)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    people = PeopleCore()
    server = LocalServer()
    account_service_pb2_grpc.add_AccountServiceServicer_to_server(people, server)
    async with LocalChannel(server) as channel:
        bridge = create_app(channel, BridgeSettings(), None, pages(channel))
        transport = httpx.ASGITransport(app=bridge)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            yield Site(people, http)
    await server.stop(None)


def signed_in() -> dict[str, str]:
    return {"cookie": f"{SESSION}={TOKEN}; {CSRF}={csrf_token(TOKEN)}"}


@pytest.mark.parametrize("path", EVERY_PAGE)
async def test_every_page_forbids_scripts_frames_and_referrers(site: Site, path: str) -> None:
    answer = await site.http.get(path, headers=FROM_MAIL)

    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert "max-age" in answer.headers["strict-transport-security"]
    assert "<script" not in answer.text
    assert " style=" not in answer.text


@pytest.mark.parametrize("path", EVERY_PAGE[3:])
async def test_opening_the_link_of_a_mail_does_nothing_yet(site: Site, path: str) -> None:
    """Mail scanners open links: only a press does what the link is for."""
    await site.http.get(path, headers=FROM_MAIL)

    assert site.core.tokens == []


@pytest.mark.parametrize("path", EVERY_PAGE[3:5])
async def test_pressing_the_button_does_it(site: Site, path: str) -> None:
    page = await site.http.get(path, headers=FROM_MAIL)
    done = await site.press(page, password=PASSWORD)

    assert done.status_code == 200
    assert site.core.tokens == [MAIL_TOKEN]


async def test_a_used_link_says_so_and_keeps_the_form(site: Site) -> None:
    page = await site.http.get("/reset-password?token=used", headers=FROM_MAIL)
    again = await site.press(page, password=PASSWORD)

    assert again.status_code == 400
    assert "used before" in again.text
    assert 'value="used"' in again.text
    assert PASSWORD not in again.text


async def test_a_mail_program_unsubscribes_with_one_click(site: Site) -> None:
    answer = await site.http.post(
        f"/unsubscribe?token={MAIL_TOKEN}", data={"List-Unsubscribe": "One-Click"}
    )

    assert answer.status_code == 200
    assert site.core.tokens == [MAIL_TOKEN]


async def test_signing_in_by_the_form_sets_the_cookies(site: Site) -> None:
    page = await site.http.get("/sign-in")
    answer = await site.press(page, email="a@example.com", password=PASSWORD)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/account"
    assert TOKEN in answer.headers["set-cookie"]
    account = await site.http.get("/account", headers=signed_in() | FROM_MAIL)
    assert "You are signed in" in account.text


async def test_a_wrong_password_keeps_the_address_and_not_the_password(site: Site) -> None:
    page = await site.http.get("/sign-in")
    answer = await site.press(page, email="a@example.com", password="not that one")

    assert answer.status_code == 401
    assert "a@example.com" in answer.text
    assert "not that one" not in answer.text
    assert "set-cookie" not in answer.headers


async def test_another_site_cannot_send_our_forms(site: Site) -> None:
    answer = await site.http.post(
        "/sign-in",
        data={"email": "a@example.com", "password": PASSWORD},
        headers={"origin": "https://evil.example"},
    )

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_signing_out_takes_the_csrf_token_of_the_form(site: Site) -> None:
    without = await site.http.post("/sign-out", data={"csrf_token": ""}, headers=OURS | signed_in())
    account = await site.http.get("/account", headers=signed_in())
    site.http.headers["cookie"] = signed_in()["cookie"]
    form = re.search(r'name="csrf_token" value="([^"]+)"', account.text)
    assert form is not None
    done = await site.http.post("/sign-out", data={"csrf_token": form[1]}, headers=OURS)

    assert without.status_code == 403
    assert done.status_code == 303
    assert "Max-Age=0" in done.headers["set-cookie"]


async def test_signing_in_elsewhere_goes_there_and_comes_back_with_a_session(site: Site) -> None:
    begun = await site.http.post("/sign-in/github", data={"age": "yes"}, headers=OURS)
    back = await site.http.get(
        "/auth/github/callback?state=s&code=c",
        headers={**FROM_MAIL, "cookie": f"{OAUTH}={BROWSER}"},
    )

    assert "https://example.com/authorize" in begun.text
    assert BROWSER in begun.headers["set-cookie"]
    assert site.core.finished == [BROWSER]
    assert back.status_code == 303
    assert TOKEN in back.headers.get_list("set-cookie")[0]


async def test_what_a_person_typed_is_escaped(site: Site) -> None:
    page = await site.http.get("/sign-in")
    answer = await site.press(page, email='"><script>alert(1)</script>', password="no")

    assert "<script" not in answer.text


async def test_the_bot_check_is_let_in_only_where_it_is_on(site: Site) -> None:
    site.core.bot_check = True
    answer = await site.http.get("/sign-in")

    policy = answer.headers["content-security-policy"]
    assert "script-src https://challenges.example;" in policy
    assert "frame-src https://challenges.example;" in policy
    assert 'data-sitekey="site-key"' in answer.text


async def test_an_error_is_a_page_too(site: Site) -> None:
    answer = await site.http.post("/sign-in", content=b"{}", headers=OURS)

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
