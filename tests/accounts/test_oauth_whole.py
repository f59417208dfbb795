"""Signing in elsewhere through a whole core, as the operator's variables set it up."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import grpc
import httpx
import pytest
from grpc import aio

from core.people_settings import PeopleSettings
from reapi.v1 import account_service_pb2 as pb
from reapi.v1 import account_service_pb2_grpc as rpc
from simulator import SimulatedApp, Simulator
from tests.accounts.oauth_house import reason_of
from tests.webhooks.whole_core import Whole, whole_core

APP = SimulatedApp("an-app", "a secret", ("https://gateway.test/auth/google/callback",))
PAGE = "https://gateway.test/auth/google/callback"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator((), sign_in=APP) as opened:
        yield opened


@pytest.fixture
async def whole(simulator: Simulator, database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    variables = {
        "REAPI_GOOGLE_CLIENT_ID": APP.client_id,
        "REAPI_GOOGLE_CLIENT_SECRET": APP.client_secret,
        "REAPI_GOOGLE_ISSUER": f"{simulator.url}/_oauth/google",
        "REAPI_SMTP_URL": "smtp://127.0.0.1:9",  # nothing is mailed here, but people may come
        "REAPI_MAIL_FROM": "gateway@example.com",
    }
    people = PeopleSettings.from_env(variables)
    async with whole_core(database_url, tmp_path, people=people) as opened:
        del opened.http.headers["authorization"]  # a browser has no key
        yield opened


async def came_back(uri: str) -> dict[str, str]:
    async with httpx.AsyncClient(timeout=5) as browser:
        sent = await browser.get(uri)
    assert sent.status_code == 302, sent.text
    query = parse_qs(urlsplit(sent.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


async def agreed(whole: Whole) -> list[str]:
    listed = (await whole.ask("GET", "/api/v1/policies"))["policies"]
    return [f"{each['name']}@{each['version']}" for each in listed]


async def put_person(simulator: Simulator, **person: object) -> None:
    async with httpx.AsyncClient(timeout=5) as controls:
        put = await controls.put(f"{simulator.url}/_oauth/google/person", json=person)
    assert put.status_code == 200


async def test_a_journey_over_rest(simulator: Simulator, whole: Whole) -> None:
    await put_person(simulator, email="ada@example.com", name="Ada")
    options = await whole.ask("GET", "/api/v1/sign_in_options")
    asked = {
        "provider": "google",
        "redirect_uri": PAGE,
        "age_confirmed": True,
        "accepted_policies": await agreed(whole),
    }

    begun = await whole.ask("POST", "/api/v1/oauth:begin", json=asked)
    told = await came_back(begun["authorization_uri"])
    answer = {
        "provider": "google",
        "state": told["state"],
        "code": told["code"],
        "browser_token": begun["browser_token"],
    }
    found = await whole.ask("POST", "/api/v1/oauth:finish", json=answer)
    again = await whole.http.post("/api/v1/oauth:finish", json=answer)
    headers = {"authorization": f"Bearer {found['grant']['session_token']}"}
    profile = (await whole.ask("GET", "/api/v1/profile", headers=headers))["profile"]

    assert options["oauth_providers"] == ["google"]
    assert found["created"] is True
    assert again.status_code == 400
    assert again.json()["error"]["code"] == "token_invalid"
    assert (profile["email"], profile["display_name"]) == ("ada@example.com", "Ada")


async def test_a_journey_over_grpc(simulator: Simulator, whole: Whole) -> None:
    await put_person(simulator, email="ada@example.com", name="Ada")
    server = aio.server(interceptors=[whole.core.boundary])
    whole.core.register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    asked = pb.BeginOAuthRequest(
        provider="google",
        redirect_uri=PAGE,
        age_confirmed=True,
        accepted_policies=await agreed(whole),
    )
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = rpc.AccountServiceStub(channel)
        begun = await stub.BeginOAuth(asked)
        told = await came_back(begun.authorization_uri)
        answer = pb.FinishOAuthRequest(
            provider="google",
            state=told["state"],
            code=told["code"],
            browser_token=begun.browser_token,
        )
        found = await stub.FinishOAuth(answer)
        with pytest.raises(grpc.RpcError) as replayed:
            await stub.FinishOAuth(answer)
        metadata = (("authorization", f"Bearer {found.grant.session_token}"),)
        profile = (await stub.GetProfile(pb.GetProfileRequest(), metadata=metadata)).profile
    await server.stop(0)

    assert found.created
    assert profile.email == "ada@example.com"
    assert reason_of(replayed.value)[0] == "TOKEN_INVALID"
