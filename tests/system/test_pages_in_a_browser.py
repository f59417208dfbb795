"""The pages in a real browser: signing up by mail, signing in, signing in elsewhere, joining."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.browser import PROGRAM, Tab, browsing
from tests.fix_gateway import Gateway, running
from tests.patience import wait_until

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(not PROGRAM, reason="Chromium is not installed"),
]

PASSWORD = "seven blue umbrellas on a hill"
SESSION, CSRF = "__Host-reapi_session", "__Host-reapi_csrf"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway") / "home") as found:
        yield found


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    profile = tmp_path / "profile"
    async with browsing(profile) as found:
        yield found
    shutil.rmtree(profile, ignore_errors=True)


def base(gateway: Gateway) -> str:
    return gateway.rest


async def mailed(gateway: Gateway, to: str, path: str) -> str:
    """The link to *path* in the last mail to an address, as this gateway's page."""
    found: list[str] = []

    def arrived() -> bool:
        messages = httpx.get(f"{gateway.demo['simulator_url']}/_mail/messages", timeout=10).json()
        texts = [str(each) for each in messages["messages"] if to in str(each)]
        links = [link for text in texts for link in re.findall(rf"{path}\?token=[\w\-%.]+", text)]
        found[:] = links
        return bool(links)

    await asyncio.to_thread(wait_until, arrived, 20)
    return base(gateway) + found[-1]


async def sign_up(tab: Tab, gateway: Gateway, email: str) -> None:
    await tab.go(f"{base(gateway)}/sign-up")
    await tab.fill("email", email)
    await tab.fill("password", PASSWORD)
    await tab.fill("name", "Ada")
    await tab.fill("age", "yes")
    await tab.fill("agreed", "yes")
    await tab.press("Sign up")
    assert "mail that we have sent" in await tab.text()


async def sign_in(tab: Tab, gateway: Gateway, email: str, password: str = PASSWORD) -> None:
    await tab.go(f"{base(gateway)}/sign-in")
    await tab.fill("email", email)
    await tab.fill("password", password)
    await tab.press("Sign in")


async def test_a_person_signs_up_verifies_and_signs_in_and_out(gateway: Gateway, tab: Tab) -> None:
    email = "ada@people.example"
    await sign_up(tab, gateway, email)
    await tab.go(await mailed(gateway, email, "/verify-email"))
    await tab.press("Verify")
    assert "verified" in await tab.text()

    await sign_in(tab, gateway, email, "not that password at all")
    assert "do not belong together" in await tab.text()
    await sign_in(tab, gateway, email)
    assert await tab.path() == "/account"
    assert "signed in as Ada" in await tab.text()

    cookies = await tab.cookies()
    assert cookies[SESSION]["httpOnly"]
    assert cookies[SESSION]["secure"]
    assert cookies[SESSION]["sameSite"] == "Lax"
    assert not cookies[CSRF]["httpOnly"]
    assert SESSION not in await tab.run("document.cookie")

    await tab.press("Sign out")
    assert await tab.path() == "/sign-in"
    assert SESSION not in await tab.cookies()
    assert tab.messages == [] or all("401" in text for text in tab.messages)


async def test_a_script_of_our_page_calls_the_contract_with_its_cookie_and_csrf_token(
    gateway: Gateway, tab: Tab
) -> None:
    email = "grace@people.example"
    await sign_up(tab, gateway, email)
    await sign_in(tab, gateway, email)
    await tab.go(f"{base(gateway)}/account")

    # The pages' own policy forbids scripts: the test's runs beside them, as an extension would.
    async def call(method: str, path: str, headers: str) -> int:
        status: int = await tab.run(
            f"fetch({path!r}, {{method: {method!r}, headers: {headers}, body: "
            f"{'undefined' if method == 'GET' else repr('{}')}}}).then(answer => answer.status)"
        )
        return status

    csrf = f"{{'x-csrf-token': document.cookie.match(/{CSRF}=([^;]+)/)[1]}}"
    await tab.call("Page.setBypassCSP", enabled=True)
    await tab.go(f"{base(gateway)}/account")
    assert await call("GET", "/api/v1/profile", "{}") == 200
    assert await call("POST", "/api/v1/sessions:revoke_others", "{}") == 403
    assert await call("POST", "/api/v1/sessions:revoke_others", csrf) == 200


async def test_a_forgotten_password_is_made_anew(gateway: Gateway, tab: Tab) -> None:
    email = "mary@people.example"
    await sign_up(tab, gateway, email)
    await tab.go(f"{base(gateway)}/forgot-password")
    await tab.fill("email", email)
    await tab.press("Send me a link")
    link = await mailed(gateway, email, "/reset-password")
    await tab.go(link)
    await tab.fill("password", "password1234")
    await tab.press("Change it")
    assert await tab.path() == "/reset-password", "a common password is refused"
    await tab.fill("password", f"{PASSWORD} again")
    await tab.press("Change it")
    assert "changed" in await tab.text()

    await tab.go(link)
    await tab.fill("password", f"{PASSWORD} once more")
    await tab.press("Change it")
    assert "used before" in await tab.text()
    await sign_in(tab, gateway, email, f"{PASSWORD} again")
    assert await tab.path() == "/account"


async def test_a_person_signs_up_and_in_with_another_service(gateway: Gateway, tab: Tab) -> None:
    await tab.go(f"{base(gateway)}/sign-in")
    await tab.press("Sign in with GitHub")
    await tab.fill("email", "linus@people.example")
    await tab.fill("subject", "4711")
    await tab.press("Agree")
    assert "not signed in" in await tab.text(), "somebody new agrees to the policies first"

    await tab.press("Sign up")
    await tab.fill_in_form("Sign up with GitHub", age="yes", agreed="yes")
    await tab.press("Sign up with GitHub")
    await tab.fill("email", "linus@people.example")
    await tab.fill("subject", "4711")
    await tab.press("Agree")
    assert await tab.path() == "/account"

    await tab.press("Sign out")
    await tab.press("Sign in with GitHub")
    await tab.fill("email", "linus@people.example")
    await tab.fill("subject", "4711")
    await tab.press("Agree")
    assert await tab.path() == "/account"
    assert "__Host-reapi_oauth" not in await tab.cookies()

    await tab.press("Sign out")
    await tab.press("Sign in with Google")
    await tab.press("Decline")
    assert "not signed in" in await tab.text()


async def test_settings_change_what_is_kept_and_delete_all_of_it(
    gateway: Gateway, tab: Tab
) -> None:
    email = "edsger@people.example"
    await sign_up(tab, gateway, email)
    await tab.go(await mailed(gateway, email, "/verify-email"))
    await tab.press("Verify")
    await sign_in(tab, gateway, email)

    await tab.press("Notifications")
    await tab.fill("newsletter", "yes")
    await tab.press("Keep")
    assert await tab.run("document.querySelector('[name=newsletter]').checked")
    await tab.press("Profile")
    await tab.fill("name", "Edsger")
    await tab.press("Change the name")
    before = (await tab.cookies())[SESSION]["value"]
    await tab.fill_in_form("Change the password", current=PASSWORD, password=f"{PASSWORD} too")
    await tab.press("Change the password")
    assert (await tab.cookies())[SESSION]["value"] != before, "the token changed"
    await tab.press("Export everything that is kept")
    assert "being prepared" in await tab.text() or "is ready" in await tab.text()

    name = re.search(r"Type the account's name: (.+)", await tab.text())
    assert name is not None
    wrong = {"confirmation": "not it", "current": f"{PASSWORD} too"}
    await tab.fill_in_form("Delete the account and all that is in it", **wrong)
    await tab.press("Delete the account and all that is in it")
    assert await tab.path() == "/settings/profile"
    right = {**wrong, "confirmation": name[1].strip()}
    await tab.fill_in_form("Delete the account and all that is in it", **right)
    await tab.press("Delete the account and all that is in it")
    assert "deleted" in await tab.text()
    assert SESSION not in await tab.cookies()
    await sign_in(tab, gateway, email, f"{PASSWORD} too")
    assert await tab.path() == "/sign-in"
