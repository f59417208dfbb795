"""AccountService: the people in an account, and the accounts of a person."""

from typing import Any, TypeAlias

from grpc import aio

from accounts.members import MemberError, MemberStore
from core.caller import current_caller
from core.engine.repeats import Repeats
from core.services import cursors
from core.services import member_words as words
from core.services.repeatable import repeatable
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class MemberCalls:
    """Serves the members of `reapi.v1.AccountService`."""

    def __init__(self, store: MemberStore, repeats: Repeats) -> None:
        self._store = store
        self._repeats = repeats

    async def ListMemberships(
        self, request: pb.ListMembershipsRequest, context: Context
    ) -> pb.ListMembershipsResponse:
        """Read one page of the person's places."""
        user_id = words.actor(current_caller()).user_id
        size = cursors.size_of(request.page_size)
        after = cursors.after(request.page_token, "memberships")
        found = await self._store.places(user_id, size + 1, after)
        more, found = len(found) > size, found[:size]
        return pb.ListMembershipsResponse(
            memberships=[words.member_message(member) for member in found],
            next_page_token=cursors.token(found[-1].member_id, "memberships") if more else "",
        )

    async def ListMembers(
        self, request: pb.ListMembersRequest, context: Context
    ) -> pb.ListMembersResponse:
        """Read one page of the account's people, by the time they joined."""
        account_id = words.actor(current_caller()).account_id
        size = cursors.size_of(request.page_size)
        after = cursors.after(request.page_token, "members", account_id)
        found = await self._store.page(account_id, size + 1, after)
        more, found = len(found) > size, found[:size]
        return pb.ListMembersResponse(
            members=[words.member_message(member) for member in found],
            next_page_token=cursors.token(found[-1].member_id, "members", account_id)
            if more
            else "",
        )

    async def UpdateMember(
        self, request: pb.UpdateMemberRequest, context: Context
    ) -> pb.UpdateMemberResponse:
        """Change a role."""
        actor = words.actor(current_caller())
        id_ = words.member_id(request.member.name)
        mask = request.update_mask if request.HasField("update_mask") else None
        role = words.new_role(request.member, mask)
        known = self._repeats.of(repeatable(request))
        try:
            member = await self._store.change_role(actor, id_, role, known)
        except MemberError as error:
            raise words.refused(error) from None
        return pb.UpdateMemberResponse(member=words.member_message(member))

    async def RemoveMember(
        self, request: pb.RemoveMemberRequest, context: Context
    ) -> pb.RemoveMemberResponse:
        """Take somebody out of the account, or leave it."""
        actor = words.actor(current_caller())
        id_ = words.member_id(request.name)
        known = self._repeats.of(repeatable(request))
        try:
            await self._store.remove(actor, id_, known)
        except MemberError as error:
            raise words.refused(error) from None
        return pb.RemoveMemberResponse()
