"""A whole core over PostgreSQL with REST in front, in this process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from grpc import aio

from billing.ledger import Credit
from core.app import Core, open_core
from core.catalog.entries import Catalogue
from core.ground import CoreConfig
from core.keyring import Keyring
from core.local.channel import LocalChannel
from core.local.server import LocalServer
from core.services.admin import create_key
from rest_bridge.app import create_app
from rest_bridge.server import HttpServer
from rest_bridge.settings import BridgeSettings
from storage.commits import Commit
from tests.fetch.peers import LOOPBACK
from tests.fix_core import catalogue

KEYRING = Keyring((b"k" * 32,))


@dataclass
class Whole:
    """A core, and callers of it."""

    core: Core
    channel: aio.Channel
    http: httpx.AsyncClient
    account: UUID
    key: str = field(repr=False)
    emitted: list[Any] = field(default_factory=list)

    async def stranger(self) -> dict[str, str]:
        """The headers of another account."""
        key = await create_key(self.core.registry, KEYRING, uuid4(), "stranger")
        return {"authorization": f"Bearer {key}"}

    async def ask(self, method: str, path: str, **request: Any) -> Any:
        """The JSON of an answer that must be good."""
        answer = await self.http.request(method, path, **request)
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def whole_core(
    url: str,
    outputs: Path,
    offered: Catalogue | None = None,
    bridge: BridgeSettings | None = None,
    **more: Any,
) -> AsyncIterator[Whole]:
    """Its providers are all unreachable: what is accepted fails at once.

    *more* is of the `CoreConfig`.
    """
    emitted: list[Any] = []
    config = CoreConfig(
        url,
        KEYRING,
        offered or catalogue(),
        outputs,
        "https://gateway.test",
        webhook_networks=LOOPBACK,
        **more,
    )
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(open_core(config, emitted.append))
        local = LocalServer([core.boundary], message_bytes_max=8 << 20)
        core.register(local)
        stack.push_async_callback(local.stop, 1)
        channel = await stack.enter_async_context(LocalChannel(local))
        server = HttpServer(create_app(channel, bridge or BridgeSettings(), {}), "127.0.0.1", 0)
        await server.start()
        stack.push_async_callback(server.stop, grace=1.0)
        account = uuid4()
        key = await create_key(core.registry, KEYRING, account, "test")
        await core.committer.commit(Commit((Credit(uuid4(), account, 10_000_000),)))
        http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}",
            headers={"authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
        )
        await stack.enter_async_context(http)
        yield Whole(core, channel, http, account, key, emitted)
        await core.engine.drain(5)
