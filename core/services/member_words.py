"""Members and invitations: protobuf messages as our words and back; errors name the field."""

import re
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask

from accounts import invitations, members
from accounts.addresses import is_address
from accounts.invitation_store import MAXIMUM, Invitation, NewInvitation
from accounts.members import Actor, Member, MemberError
from accounts.roles import Role
from core.caller import Caller
from core.errors import GatewayError, Reason
from core.permissions import denied_to_role
from core.services.convert import timestamp
from core.services.names import account_name
from core.services.people_words import invalid, token_invalid
from core.services.session_words import ended
from reapi.v1 import account_pb2 as pb

_MEMBER = re.compile(r"members/([0-9a-f]{32})\Z")
_INVITATION = re.compile(r"invitations/([0-9a-f]{32})\Z")
_ACCOUNT = re.compile(r"accounts/([0-9a-f]{32})\Z")
_ROLES: Final[Mapping[Role, pb.Member.Role]] = {
    Role.OWNER: pb.Member.ROLE_OWNER,
    Role.ADMIN: pb.Member.ROLE_ADMIN,
    Role.DEVELOPER: pb.Member.ROLE_DEVELOPER,
    Role.BILLING: pb.Member.ROLE_BILLING,
}
_ROLE_OF: Final = {int(number): role for role, number in _ROLES.items()}


def actor(caller: Caller) -> Actor:
    """Who asks; raises SESSION_INVALID where nobody signed in."""
    if caller.user_id is None:
        raise ended()
    return Actor(caller.account_id, caller.user_id)


def member_message(member: Member) -> pb.Member:
    """The resource."""
    return pb.Member(
        name=f"members/{member.member_id.hex}",
        role=_ROLES[member.role],
        account=account_name(member.account_id),
        account_display_name=member.account_name,
        user=f"users/{member.user_id.hex}",
        email=member.email,
        display_name=member.display_name,
        create_time=timestamp(member.created_at),
    )


def invitation_message(invitation: Invitation) -> pb.Invitation:
    """The resource."""
    return pb.Invitation(
        name=f"invitations/{invitation.invitation_id.hex}",
        email=invitation.email,
        role=_ROLES[invitation.role],
        member=f"members/{invitation.member_id.hex}",
        create_time=timestamp(invitation.created_at),
        expire_time=timestamp(invitation.expires_at),
    )


def member_id(name: str) -> UUID:
    """The id in a name; raises NOT_FOUND."""
    return _id(_MEMBER, name, "member")


def invitation_id(name: str) -> UUID:
    """The id in a name; raises NOT_FOUND."""
    return _id(_INVITATION, name, "invitation")


def account_id(name: str) -> UUID:
    """The id in a name; raises NOT_FOUND."""
    return _id(_ACCOUNT, name, "account")


def new_role(message: pb.Member, mask: FieldMask | None) -> Role:
    """What a member is to be; raises INVALID_PARAMETER."""
    if mask is not None and list(mask.paths) != ["role"]:
        raise invalid("update_mask", "may name `role` only")
    return _role(message.role, "member.role")


def new_invitation(id_: UUID, message: pb.Invitation) -> NewInvitation:
    """Who is to be invited; raises INVALID_PARAMETER."""
    if not is_address(message.email):
        raise invalid("invitation.email", "must be an e-mail address")
    return NewInvitation(id_, message.email, _role(message.role, "invitation.role"))


def refused(error: MemberError) -> GatewayError:
    """What a store's refusal means to the caller."""
    match error.problem:
        case members.Problem.UNKNOWN:
            return _unknown("member")
        case members.Problem.NOT_PERMITTED:
            return denied_to_role("member")
        case members.Problem.LAST_OWNER:
            return GatewayError(
                Reason.CONFLICT,
                "An account keeps an owner: make somebody else one first.",
                parameter="member",
            )


def uninvited(error: invitations.InvitationError) -> GatewayError:
    """Likewise of invitations."""
    match error.problem:
        case invitations.Problem.UNKNOWN:
            return _unknown("invitation")
        case invitations.Problem.UNUSABLE:
            return token_invalid()
        case invitations.Problem.NOT_PERMITTED:
            return denied_to_role("invitation")
        case invitations.Problem.MEMBER:
            return GatewayError(
                Reason.CONFLICT, "They are a member already.", parameter="invitation"
            )
        case invitations.Problem.TOO_MANY:
            return invalid("invitation", f"is one too many: {MAXIMUM} wait; take one back")


def unknown_account() -> GatewayError:
    """The one answer for an account that is unknown, or in which the person has no place."""
    return _unknown("account")


def _role(number: int, parameter: str) -> Role:
    role = _ROLE_OF.get(number)
    if role is None:
        raise invalid(parameter, "must be one of the roles")
    return role


def _id(form: re.Pattern[str], name: str, resource: str) -> UUID:
    found = form.match(name)
    if found is None:
        raise _unknown(resource)
    return UUID(hex=found[1])


def _unknown(resource: str) -> GatewayError:
    return GatewayError(Reason.NOT_FOUND, f"No such {resource}.", metadata={"resource": resource})
