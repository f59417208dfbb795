"""Messages never lead into the operator's network, whatever a URL says or becomes."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp.abc import AbstractResolver

from core.body import Body, Secret
from core.engine.callback_urls import CallbackUrls
from core.errors import GatewayError
from core.fetch.addresses import Network, NotAllowedError
from core.fetch.guard import FetchError, Limits, Problem
from core.fetch.posting import Poster, receiver
from core.keyring import Keyring
from core.sealing import UnsealError
from tests.certificates import Authority
from tests.fetch.peers import LOOPBACK, Names
from tests.webhooks.receiving import hangs, receiving, says

KEYRING = Keyring((b"k" * 32,))
LIMITS = Limits(1024, connect=5, first_byte=5, idle=0.2, total=0.5)
REFUSED = [
    "http://example.com/hook",
    "https://10.0.0.1/hook",
    "https://192.168.1.1/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://100.100.100.200/",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1%25eth0]/",
    "https://localhost/",
    "https://a.localhost/",
    "https://db.internal/",
    "https://user:password@example.com/",
    "https://example.com:22/",
    "https://example.com:6379x/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "https://",
    "https:///x",
    "hook",
    "https://exa mple.com/",
    "https://example.com/\r\nx",
    "https://example.com/" + "x" * 2048,
]


def names(**answers: list[list[str]]) -> AbstractResolver:
    """A resolver that says what a test wrote down."""
    make: Callable[..., AbstractResolver] = Names
    return make(**answers)


async def post(url: str, poster: Poster, networks: tuple[Network, ...] = LOOPBACK) -> int:
    async with poster:
        return await poster.post(Secret(url), b"{}", {"webhook-id": "msg_1"}, networks, LIMITS)


async def problem(url: str, poster: Poster, networks: tuple[Network, ...] = LOOPBACK) -> Problem:
    with pytest.raises(FetchError) as caught:
        await post(url, poster, networks)
    assert url not in repr(caught.value)
    return caught.value.problem


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_is_not_a_public_https_one_is_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(NotAllowedError):
        receiver(url)
    with pytest.raises(GatewayError) as caught:
        CallbackUrls(KEYRING).seal(UUID(int=1), Body(url))
    assert (caught.value.reason, caught.value.parameter) == ("INVALID_PARAMETER", "callback_url")
    assert url not in caught.value.message


def test_http_is_taken_for_addresses_that_the_operator_opened_only() -> None:
    assert receiver("http://127.0.0.1:9000/x", LOOPBACK) == "127.0.0.1"
    for url in ("http://10.0.0.1:9000/", "http://example.com/", "http://localhost:9000/"):
        with pytest.raises(NotAllowedError):
            receiver(url, LOOPBACK)


@pytest.mark.parametrize(
    "answer",
    [
        ["10.0.0.1"],
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["93.184.215.14", "10.0.0.1"],
        ["fd00::1"],
    ],
)
async def test_a_name_that_leads_inside_is_not_connected_to(answer: list[str]) -> None:
    leads = names(hook_example=[answer])

    assert await problem("https://hook.example/", Poster(leads), ()) is Problem.REFUSED


async def test_a_name_that_changes_its_mind_is_judged_each_time() -> None:
    async with receiving() as inside:
        port = inside.url.rpartition(":")[2]
        leads = names(hook_example=[["93.184.215.14"], ["127.0.0.1"]])
        url = f"http://hook.example:{port}/"
        found = [await problem(url, Poster(leads), ()) for _ in range(2)]

        assert found[1] is Problem.REFUSED
        assert inside.received == []


async def test_a_redirect_inside_is_an_answer_like_any_other() -> None:
    async with receiving() as first, receiving() as inside:
        url = first.plays("/hook", says(302, {"location": inside.url}))

        assert await post(url, Poster()) == 302
        assert inside.received == []


async def test_a_receiver_that_says_nothing_is_a_timeout() -> None:
    async with receiving() as slow:
        url = slow.plays("/hook", hangs(asyncio.Event()))

        assert await problem(url, Poster()) is Problem.TIMEOUT


async def test_the_certificate_must_be_for_the_name(tmp_path: Path) -> None:
    trusted, stranger = Authority(tmp_path, "trusted"), Authority(tmp_path, "stranger")
    found: list[object] = []
    for authority, host in (
        (trusted, "a.example"),
        (trusted, "b.example"),
        (stranger, "a.example"),
    ):
        pair = authority.issue(host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        client = ssl.create_default_context(cafile=trusted.file)
        client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
        async with receiving(context) as made:
            url = f"https://a.example:{made.url.rpartition(':')[2]}/hook"
            poster = Poster(names(a_example=[["127.0.0.1"]]), client)
            try:
                found.append(await post(url, poster))
            except FetchError as failed:
                found.append(failed.problem)
            assert len(made.received) == (1 if len(found) == 1 else 0)

    assert found == [200, Problem.UNTRUSTED, Problem.UNTRUSTED]


def test_a_sealed_url_opens_for_its_account_and_under_its_key_only() -> None:
    urls = CallbackUrls(KEYRING)
    ours, theirs = UUID(int=1), UUID(int=2)
    sealed = urls.seal(ours, Body("https://example.com/secret")).url

    assert b"example" not in sealed
    assert urls.open(ours, sealed).reveal() == "https://example.com/secret"
    rotated = CallbackUrls(Keyring((b"n" * 32, b"k" * 32)))
    assert rotated.open(ours, sealed).reveal() == "https://example.com/secret"
    for opens, account, data in (
        (urls, theirs, sealed),
        (CallbackUrls(Keyring((b"n" * 32,))), ours, sealed),
        (urls, ours, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (urls, ours, b""),
    ):
        with pytest.raises(UnsealError):
            opens.open(account, data)


def test_callbacks_to_one_host_of_one_account_share_a_target_and_no_others_do() -> None:
    urls = CallbackUrls(KEYRING)

    def target(account: int, url: str) -> UUID:
        return urls.seal(UUID(int=account), Body(url)).target

    assert target(1, "https://a.example/x") == target(1, "https://A.example/y")
    others = {
        target(1, "https://a.example"),
        target(2, "https://a.example"),
        target(1, "https://b.example"),
    }
    assert len(others) == 3
