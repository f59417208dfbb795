"""Signing up and in for tests: the calls over a local channel, PostgreSQL, and the mails queued."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from argon2 import Parameters
from argon2.low_level import Type
from google.rpc.error_details_pb2 import ErrorInfo
from grpc import aio
from grpc_status.rpc_status import from_call

from accounts.mail_queue import PURPOSE
from accounts.networks import NOWHERE, network_of
from accounts.passwords import Passwords
from accounts.people_ground import PeopleGround
from accounts.throttle import Throttle
from core.authentication import SessionAuthenticator
from core.bot_check import BotCheck
from core.caller import Whence
from core.engine.ids import new_id
from core.engine.repeats import Repeats
from core.interceptors import Boundary
from core.keyring import Keyring
from core.local.channel import LocalChannel
from core.local.server import LocalServer
from core.services.agreeing import Agreeing
from core.services.entrance import House, entrance_calls
from core.services.even_answers import EvenAnswers
from core.services.register import Services
from core.settings_sign_up import SignUpMode
from core.vault import KeyringVault
from reapi.v1 import account_service_pb2 as pb
from reapi.v1 import account_service_pb2_grpc as rpc
from storage.pool import Pool

KEYRING = Keyring((b"k" * 32,))
VAULT = KeyringVault(KEYRING)
EMAIL = "ann.example@example.com"
PASSWORD = "quarrel-lobster-61-vaults"
OTHER = "seventh-walrus-orbits-42"
CURRENT = {"terms": "2026-11-22", "privacy": "2026-11-22", "cookies": "2026-11-22"}
AGREED = ("policies/privacy@2026-11-22", "policies/terms@2026-11-22")
HOME = "192.0.2.7"
CHEAP = Parameters(Type.ID, 19, 16, 32, 1, 8, 1)
"""argon2id with as little work as it allows."""


@dataclass
class Entrance:
    """Callers of the calls, and what is behind them."""

    pool: Pool
    stub: Any
    passwords: Passwords
    emitted: list[Any]
    network: list[str] = field(default_factory=lambda: [HOME])
    session: str = field(default="", repr=False)
    pauses: list[float] = field(default_factory=list)
    """What was waited for answers to be alike, if it had been."""

    async def ask(self, method: str, request: Any, *, session: str | None = None) -> Any:
        token = self.session if session is None else session
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        return await getattr(self.stub, method)(request, metadata=metadata)

    async def sign_up(self, email: str = EMAIL, **fields: Any) -> None:
        asked: Mapping[str, Any] = {
            "email": email,
            "password": PASSWORD,
            "age_confirmed": True,
            "accepted_policies": AGREED,
            **fields,
        }
        await self.ask("SignUp", pb.SignUpRequest(**asked), session="")

    async def sign_in(self, email: str = EMAIL, password: str = PASSWORD) -> pb.SignInResponse:
        request = pb.SignInRequest(email=email, password=password)
        answer: pb.SignInResponse = await self.ask("SignIn", request, session="")
        return answer

    async def enter(self, email: str = EMAIL, password: str = PASSWORD) -> None:
        """Be signed in from now on."""
        self.session = (await self.sign_in(email, password)).grant.session_token

    async def is_verified(self, token: str) -> None:
        await self.ask("VerifyEmail", pb.VerifyEmailRequest(token=token), session="")

    async def arrive(self, email: str = EMAIL) -> None:
        """Sign up, prove the address, sign in."""
        await self.sign_up(email)
        await self.is_verified(await self.token(email))
        await self.enter(email)

    async def mails(self, to: str = "") -> list[tuple[str, dict[str, Any]]]:
        """Kinds and contents, oldest first; to one address."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute("SELECT mail_id, kind, sealed FROM mail ORDER BY 1")
            rows = await cursor.fetchall()
        found = [
            (kind, json.loads(VAULT.open(PURPOSE, text, id_.bytes))) for id_, kind, text in rows
        ]
        return [(kind, content) for kind, content in found if content["to"] == to or not to]

    async def kinds(self, to: str = "") -> list[str]:
        return [kind for kind, _ in await self.mails(to)]

    async def token(self, to: str = EMAIL) -> str:
        """Of the last mail."""
        _, content = (await self.mails(to))[-1]
        token: str = content["facts"]["token"]
        return token

    async def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    async def hashes(self, method: str, request: Any) -> int:
        """How often argon2 runs for a call, whatever it answers."""
        before = self.passwords.worked
        with suppress(aio.AioRpcError):
            await self.ask(method, request)
        return self.passwords.worked - before


def whence(address: str) -> Whence:
    """As a bridge tells it."""
    return Whence(address, "curl/8", network_of(address) or NOWHERE, is_believed=True)


def reason(error: grpc.RpcError) -> tuple[str, dict[str, str]]:
    """Why a call failed, and its metadata."""
    status = from_call(error)
    assert status is not None
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason, dict(info.metadata)


@asynccontextmanager
async def open_entrance(
    pool: Pool, mode: SignUpMode = SignUpMode.OPEN, parameters: Parameters = CHEAP
) -> AsyncIterator[Entrance]:
    """An entrance over *pool*."""
    passwords, network = Passwords(parameters), [HOME]
    emitted: list[Any] = []
    ground = PeopleGround(pool, VAULT, Throttle(VAULT), passwords, new_id)
    pauses: list[float] = []

    async def wait(seconds: float) -> None:
        pauses.append(seconds)

    agreeing, answers = Agreeing(lambda: CURRENT, new_id), EvenAnswers(sleep=wait)
    house = House(BotCheck(None), agreeing, mode, ["github"], answers)
    authenticator = SessionAuthenticator(pool, VAULT)
    boundary = Boundary(
        authenticator, emitted.append, "ra_admin", lambda _metadata, _peer: whence(network[0])
    )
    local = LocalServer([boundary], message_bytes_max=1 << 20)
    services = Services(AccountService=entrance_calls(ground, Repeats(KEYRING), house))
    services.register(local)
    async with LocalChannel(local) as channel:
        yield Entrance(
            pool, rpc.AccountServiceStub(channel), passwords, emitted, network, pauses=pauses
        )
    await local.stop(0)
    passwords.close()
