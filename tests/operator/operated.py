"""A whole core with simulated channels, and its operator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from grpc import aio

from accounts.addresses import address_digest
from core.keyring import admin_token
from core.vault import KeyringVault
from reapi.v1.admin_service_pb2_grpc import AdminServiceStub
from simulator import Simulator
from tests.fix_core import catalogue
from tests.fix_simulator import SIMULATED_CHANNELS
from tests.webhooks.whole_core import KEYRING, Whole, whole_core

TOKEN = f"Bearer {admin_token(KEYRING)}"
OPERATOR = {"authorization": TOKEN}
VAULT = KeyringVault(KEYRING)
IMAGE = {"model": "gpt-image-2", "prompt": "a cat"}


@asynccontextmanager
async def operated(url: str, outputs: Path, simulator: Simulator) -> AsyncIterator[Whole]:
    """A core whose images the *simulator* makes."""
    env = {}
    for channel in SIMULATED_CHANNELS:
        name = channel.name.upper().replace("-", "_")
        env[f"SIMULATOR_URL_{name}"] = simulator.base_url(channel.name)
        env[f"SIMULATOR_KEY_{name}"] = channel.credential
    async with whole_core(url, outputs, catalogue(**env)) as made:
        yield made


async def asked(core: Whole, method: str, request: Any) -> Any:
    """Call a method of AdminService as the operator."""
    stub: Any = AdminServiceStub(core.channel)
    return await getattr(stub, method)(request, metadata=(("authorization", TOKEN),))


async def refused(core: Whole, method: str, request: Any) -> str:
    """The code of a call that must be refused."""
    try:
        await asked(core, method, request)
    except aio.AioRpcError as error:
        return error.code().name
    raise AssertionError(f"{method} was not refused")


async def slow(simulator: Simulator, milliseconds: int) -> None:
    """Let every channel take so long."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.put(f"{simulator.url}/_settings", json={"latency_ms": milliseconds})
    assert answer.status_code == 200, answer.text


async def execute(url: str, statement: str, *values: Any) -> list[Any]:
    """Run one statement; its rows, if it has any."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description is not None else []


async def member(url: str, account: UUID, address: str) -> UUID:
    """A person of that address in the account."""
    user = uuid4()
    sealed = VAULT.seal("address", address, user.bytes)
    digest = address_digest(VAULT, address)
    await execute(
        url,
        "INSERT INTO app_user (user_id, email_hmac, email_sealed) VALUES (%s, %s, %s)",
        user,
        digest,
        sealed,
    )
    await execute(
        url,
        "INSERT INTO membership (account_id, user_id, role) VALUES (%s, %s, 'owner')",
        account,
        user,
    )
    return user
