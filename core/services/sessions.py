"""AccountService: the signed-in browsers of a person."""

from dataclasses import replace
from typing import Any, TypeAlias
from uuid import UUID

from grpc import aio

from accounts import sessions
from accounts.sessions import Grant, SessionError
from accounts.vault import Vault
from core.caller import Caller, current_caller
from core.engine.repeats import Repeats, Request
from core.services import cursors
from core.services import session_words as words
from core.services.managing import noted
from core.services.member_words import account_id, unknown_account
from core.services.profiles import read_profile
from core.services.repeatable import personal, repeatable
from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class SessionCalls:
    """Serves the sessions of `reapi.v1.AccountService`."""

    def __init__(self, pool: Pool, vault: Vault, repeats: Repeats) -> None:
        self._pool = pool
        self._vault = vault
        self._repeats = repeats

    async def SignOut(self, request: pb.SignOutRequest, context: Context) -> pb.SignOutResponse:
        """End the session that asks. Who asks again has none."""
        repeatable(request)
        user_id, session_id = _asking(current_caller())
        await self._end(user_id, session_id, "sign_out", None)
        return pb.SignOutResponse()

    async def ListSessions(
        self, request: pb.ListSessionsRequest, context: Context
    ) -> pb.ListSessionsResponse:
        """Read one page, newest first."""
        user_id, session_id = _asking(current_caller())
        size = cursors.size_of(request.page_size)
        after = cursors.after(request.page_token, "sessions")
        async with self._pool.connection() as connection:
            found = await sessions.page_of_sessions(connection, user_id, size + 1, after)
        more, found = len(found) > size, found[:size]
        return pb.ListSessionsResponse(
            sessions=[words.session_message(one, session_id) for one in found],
            next_page_token=cursors.token(found[-1].session_id, "sessions") if more else "",
        )

    async def RevokeSession(
        self, request: pb.RevokeSessionRequest, context: Context
    ) -> pb.RevokeSessionResponse:
        """Sign one browser out, everywhere at once."""
        user_id, _ = _asking(current_caller())
        known = personal(request)
        await self._end(user_id, words.session_id(request.name), "session.revoke", known)
        return pb.RevokeSessionResponse()

    async def RevokeOtherSessions(
        self, request: pb.RevokeOtherSessionsRequest, context: Context
    ) -> pb.RevokeOtherSessionsResponse:
        """Sign all browsers out but the one that asks."""
        user_id, session_id = _asking(current_caller())
        known = self._repeats.of(personal(request))
        async with self._pool.connection() as connection, connection.transaction():
            count = await sessions.count_others(connection, user_id, session_id)
            before = await known(connection, UUID(int=count))  # what was made: so many ends
            if before is None:
                count = await sessions.end_sessions(connection, user_id, session_id)
                await noted(connection, "session.revoke_others", _name(session_id))
        return pb.RevokeOtherSessionsResponse(revoked_count=before.int if before else count)

    async def SwitchAccount(
        self, request: pb.SwitchAccountRequest, context: Context
    ) -> pb.SwitchAccountResponse:
        """Act in another account of the person, with another token."""
        user_id, session_id = _asking(current_caller())
        wanted = account_id(request.account)
        # Within the session: the account is what changes.
        asked = replace(repeatable(request), account_id=session_id)
        async with self._pool.connection() as connection, connection.transaction():
            before = await self._repeats.found(connection, asked, session_id)
            try:
                if before is None:
                    grant = await sessions.renew_token(connection, self._vault, session_id, wanted)
                    await noted(connection, "session.switch_account", _name(session_id), wanted)
                else:
                    session = await sessions.read_session(connection, user_id, session_id)
                    grant = Grant("", session)
            except SessionError:
                raise unknown_account() from None
            profile = await read_profile(connection, self._vault, user_id)
        return pb.SwitchAccountResponse(grant=words.grant_message(grant, profile))

    async def _end(
        self, user_id: UUID, session_id: UUID, action: str, request: Request | None
    ) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            if (
                request is not None
                and await self._repeats.found(connection, request, session_id) is not None
            ):
                return
            try:
                await sessions.end_session(connection, user_id, session_id)
            except SessionError:
                raise words.unknown() from None
            await noted(connection, action, _name(session_id))


def _asking(caller: Caller) -> tuple[UUID, UUID]:
    """The person and the session that ask."""
    if caller.user_id is None or caller.session_id is None:
        raise words.ended()
    return caller.user_id, caller.session_id


def _name(session_id: UUID) -> str:
    return f"sessions/{session_id.hex}"
