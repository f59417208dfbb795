"""An office over PostgreSQL, with customers whose generations end when a test says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from core.body import Body, Secret
from core.engine.callback_urls import CallbackUrls
from core.engine.records import HideGeneration, NewGeneration
from core.engine.repeats import Request
from core.engine.supervisor import Supervisor
from core.fetch.posting import Poster
from core.keyring import Keyring
from core.webhooks.office import Office, open_office
from core.webhooks.records import Changes, Delivery, Endpoint, Filter
from core.webhooks.sending import Manner
from storage.commits import Commit, Committed
from tests.fetch.peers import LOOPBACK
from tests.fix_commit import Customer, PostgresHouse

KEYRING = Keyring((b"k" * 32,))
PUBLIC_URL = "https://gateway.test"


def by_hand(account_id: UUID, key: str = "", contents: bytes = b"", method: str = "m") -> Request:
    """A request of an account."""
    return Request(account_id, method, contents, Body(key) if key else None)


@dataclass
class Desk:
    """The office, and the levers of a test."""

    house: PostgresHouse
    office: Office
    customer: Customer
    emitted: list[Any] = field(default_factory=list)

    @property
    def account(self) -> UUID:
        return self.customer.account_id

    async def endpoint(self, url: str, **changes: Any) -> tuple[Endpoint, str]:
        """Register *url*; the endpoint and its secret."""
        new = Changes(url=Secret(url), **changes)
        made, secret = await self.office.endpoints.create(by_hand(self.account), new)
        assert secret is not None
        return made, secret.reveal()

    async def begin(self, callback: str = "") -> NewGeneration:
        """An accepted generation."""
        urls = CallbackUrls(KEYRING, LOOPBACK)
        sealed = urls.seal(self.account, Body(callback)) if callback else None
        new = self.customer.new(10, callback=sealed)
        assert isinstance(await self.house.commit(self.customer.open(new)), Committed)
        return new

    async def end(self, callback: str = "", *, failed: bool = False) -> NewGeneration:
        """A generation that has ended."""
        new = await self.begin(callback)
        commit = self.customer.void(new) if failed else self.customer.settle(new, 10)
        assert isinstance(await self.house.commit(commit), Committed)
        return new

    async def hide(self, new: NewGeneration) -> None:
        await self.house.commit(Commit((HideGeneration(new.id, self.account),)))

    async def deliveries(self, **which: Any) -> list[Delivery]:
        """All messages, newest first."""
        return list(await self.office.deliveries.page(self.account, Filter(100, **which)))

    async def send_due(self) -> int:
        """Send what is due, without workers; how many."""
        rows = await self.house.query(
            "UPDATE webhook_delivery SET queued_at = now() WHERE state = 'pending'"
            " AND next_try_at <= clock_timestamp() AND queued_at IS NULL RETURNING account_id, id"
        )
        await asyncio.gather(*(self.office.sender.send(*row) for row in rows))
        return len(rows)

    async def pass_hours(self, hours: float) -> None:
        """Everything that happened, happened earlier: the same as a later now."""
        for table, columns in {
            "webhook_delivery": ("round_at", "next_try_at", "last_try_at"),
            "webhook_endpoint": ("failing_since", "old_secret_expires_at", "last_success_at"),
            "call_repeat": ("expires_at",),
        }.items():
            changes = ", ".join(f"{name} = {name} - make_interval(secs => %s)" for name in columns)
            values = [hours * 3600] * len(columns)
            await self.house.query(f"UPDATE {table} SET {changes} RETURNING 1", *values)


@asynccontextmanager
async def open_desk(house: PostgresHouse, poster: Poster | None = None) -> AsyncIterator[Desk]:
    """An office that may post to loopback. Nothing is sent until a test says so."""
    manner = Manner(KEYRING, PUBLIC_URL, LOOPBACK, lambda: 0.5)
    async with AsyncExitStack() as stack:
        office = await stack.enter_async_context(open_office(house.url, manner, poster))
        yield Desk(house, office, await house.customer(credit=100_000))


@asynccontextmanager
async def working(desk: Desk) -> AsyncIterator[None]:
    """The office with its loops and workers, as in a process."""
    async with Supervisor(desk.emitted.append) as supervisor:
        desk.office.feeder.start(supervisor)
        yield
    assert desk.emitted == []
