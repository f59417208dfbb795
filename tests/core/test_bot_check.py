"""The bot check, against the simulated service over HTTP, and its settings."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from accounts.arriving import Arrival
from core.body import Secret
from core.bot_check import BotCheck, BotCheckSettings
from core.errors import GatewayError, Reason
from core.oauth import Told, Trip
from core.service_calls import JsonAnswer
from core.settings_oauth import bot_check_settings, is_safe, oauth_settings
from core.settings_values import SettingsError
from simulator import SimulatedApp, Simulator
from simulator.bot_check import FAILS, PASSES, SECRET

APP = SimulatedApp("an-app", "a secret")
TOKEN = "XXXX.DUMMY.TOKEN.XXXX"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator((), sign_in=APP) as opened:
        yield opened


@asynccontextmanager
async def checking(url: str, secret: str = SECRET) -> AsyncIterator[BotCheck]:
    settings = BotCheckSettings("site", Secret(secret), url, "https://a.test/api.js")
    async with BotCheck(settings) as check:
        yield check


async def reason(check: BotCheck, token: str) -> GatewayError | None:
    try:
        await check.check(token, "192.0.2.7")
    except GatewayError as error:
        return error
    return None


async def test_everybody_passes_where_there_is_no_check() -> None:
    async with BotCheck(None) as check:
        assert await reason(check, "") is None
        assert (check.site_key, check.script_uri) == ("", "")


async def test_an_answer_passes_once(simulator) -> None:
    async with checking(f"{simulator.url}/_bot_check/siteverify") as check:
        first, second = await reason(check, "pass-1"), await reason(check, "pass-1")

    assert first is None
    assert second is not None
    assert second.reason is Reason.BOT_CHECK_FAILED
    assert second.metadata == {"parameter": "bot_check_token"}
    assert check.site_key == "site"


@pytest.mark.parametrize("token", ["", "no", "x" * 2049])
async def test_no_answer_and_a_wrong_one_fail(simulator, token) -> None:
    async with checking(f"{simulator.url}/_bot_check/siteverify") as check:
        found = await reason(check, token)

    assert found is not None
    assert found.reason is Reason.BOT_CHECK_FAILED


@pytest.mark.parametrize(("secret", "passes"), [(PASSES, True), (FAILS, False)])
async def test_the_test_secrets_of_the_service_work(simulator, secret, passes) -> None:
    async with checking(f"{simulator.url}/_bot_check/siteverify", secret) as check:
        assert (await reason(check, TOKEN) is None) is passes


@pytest.mark.parametrize("fault", ["internal", "status", "hang"])
async def test_nobody_passes_while_the_service_is_away(simulator, fault, monkeypatch) -> None:
    async with checking(f"{simulator.url}/_bot_check/siteverify") as check:
        monkeypatch.setattr(check._calls, "_seconds", 0.2)
        async with httpx.AsyncClient() as http:
            await http.put(f"{simulator.url}/_bot_check/fault", json={"kind": fault})
        found = await reason(check, "pass-1")

    assert found is not None
    assert found.reason is Reason.SIGN_IN_SERVICE_UNAVAILABLE
    assert found.metadata == {"provider": "bot_check"}
    assert found.retry_after


@pytest.mark.parametrize("place", ["/_channels", "/nowhere"])
async def test_what_is_no_verdict_is_none(simulator, place) -> None:
    async with checking(f"{simulator.url}{place}", "not the secret") as check:
        found = await reason(check, "pass-1")

    assert found is not None
    assert found.reason is Reason.SIGN_IN_SERVICE_UNAVAILABLE


async def test_a_secret_of_the_operators_that_is_wrong_is_not_blamed_on_people(simulator) -> None:
    async with checking(f"{simulator.url}/_bot_check/siteverify", "another") as check:
        found = await reason(check, "pass-1")

    assert found is not None
    assert found.reason is Reason.SIGN_IN_SERVICE_UNAVAILABLE


async def test_neither_token_nor_address_is_logged(simulator, caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        async with checking(f"{simulator.url}/_bot_check/siteverify") as check:
            await reason(check, "pass-secret-token")

    assert "pass-secret-token" not in caplog.text
    assert "192.0.2.7" not in caplog.text
    assert SECRET not in caplog.text


def test_settings_are_off_until_they_are_set() -> None:
    assert bot_check_settings({}) is None
    found = oauth_settings({})
    assert (found.github, found.google) == (None, None)


@pytest.mark.parametrize("which", ["GITHUB", "GOOGLE"])
@pytest.mark.parametrize("one", ["CLIENT_ID", "CLIENT_SECRET"])
def test_an_id_without_a_secret_is_refused(which, one) -> None:
    with pytest.raises(SettingsError, match=f"REAPI_{which}_CLIENT_ID and REAPI_{which}_CLIENT"):
        oauth_settings({f"REAPI_{which}_{one}": "x"})


def test_a_site_key_without_a_secret_is_refused() -> None:
    with pytest.raises(SettingsError, match="REAPI_BOT_CHECK_SECRET_KEY"):
        bot_check_settings({"REAPI_BOT_CHECK_SITE_KEY": "x"})


def test_the_real_services_are_the_default() -> None:
    given = {"REAPI_GITHUB_CLIENT_ID": "a", "REAPI_GITHUB_CLIENT_SECRET": "secret-b"}
    given |= {"REAPI_GOOGLE_CLIENT_ID": "c", "REAPI_GOOGLE_CLIENT_SECRET": "secret-d"}

    found = oauth_settings(given)

    assert found.github is not None
    assert (found.github.url, found.github.api_url) == (
        "https://github.com",
        "https://api.github.com",
    )
    assert found.google is not None
    assert found.google.url == "https://accounts.google.com"
    assert "secret" not in repr(found).replace("client_secret", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REAPI_GITHUB_URL", "http://github.example"),
        ("REAPI_GITHUB_API_URL", "ftp://api.github.example"),
        ("REAPI_GOOGLE_ISSUER", "http://192.0.2.1"),
    ],
)
def test_secrets_go_nowhere_in_the_clear(name, value) -> None:
    with pytest.raises(SettingsError, match=name):
        oauth_settings({name: value})


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example/x", True),
        ("http://127.0.0.1:80", True),
        ("http://[::1]:80", True),
        ("http://localhost", True),
        ("http://localhost.evil.example", False),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_a_safe_place_is_encrypted_or_on_this_machine(url, safe) -> None:
    assert is_safe(url) is safe


class Flood:
    """A service that answers with more than it may, for ever."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with suppress(ConnectionError):
            while True:
                writer.write(piece)
                self.sent += 1
                await writer.drain()
        writer.transport.abort()
        await asyncio.sleep(0)  # the socket is closed in the next turn of the loop
        self.ended.set()


async def test_an_answer_without_end_is_cut_off() -> None:
    flood = Flood()
    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, checking(f"http://127.0.0.1:{port}/") as check:
        found = await reason(check, "pass-1")
    await asyncio.wait_for(flood.ended.wait(), 5)

    assert found is not None
    assert found.reason is Reason.SIGN_IN_SERVICE_UNAVAILABLE
    assert flood.sent < 200  # 4 are taken; the rest waits in the kernel's buffers


async def test_no_redirect_is_followed_and_no_cookie_kept() -> None:
    asked: list[bytes] = []
    ended = asyncio.Event()

    async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            length = int(re.findall(rb"content-length: (\d+)", head.lower())[0])
            await reader.readexactly(length)
            asked.append(head)
            writer.write(
                b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\nset-cookie: a=b\r\n"
                b"content-length: 2\r\n\r\n{}"
            )
        writer.transport.abort()
        await asyncio.sleep(0)
        ended.set()

    server = await asyncio.start_server(redirecting, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, checking(f"http://127.0.0.1:{port}/") as check:
        await reason(check, "pass-1")
        await reason(check, "pass-2")

    await asyncio.wait_for(ended.wait(), 5)
    assert len(asked) == 2
    assert not [head for head in asked if b"cookie" in head.lower() or b"elsewhere" in head]


def test_what_services_said_is_not_shown() -> None:
    shown = repr(
        (
            JsonAnswer(200, {"email": "secret@example.com"}),
            Told("subject-1", "secret@example.com", True, "Secret"),
            Trip("secret-state", "secret-verifier", "secret-nonce", "https://secret.test"),
            Arrival("github", "subject-1", "secret@example.com", vouched=True),
        )
    )

    assert "ecret" not in shown
    assert "subject-1" not in shown
