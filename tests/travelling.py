"""Journeys through a running demo: somebody who signs up, in, elsewhere, and what they carry."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
from grpc import aio

from tests.fix_gateway import Gateway
from tests.journeying import SECONDS, Caller, GrpcWire, Inbox, Refused, RestWire, Wire, until

PASSWORD = "quarrel-lobster-61-vaults"
OTHER = "seventh-walrus-orbits-42"
TRANSPORTS = ("rest", "grpc")
PICTURE = {"model": "gpt-image-2", "parameters": {"prompt": "a pear"}}


@dataclass
class Person:
    """Somebody who signed in."""

    email: str
    caller: Caller
    account: str
    session: str

    async def ask(self, rpc: str, **fields: Any) -> dict[str, Any]:
        return await self.caller.ask(rpc, **fields)

    async def refused(self, rpc: str, **fields: Any) -> str:
        return await self.caller.refused(rpc, **fields)

    async def key(self, **settings: Any) -> tuple[Caller, str]:
        """A new key of theirs: who holds it, and its name."""
        made = await self.ask("CreateApiKey", api_key=settings)
        return self.caller.holding(made["secret"]), made["api_key"]["name"]


class Journey:
    """A demo, over one transport."""

    def __init__(self, gateway: Gateway, wire: Wire) -> None:
        self.gateway = gateway
        self.stranger = Caller(wire)
        self.operator = self.stranger.holding(gateway.demo["admin_token"])
        self.inbox = Inbox(gateway.demo["simulator_url"])

    def run(self, statement: str, *values: Any) -> list[Any]:
        """Move the clock: one statement on the rows."""
        with self.gateway.database() as database:
            cursor = database.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    async def agreed(self) -> list[str]:
        listed = (await self.stranger.ask("ListPolicies"))["policies"]
        return [f"{each['name']}@{each['version']}" for each in listed]

    async def sign_up(self, email: str = "", **fields: Any) -> str:
        """Sign up; the address."""
        address = email or new_address()
        known = {
            "email": address,
            "password": PASSWORD,
            "age_confirmed": True,
            "accepted_policies": await self.agreed(),
        }
        await self.stranger.ask("SignUp", **{**known, **fields})
        return address

    async def verify(self, email: str, *, after: int = 0) -> None:
        """Open the link of the last verification mail; *after* so many before it."""
        token = await self.inbox.token(email, "/verify-email", after=after)
        await self.stranger.ask("VerifyEmail", token=token)

    async def sign_in(self, email: str, password: str = PASSWORD) -> Person:
        answer = await self.stranger.ask("SignIn", email=email, password=password)
        return self.person(answer["grant"])

    def person(self, grant: dict[str, Any]) -> Person:
        return Person(
            grant["profile"]["email"],
            self.stranger.holding(grant["session_token"]),
            grant["session"]["account"],
            grant["session"]["name"],
        )

    async def arrive(self, email: str = "", **fields: Any) -> Person:
        """Sign up, prove the address, sign in."""
        address = await self.sign_up(email, **fields)
        await self.verify(address)
        return await self.sign_in(address)

    async def is_at(self, provider: str, **somebody: Any) -> None:
        """Somebody is signed in at the other service."""
        await self._control("PUT", f"/_oauth/{provider}/person", json=somebody)

    async def begin(self, provider: str, caller: Caller | None = None, **fields: Any) -> Any:
        asked = {
            "provider": provider,
            "redirect_uri": f"{self.gateway.rest}/auth/{provider}/callback",
            "age_confirmed": True,
            "accepted_policies": await self.agreed(),
        }
        return await (caller or self.stranger).ask("BeginOAuth", **{**asked, **fields})

    async def go(self, provider: str, caller: Caller | None = None, **fields: Any) -> Any:
        """Begin, and be sent back by the service: what FinishOAuth is asked."""
        return await self.back(provider, await self.begin(provider, caller, **fields))

    async def back(self, provider: str, begun: dict[str, Any]) -> dict[str, str]:
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as browser:
            sent = await browser.get(begun["authorization_uri"])
        assert sent.status_code == 302, sent.text
        told = parse_qs(urlsplit(sent.headers["location"]).query)
        answer = {name: values[0] for name, values in told.items() if name in ("state", "code")}
        return {"provider": provider, "browser_token": begun["browser_token"], **answer}

    async def _control(self, method: str, path: str, **request: Any) -> None:
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:
            answer = await http.request(
                method, f"{self.gateway.demo['simulator_url']}{path}", **request
            )
        assert answer.status_code == 200, answer.text


def new_address() -> str:
    """One that nobody has."""
    return f"ann.{uuid4().hex[:12]}@people.example"


@asynccontextmanager
async def travelling(gateway: Gateway, transport: str) -> AsyncIterator[Journey]:
    """A journey through *gateway* over `rest` or `grpc`; nobody has tried anything too often."""
    with gateway.database() as database:
        database.execute("DELETE FROM throttle")
    async with AsyncExitStack() as stack:
        if transport == "grpc":
            channel = aio.insecure_channel(gateway.demo["grpc_address"])
            yield Journey(gateway, GrpcWire(await stack.enter_async_context(channel)))
            return
        http = httpx.AsyncClient(base_url=gateway.rest, timeout=SECONDS, trust_env=False)
        yield Journey(gateway, RestWire(await stack.enter_async_context(http)))


async def give(journey: Journey, person: Person, credits_: str = "1000") -> None:
    id_ = person.account.removeprefix("accounts/")
    await journey.operator.ask("GrantCredits", id=id_, credits=credits_, request_id="first")


async def made(caller: Caller) -> dict[str, Any]:
    """A generation that succeeded."""
    begun = (await caller.ask("CreateGeneration", spec=PICTURE))["generation"]
    found: dict[str, Any] = {}

    async def ended() -> bool:
        answer = await caller.ask("GetGeneration", name=begun["name"])
        found.update(answer["generation"])
        return found["state"] not in ("STATE_ACCEPTED", "STATE_RUNNING")

    await until(ended, "the generation did not end")
    assert found["state"] == "STATE_SUCCEEDED", found
    return found


async def seconds_until_refused(caller: Caller, rpc: str) -> float:
    """How long a credential went on working."""
    begin = monotonic()

    async def is_refused() -> bool:
        try:
            await caller.refused(rpc)
        except AssertionError:
            return False
        return True

    await until(is_refused, "the credential works still")
    return monotonic() - begin


async def until_answered(caller: Caller) -> dict[str, Any]:
    """The balance, once a change has arrived everywhere."""
    found: dict[str, Any] = {}

    async def answers() -> bool:
        try:
            found.update(await caller.ask("GetBalance"))
        except Refused:
            return False
        return True

    await until(answers, "the key does not work", 5)
    return found


async def fetched(uri: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        return await http.get(uri)


async def gone(uri: str) -> bool:
    return (await fetched(uri)).status_code == 404
