"""A core with people in it, for tests of what they may call: real gRPC, and the local channel."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from accounts.mail_queue import PURPOSE
from accounts.roles import Role
from reapi.v1 import (
    account_service_pb2_grpc,
    billing_service_pb2_grpc,
    generation_service_pb2_grpc,
)
from storage.pool import open_pool
from tests.members_of import VAULT, Somebody, joins, run, signed_in, somebody
from tests.webhooks.whole_core import Whole, whole_core


class House:
    """A core with people in it, over one kind of channel."""

    def __init__(self, whole: Whole, channel: aio.Channel, pool: Any) -> None:
        self.whole = whole
        self.pool = pool
        self.account = account_service_pb2_grpc.AccountServiceStub(channel)
        self.billing = billing_service_pb2_grpc.BillingServiceStub(channel)
        self.generations = generation_service_pb2_grpc.GenerationServiceStub(channel)

    async def token(self, person: Somebody, account_id: UUID | None = None) -> str:
        grant = await signed_in(self.pool, person, account_id)
        return str(grant.token)

    async def colleague(self, owner: Somebody, role: Role) -> tuple[Somebody, str, str]:
        """Another member of the owner's account: who, the token there, the member's name."""
        person = await somebody(self.pool)
        id_ = await joins(self.pool, person, owner.account_id, role)
        return person, await self.token(person, owner.account_id), f"members/{id_.hex}"

    async def mailed(self) -> str:
        """The token in the last mail."""
        [*_, (id_, sealed)] = await run(
            self.pool, "SELECT mail_id, sealed FROM mail ORDER BY created_at"
        )
        return str(json.loads(VAULT.open(PURPOSE, sealed, id_.bytes))["facts"]["token"])


@asynccontextmanager
async def grpc_channel(whole: Whole) -> AsyncIterator[aio.Channel]:
    server = aio.server(interceptors=[whole.core.boundary])
    whole.core.register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(0)


@asynccontextmanager
async def open_house(kind: str, url: str, folder: Path) -> AsyncIterator[House]:
    """*kind*: `real` gRPC, or the `local` channel."""
    async with (
        whole_core(url, folder / "outputs") as whole,
        open_pool(url, name="house") as pool,
    ):
        if kind == "local":
            yield House(whole, whole.channel, pool)
            return
        async with grpc_channel(whole) as channel:
            yield House(whole, channel, pool)


def by(token: str) -> dict[str, Any]:
    return {"metadata": (("authorization", f"Bearer {token}"),), "timeout": 20}


async def refused(call: Any) -> tuple[str, dict[str, str]]:
    """Reason and metadata of a call that must fail."""
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    [details] = [
        value for key, value in caught.value.trailing_metadata() if key == "grpc-status-details-bin"
    ]
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(details).details:
        detail.Unpack(info)
    return info.reason, dict(info.metadata)


async def reason(call: Any) -> str:
    return (await refused(call))[0]
