"""Identities at other services as protobuf messages; refusals say what to do."""

from collections.abc import Mapping
from typing import Final

from accounts.linking import Refusal
from accounts.oauth import Identity
from core.errors import GatewayError, Reason
from core.oauth import refused
from core.services.convert import timestamp
from reapi.v1 import account_pb2 as pb

SIGN_UP_NEEDED: Final = "sign_up_needed"
"""The cause of a refusal: somebody new has not confirmed the age, or not agreed to what holds."""
DECLINED: Final = "declined"
"""The person said no at the service."""
_MESSAGES: Final[Mapping[Refusal, str]] = {
    Refusal.EMAIL_NOT_VERIFIED: "The service has not verified your address. Verify it there first.",
    Refusal.ACCOUNT_EXISTS: (
        "An account with this address exists. Sign in to it, verify the address if you have not, "
        "and link the service in the settings; reset the password if you do not know it."
    ),
    Refusal.ACCOUNT_DELETING: "This account is being deleted.",
    Refusal.LINKED_ELSEWHERE: "This identity is linked to another account here.",
    Refusal.ANOTHER_LINKED: "Another identity of this service is linked; unlink that one first.",
}
_CONFLICTS: Final = frozenset({Refusal.LINKED_ELSEWHERE, Refusal.ANOTHER_LINKED})


def identity_message(identity: Identity) -> pb.Identity:
    """The resource."""
    return pb.Identity(
        provider=identity.provider,
        email=identity.email,
        link_time=timestamp(identity.linked_at),
    )


def refusal(provider: str, cause: Refusal) -> GatewayError:
    """The error for *cause*."""
    if cause in _CONFLICTS:
        metadata = {"provider": provider, "cause": cause.value}
        return GatewayError(Reason.CONFLICT, _MESSAGES[cause], metadata=metadata)
    return refused(provider, cause.value, _MESSAGES[cause])


def sign_up_needed(provider: str) -> GatewayError:
    """Somebody new must say yes first."""
    return refused(
        provider,
        SIGN_UP_NEEDED,
        "You are new here: confirm that you are 16 or older, agree to the policies that hold now, "
        "and begin again.",
    )


def answer_invalid() -> GatewayError:
    """A state that is wrong, old or used, or comes from another browser: nobody is told which."""
    return GatewayError(
        Reason.TOKEN_INVALID,
        "This sign-in is not good any more, or was begun elsewhere. Begin again.",
        parameter="state",
    )


def invitation_invalid() -> GatewayError:
    """The invitation that somebody came with cannot be used by them."""
    return GatewayError(
        Reason.TOKEN_INVALID,
        "The invitation was used before, is too old, or is for another address.",
        parameter="invitation_token",
    )
