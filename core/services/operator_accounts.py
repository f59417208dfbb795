"""AdminService: accounts as the operator sees, stops and erases them."""

from typing import Any, Final, TypeAlias
from uuid import UUID

from grpc import aio
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from accounts.erasure import NoSuchAccount, Wish, begin_erasure
from accounts.security_log import NOBODYS, note
from accounts.suspending import RESUME, SUSPEND, Suspensions
from accounts.vault import Vault
from core.engine.account_reads import AccountReads, Overview
from core.engine.account_stops import cancel_all
from core.engine.engine import Engine
from core.engine.ids import new_id
from core.engine.repeats import Repeats, Request
from core.services import cursors
from core.services import operator_words as words
from core.services.names import account_name
from core.services.repeatable import repeatable
from reapi.v1 import admin_service_pb2 as pb
from storage.pool import AnyPool

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

ERASE: Final = "account.erase"


class OperatorAccounts:
    """Serves accounts of `reapi.v1.AdminService`."""

    def __init__(self, pool: AnyPool, vault: Vault, repeats: Repeats, engine: Engine) -> None:
        self._pool = pool
        self._vault = vault
        self._repeats = repeats
        self._engine = engine
        self._reads = AccountReads(pool, vault)
        self._suspensions = Suspensions(pool)

    async def ListAccounts(
        self, request: pb.ListAccountsRequest, context: Context
    ) -> pb.ListAccountsResponse:
        """Read one page, newest first."""
        size = cursors.size_of(request.page_size)
        states = words.account_states(request.states)
        facts = ("accounts", request.filter.strip(), *states)
        after = cursors.after(request.page_token, *facts)
        sought = words.sought(request.filter, self._vault)
        found = await self._reads.page(sought, states, size + 1, after)
        items = found[:size]
        more = len(found) > size
        return pb.ListAccountsResponse(
            accounts=[words.overview_message(item) for item in items],
            next_page_token=cursors.token(items[-1].id, *facts) if more else "",
        )

    async def SuspendAccount(
        self, request: pb.SuspendAccountRequest, context: Context
    ) -> pb.SuspendAccountResponse:
        """Stop keys and sessions, and cancel what runs."""
        account_id = words.account_id(request.id)
        action = words.action(SUSPEND, account_id, account_name(account_id), request.reason)
        known = self._repeats.of(repeatable(request))
        if not await self._suspensions.suspend(action, known):
            raise words.unknown_account()
        item = await self._get(account_id)
        if item.suspended_at is not None:  # a repeat may come after it was resumed
            for id_ in await cancel_all(self._pool, account_id):
                self._engine.wish_to_cancel(id_)
        return pb.SuspendAccountResponse(account=words.account_message(item))

    async def ResumeAccount(
        self, request: pb.ResumeAccountRequest, context: Context
    ) -> pb.ResumeAccountResponse:
        """Lift a suspension."""
        account_id = words.account_id(request.id)
        action = words.action(RESUME, account_id, account_name(account_id), request.reason)
        known = self._repeats.of(repeatable(request))
        if not await self._suspensions.resume(action, known):
            raise words.unknown_account()
        return pb.ResumeAccountResponse(account=words.account_message(await self._get(account_id)))

    async def _get(self, account_id: UUID) -> Overview:
        item = await self._reads.get(account_id)
        if item is None:
            raise words.unknown_account()
        return item


class OperatorErasure:
    """Serves EraseAccount of `reapi.v1.AdminService`."""

    def __init__(self, pool: AnyPool, vault: Vault, repeats: Repeats) -> None:
        self._pool = pool
        self._vault = vault
        self._repeats = repeats

    async def EraseAccount(
        self, request: pb.EraseAccountRequest, context: Context
    ) -> pb.EraseAccountResponse:
        """Erase an account as DeleteAccount does. What is noted of it does not name it."""
        account_id, call = words.account_id(request.id), repeatable(request)
        words.checked_reason(request.reason)
        try:
            async with self._pool.connection() as connection, connection.transaction():
                id_ = await self._erase(connection, account_id, call, request.reason)
        except NoSuchAccount:
            raise words.unknown_account() from None
        return pb.EraseAccountResponse(rights_request=f"rights_requests/{id_.hex}")

    async def _erase(
        self, connection: AsyncConnection[TupleRow], account_id: UUID, call: Request, reason: str
    ) -> UUID:
        """The rights request of the erasure; a repeat may come when there is no account left."""
        try:
            id_ = await begin_erasure(connection, self._vault, Wish(account_id), new_id)
        except NoSuchAccount:
            if (before := await self._repeats.found(connection, call, NOBODYS)) is None:
                raise
            return before
        if await self._repeats.found(connection, call, id_) is None:
            # Also where it was begun before: by another request, or by its owner.
            await note(
                connection, words.action(ERASE, NOBODYS, f"rights_requests/{id_.hex}", reason)
            )
        return id_
