"""Names of resources on the wire, and the ids in them."""

import re
from uuid import UUID

from core.errors import GatewayError, Reason

_GENERATION = re.compile(r"(?:generations/)?(?:gen_|task_|video_)?([0-9a-f]{32})\Z")


def generation_name(id_: UUID) -> str:
    """`generations/{32 hex digits}`."""
    return f"generations/{id_.hex}"


def generation_id(name: str) -> UUID:
    """The id in any of its renderings (semantics.md 1); raises GENERATION_NOT_FOUND."""
    found = _GENERATION.match(name)
    if found is None:
        raise not_found()
    return UUID(hex=found[1])


def account_name(id_: UUID) -> str:
    """`accounts/{32 hex digits}`."""
    return f"accounts/{id_.hex}"


def user_name(id_: UUID) -> str:
    """`users/{32 hex digits}`."""
    return f"users/{id_.hex}"


def member_name(id_: UUID) -> str:
    """`members/{32 hex digits}`."""
    return f"members/{id_.hex}"


def not_found() -> GatewayError:
    """The one answer for a generation that is unknown, deleted or another account's."""
    return GatewayError(Reason.GENERATION_NOT_FOUND, "No such generation.")
