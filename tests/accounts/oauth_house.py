"""Signing in with other services: the calls over a local channel, PostgreSQL, and the fakes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import grpc
import httpx
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc import aio
from grpc_status.rpc_status import from_call

from accounts.browsers import Browser
from accounts.consents import Decision, Subject
from accounts.passwords import Passwords
from accounts.people import NewPerson, create_person
from accounts.people_ground import PeopleGround
from accounts.sessions import open_session
from accounts.throttle import Throttle
from core.authentication import SessionAuthenticator
from core.body import Secret
from core.bot_check import BotCheck, BotCheckSettings
from core.engine.ids import new_id
from core.engine.repeats import Repeats
from core.errors import GatewayError, Reason
from core.interceptors import Boundary
from core.keyring import Keyring
from core.local.channel import LocalChannel
from core.local.server import LocalServer
from core.oauth_github import GitHub
from core.oauth_google import Google
from core.service_calls import ServiceCalls
from core.services.oauth import OAuthCalls, Terms
from core.services.register import Services
from core.settings_oauth import OAuthApp
from core.settings_sign_up import SignUpMode
from core.vault import KeyringVault
from reapi.v1 import account_service_pb2 as pb
from reapi.v1 import account_service_pb2_grpc as rpc
from simulator import SimulatedApp, Simulator
from simulator.bot_check import SECRET
from storage.pool import Pool
from tests.entrance import whence

KEYRING = Keyring((b"k" * 32,))
VAULT = KeyringVault(KEYRING)
PUBLIC_URL = "http://127.0.0.1:8080"
POLICIES = ("policies/privacy@2026-11-22", "policies/terms@2026-11-22")
APP = SimulatedApp("reapi-test", "a secret of the test's app")
NETWORK = "192.0.2.7"


@dataclass
class Answer:
    """What a browser brings back."""

    provider: str
    state: str
    code: str
    error: str
    browser_token: str

    def request(self, **other: str) -> pb.FinishOAuthRequest:
        told = {
            "provider": self.provider,
            "state": self.state,
            "code": self.code,
            "error": self.error,
            "browser_token": self.browser_token,
        }
        return pb.FinishOAuthRequest(**{**told, **other})


@dataclass
class House:
    """Callers of the calls, and everything behind them."""

    pool: Pool
    stub: Any
    simulator: Simulator
    browser: httpx.AsyncClient
    google: Google
    passwords: Passwords
    session: str = field(default="", repr=False)
    networks: list[str] = field(default_factory=lambda: [NETWORK])

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.session}"),) if self.session else ()

    def is_at(self, provider: str, **somebody: Any) -> None:
        """Somebody is signed in at the service."""
        from simulator.oauth_books import parse_somebody

        getattr(self.simulator.oauth, provider).standing = parse_somebody(somebody)

    async def begin(self, provider: str, **fields: Any) -> pb.BeginOAuthResponse:
        asked = {
            "provider": provider,
            "redirect_uri": f"{PUBLIC_URL}/auth/{provider}/callback",
            "age_confirmed": True,
            "accepted_policies": POLICIES,
        }
        request = pb.BeginOAuthRequest(**{**asked, **fields})
        return await self.stub.BeginOAuth(request, metadata=self.metadata)

    async def go(self, provider: str, **fields: Any) -> Answer:
        """Begin, and be sent back by the service."""
        return await self.back(provider, await self.begin(provider, **fields))

    async def back(self, provider: str, begun: pb.BeginOAuthResponse) -> Answer:
        sent = await self.browser.get(begun.authorization_uri)
        assert sent.status_code == 302, sent.text
        place = sent.headers["location"]
        assert place.startswith(f"{PUBLIC_URL}/auth/{provider}/callback?")
        told = {name: values[0] for name, values in parse_qs(urlsplit(place).query).items()}
        return Answer(
            provider,
            told["state"],
            told.get("code", ""),
            told.get("error", ""),
            begun.browser_token,
        )

    async def finish(self, answer: Answer, **other: str) -> pb.FinishOAuthResponse:
        return await self.stub.FinishOAuth(answer.request(**other), metadata=self.metadata)

    async def sign_in(self, provider: str, **fields: Any) -> pb.FinishOAuthResponse:
        return await self.finish(await self.go(provider, **fields))

    async def person(self, email: str, **fields: Any) -> UUID:
        """Somebody who signed up here."""
        new = NewPerson(uuid4(), email, **fields)
        async with self.pool.connection() as connection, connection.transaction():
            assert await create_person(connection, VAULT, new) is not None
        return new.user_id

    async def enter(self, user_id: UUID) -> None:
        """Sign the person in, from now on."""
        async with self.pool.connection() as connection:
            grant = await open_session(connection, VAULT, user_id, None, Browser(), NETWORK)
        self.session = grant.token

    async def count(self, table: str, where: str = "true") -> int:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(f"SELECT count(*) FROM {table} WHERE {where}")
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def actions(self) -> list[tuple[str, bool]]:
        """What the security log says, oldest first."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT action, succeeded FROM audit_log ORDER BY at, id"
            )
            return [(row[0], row[1]) for row in await cursor.fetchall()]


def reason_of(error: grpc.RpcError) -> tuple[str, dict[str, str]]:
    """The reason and its metadata."""
    status = from_call(error)
    assert status is not None
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason, dict(info.metadata)


async def refused(call: Any) -> tuple[str, dict[str, str]]:
    with pytest.raises(grpc.RpcError) as error:
        await call
    return reason_of(error.value)


def cause(provider: str, what: str) -> tuple[str, dict[str, str]]:
    return "SIGN_IN_REFUSED", {"provider": provider, "cause": what}


async def nobody_came(house: House) -> bool:
    tables = ("app_user", "oauth_identity", "session", "oauth_flow")
    return [await house.count(table) for table in tables] == [0, 0, 0, 0]


def agreed(age: bool, policies: Sequence[str]) -> Sequence[Decision]:
    """As whoever signs people up decides."""
    if not age or set(policies) != set(POLICIES):
        raise GatewayError(Reason.INVALID_PARAMETER, "Agree first.", parameter="age_confirmed")
    return [Decision(new_id(), Subject.AGE, given=True)]


@asynccontextmanager
async def open_house(
    pool: Pool, *, bots: bool = False, mode: SignUpMode = SignUpMode.OPEN
) -> AsyncIterator[House]:
    """Everything, with GitHub and Google simulated over real HTTP."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator((), sign_in=APP))
        base, secret = f"{simulator.url}/_oauth", Secret(APP.client_secret)
        calls = await stack.enter_async_context(ServiceCalls(5))
        google = Google(OAuthApp(APP.client_id, secret, f"{base}/google"), calls, time, monotonic)
        github = OAuthApp(APP.client_id, secret, f"{base}/github", f"{base}/github/api")
        checked = BotCheckSettings(
            "site", Secret(SECRET), f"{simulator.url}/_bot_check/siteverify", "https://a.test/a.js"
        )
        check = await stack.enter_async_context(BotCheck(checked if bots else None))
        passwords = Passwords()
        stack.callback(passwords.close)
        ground = PeopleGround(pool, VAULT, Throttle(VAULT), passwords, new_id)
        servicer = OAuthCalls(
            ground,
            {"google": google, "github": GitHub(github, calls)},
            Repeats(KEYRING),
            bots=check,
            terms=Terms(agreed, mode, PUBLIC_URL),
        )
        networks = [NETWORK]
        authenticator = SessionAuthenticator(pool, VAULT)
        boundary = Boundary(
            authenticator,
            lambda _event: None,
            "admin",
            lambda _metadata, _peer: whence(networks[0]),
        )
        local = LocalServer([boundary], message_bytes_max=8 << 20)
        Services(AccountService=(servicer,)).register(local)
        stack.push_async_callback(local.stop, 1)
        channel: aio.Channel = await stack.enter_async_context(LocalChannel(local))
        browser = await stack.enter_async_context(httpx.AsyncClient(timeout=5))
        stub = rpc.AccountServiceStub(channel)
        yield House(pool, stub, simulator, browser, google, passwords, networks=networks)
