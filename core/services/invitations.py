"""AccountService: invitations to an account."""

from datetime import timedelta
from typing import Any, Final, TypeAlias

from grpc import aio

from accounts.invitation_store import InvitationStore
from accounts.invitations import InvitationError
from accounts.throttle import Pace, Throttle
from core.caller import current_caller, current_subject
from core.engine.ids import new_id
from core.engine.repeats import Repeats
from core.services import cursors
from core.services import member_words as words
from core.services.people_words import too_often
from core.services.proving import require_verified
from core.services.repeatable import repeatable
from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

OF_ACCOUNT: Final = Pace(20, timedelta(minutes=5))
"""Invitations of one account: a team at once, and no mailing list."""
TO_ADDRESS: Final = Pace(3, timedelta(hours=4))
"""Invitations of one account to one address."""
TO_ANY: Final = Pace(12, timedelta(hours=1))
"""Invitations to one address, from whatever account: nobody is flooded through us, and no account
alone keeps the others from inviting."""
OF_NETWORK: Final = Pace(40, timedelta(seconds=30))
"""Invitations from one network: an office has several accounts."""


class InvitationCalls:
    """Serves the invitations of `reapi.v1.AccountService`."""

    def __init__(
        self, store: InvitationStore, repeats: Repeats, pool: Pool, throttle: Throttle
    ) -> None:
        self._store = store
        self._repeats = repeats
        self._pool = pool
        self._throttle = throttle

    async def CreateInvitation(
        self, request: pb.CreateInvitationRequest, context: Context
    ) -> pb.CreateInvitationResponse:
        """Ask somebody by mail to join."""
        caller = current_caller()
        actor = words.actor(caller)
        new = words.new_invitation(new_id(), request.invitation)
        known = self._repeats.of(repeatable(request))
        await require_verified(self._pool, caller)
        await self._take("invitation", actor.account_id.hex, OF_ACCOUNT)
        await self._take("invitation-network", current_subject(), OF_NETWORK)
        address = new.email.lower()
        await self._take("invitation-to", f"{actor.account_id.hex} {address}", TO_ADDRESS)
        await self._take("invitation-to-any", address, TO_ANY)
        try:
            invitation = await self._store.create(actor, new, known)
        except InvitationError as error:
            raise words.uninvited(error) from None
        return pb.CreateInvitationResponse(invitation=words.invitation_message(invitation))

    async def ListInvitations(
        self, request: pb.ListInvitationsRequest, context: Context
    ) -> pb.ListInvitationsResponse:
        """Read one page of those that wait, newest first."""
        account_id = words.actor(current_caller()).account_id
        size = cursors.size_of(request.page_size)
        after = cursors.after(request.page_token, "invitations", account_id)
        found = await self._store.page(account_id, size + 1, after)
        more, found = len(found) > size, found[:size]
        return pb.ListInvitationsResponse(
            invitations=[words.invitation_message(one) for one in found],
            next_page_token=cursors.token(found[-1].invitation_id, "invitations", account_id)
            if more
            else "",
        )

    async def RevokeInvitation(
        self, request: pb.RevokeInvitationRequest, context: Context
    ) -> pb.RevokeInvitationResponse:
        """Take one back."""
        actor = words.actor(current_caller())
        id_ = words.invitation_id(request.name)
        known = self._repeats.of(repeatable(request))
        try:
            await self._store.revoke(actor, id_, known)
        except InvitationError as error:
            raise words.uninvited(error) from None
        return pb.RevokeInvitationResponse()

    async def AcceptInvitation(
        self, request: pb.AcceptInvitationRequest, context: Context
    ) -> pb.AcceptInvitationResponse:
        """Join the account that the token names; only its address may, once it is verified."""
        caller = current_caller()
        user_id = words.actor(caller).user_id
        known = self._repeats.of(repeatable(request))
        await require_verified(self._pool, caller)
        try:
            member = await self._store.accept(user_id, request.token, known)
        except InvitationError as error:
            raise words.uninvited(error) from None
        return pb.AcceptInvitationResponse(member=words.member_message(member))

    async def _take(self, limit: str, who: str, pace: Pace) -> None:
        async with self._pool.connection() as connection:
            wait = await self._throttle.take(connection, limit, who, pace)
        if wait is not None:
            raise too_often(limit, wait)
