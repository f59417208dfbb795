"""AccountService: archives of what is kept, the deletion of an account, and the log of both."""

import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from grpc import aio
from psycopg import AsyncConnection

from accounts import exports, people, rights_log
from accounts.account_store import AccountError, AccountStore
from accounts.erasure import NoSuchAccount, Wish, begin_erasure
from accounts.exports import Export
from accounts.members import MemberError, role_of
from accounts.people_ground import PeopleGround
from accounts.rights_log import RightsRequest
from accounts.roles import Role
from accounts.throttle import Pace
from core.caller import Caller, current_caller
from core.engine.account_stops import cancel_all
from core.engine.repeats import Repeats
from core.errors import GatewayError, Reason
from core.permissions import denied_to_role
from core.rights.exporting import new_base
from core.services import cursors
from core.services.convert import timestamp
from core.services.managing import noted
from core.services.member_words import actor, unknown_account
from core.services.people_words import invalid, too_often
from core.services.proving import require_proof, require_verified, still_proved
from core.services.repeatable import personal, repeatable
from reapi.v1 import account_pb2
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

EXPORTS: Final = Pace(3, timedelta(hours=4))
"""Of each account: an archive may hold all of its outputs, and is good for a day."""

_NAME: Final = re.compile(r"exports/([0-9a-f]{32})\Z")
_RIGHTS: Final[Mapping[str, "account_pb2.RightsRequest.Right"]] = {
    "access": account_pb2.RightsRequest.RIGHT_ACCESS,
    "rectification": account_pb2.RightsRequest.RIGHT_RECTIFICATION,
    "erasure": account_pb2.RightsRequest.RIGHT_ERASURE,
    "objection": account_pb2.RightsRequest.RIGHT_OBJECTION,
    "contact": account_pb2.RightsRequest.RIGHT_CONTACT,
}


class ExportCalls:
    """Serves archives. *hurry* tells who makes them; *media* is where `/media/` begins."""

    def __init__(
        self, ground: PeopleGround, repeats: Repeats, media: str, hurry: Callable[[], None]
    ) -> None:
        self._ground = ground
        self._repeats = repeats
        self._media = media
        self._hurry = hurry

    async def CreateExport(
        self, request: pb.CreateExportRequest, context: Context
    ) -> pb.CreateExportResponse:
        """Ask for one; it is made in the background."""
        caller = current_caller()
        who = actor(caller)
        await require_verified(self._ground.pool, caller)
        call = personal(request)  # an archive is for who asked for it
        ground, new_id = self._ground, self._ground.new_id
        id_ = new_id()
        asked = Export(
            account_id=who.account_id,
            export_id=id_,
            user_id=who.user_id,
            without_assets=request.without_assets,
            created_at=datetime.now(UTC),  # the row has the database's
            ready_at=None,
            failed_at=None,
            expires_at=None,
            removed_at=None,
            base=new_base(id_),
        )
        async with ground.pool.connection() as connection, connection.transaction():
            made = await self._repeats.found(connection, call, id_)
            if made is not None:
                export = await exports.get(connection, ground.vault, who.account_id, made)
            else:
                await self._throttle(connection, who.account_id)
                export = await exports.create(connection, ground.vault, asked, new_id())
                await noted(connection, "export.create", f"exports/{id_.hex}")
        if export is None:
            raise _unknown()
        self._hurry()
        return pb.CreateExportResponse(export=self._message(export))

    async def GetExport(
        self, request: pb.GetExportRequest, context: Context
    ) -> pb.GetExportResponse:
        """Read how far one is."""
        found = _NAME.match(request.name)
        if found is None:
            raise _unknown()
        account_id, id_ = actor(current_caller()).account_id, UUID(hex=found[1])
        async with self._ground.pool.connection() as connection:
            export = await exports.get(connection, self._ground.vault, account_id, id_)
        if export is None:
            raise _unknown()
        return pb.GetExportResponse(export=self._message(export))

    async def ListExports(
        self, request: pb.ListExportsRequest, context: Context
    ) -> pb.ListExportsResponse:
        """Read one page, newest first."""
        account_id = actor(current_caller()).account_id
        size = cursors.size_of(request.page_size)
        facts = ("exports", account_id)
        after = cursors.after(request.page_token, *facts)
        async with self._ground.pool.connection() as connection:
            found = await exports.page(connection, self._ground.vault, account_id, size + 1, after)
        more, found = len(found) > size, found[:size]
        return pb.ListExportsResponse(
            exports=[self._message(export) for export in found],
            next_page_token=cursors.token(found[-1].export_id, *facts) if more else "",
        )

    async def _throttle(self, connection: AsyncConnection[Any], account_id: UUID) -> None:
        """Count it, with what it makes: one that is refused or fails counts for nothing."""
        wait = await self._ground.throttle.take(connection, "export", account_id.hex, EXPORTS)
        if wait is not None:
            raise too_often("exports", wait)

    def _message(self, export: Export) -> account_pb2.Export:
        state = _state(export, datetime.now(UTC))
        message = account_pb2.Export(
            name=f"exports/{export.export_id.hex}",
            state=state,
            create_time=timestamp(export.created_at),
        )
        if export.ready_at is not None and export.expires_at is not None:
            message.size_bytes, message.sha256 = export.size or 0, export.sha256 or b""
            message.ready_time.CopyFrom(timestamp(export.ready_at))
            message.expire_time.CopyFrom(timestamp(export.expires_at))
        # It holds who asked: their sessions, and what they did in other accounts.
        if state == account_pb2.Export.STATE_READY and export.user_id == current_caller().user_id:
            message.uri = self._media + export.path
        return message


class DeletionCalls:
    """Serves DeleteAccount. *hurry* tells who erases; *stop* cancels what this process runs."""

    def __init__(
        self,
        ground: PeopleGround,
        repeats: Repeats,
        stop: Callable[[UUID], None],
        hurry: Callable[[], None],
    ) -> None:
        self._ground = ground
        self._repeats = repeats
        self._stop = stop
        self._hurry = hurry
        self._accounts = AccountStore(ground.pool, ground.vault, noted)

    async def DeleteAccount(
        self, request: pb.DeleteAccountRequest, context: Context
    ) -> pb.DeleteAccountResponse:
        """Stop keys and sessions, and erase the account."""
        caller = current_caller()
        who = actor(caller)
        call = repeatable(request)
        await self._confirmed(caller, request.confirmation)
        ground = self._ground
        proved = await require_proof(ground, caller, request.current_password)
        wish = Wish(who.account_id, who.user_id)
        try:
            async with ground.pool.connection() as connection, connection.transaction():
                if await role_of(connection, who) is not Role.OWNER:
                    raise denied_to_role("owner")
                await still_proved(connection, ground, caller, proved, people.read)
                id_ = await begin_erasure(connection, ground.vault, wish, ground.new_id)
                await self._repeats.found(connection, call, id_)
                await noted(connection, "account.delete", f"rights_requests/{id_.hex}")
        except (NoSuchAccount, MemberError):
            raise unknown_account() from None
        for running in await cancel_all(ground.pool, who.account_id):
            self._stop(running)
        self._hurry()
        return pb.DeleteAccountResponse(rights_request=f"rights_requests/{id_.hex}")

    async def _confirmed(self, caller: Caller, confirmation: str) -> None:
        try:
            account = await self._accounts.read(caller.account_id)
        except AccountError:
            raise unknown_account() from None
        if not hmac.compare_digest(confirmation.strip().encode(), account.name.strip().encode()):
            raise invalid("confirmation", "must be the display_name of the account")


class RightsLog:
    """Serves the log of rights requests."""

    def __init__(self, ground: PeopleGround) -> None:
        self._pool = ground.pool

    async def ListRightsRequests(
        self, request: pb.ListRightsRequestsRequest, context: Context
    ) -> pb.ListRightsRequestsResponse:
        """Read one page of the person's, newest first."""
        user_id = actor(current_caller()).user_id
        size = cursors.size_of(request.page_size)
        facts = ("rights_requests", user_id)
        after = cursors.after(request.page_token, *facts)
        async with self._pool.connection() as connection:
            found = await rights_log.page(connection, user_id, size + 1, after)
        more, found = len(found) > size, found[:size]
        return pb.ListRightsRequestsResponse(
            rights_requests=[_entry(item) for item in found],
            next_page_token=cursors.token(found[-1].id, *facts) if more else "",
        )


def _entry(item: RightsRequest) -> account_pb2.RightsRequest:
    message = account_pb2.RightsRequest(
        name=f"rights_requests/{item.id.hex}",
        right=_RIGHTS[item.kind],
        create_time=timestamp(item.created_at),
    )
    if item.done_at is not None:
        message.done_time.CopyFrom(timestamp(item.done_at))
    return message


def _state(export: Export, now: datetime) -> "account_pb2.Export.State":
    if export.failed_at is not None:
        return account_pb2.Export.STATE_FAILED
    if export.ready_at is None or export.expires_at is None:
        return account_pb2.Export.STATE_PREPARING
    if export.removed_at is not None or export.expires_at <= now:
        return account_pb2.Export.STATE_EXPIRED
    return account_pb2.Export.STATE_READY


def _unknown() -> GatewayError:
    return GatewayError(Reason.NOT_FOUND, "No such export.", metadata={"resource": "export"})
