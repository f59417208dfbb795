"""Sessions: our words as protobuf messages; errors say what to do."""

import re
from uuid import UUID

from accounts.sessions import Grant, Session
from core.errors import GatewayError, Reason
from core.services.convert import timestamp
from core.services.names import account_name
from reapi.v1 import account_pb2 as pb

_NAME = re.compile(r"sessions/([0-9a-f]{32})\Z")


def grant_message(grant: Grant, profile: pb.Profile) -> pb.SessionGrant:
    """The session with its token, and who signed in."""
    return pb.SessionGrant(
        session_token=grant.token,
        session=session_message(grant.session, grant.session_id),
        profile=profile,
    )


def session_message(session: Session, current: UUID | None) -> pb.Session:
    """The resource; *current* is the session that asks."""
    return pb.Session(
        name=f"sessions/{session.session_id.hex}",
        current=session.session_id == current,
        account=account_name(session.account_id),
        user_agent=session.browser,
        network_address=session.network,
        create_time=timestamp(session.created_at),
        last_seen_time=timestamp(session.last_seen_at),
        expire_time=timestamp(session.expires_at),
    )


def session_id(name: str) -> UUID:
    """The id in a name; raises NOT_FOUND."""
    found = _NAME.match(name)
    if found is None:
        raise unknown()
    return UUID(hex=found[1])


def unknown() -> GatewayError:
    """The one answer for a session that ended or is another person's."""
    return GatewayError(Reason.NOT_FOUND, "No such session.", metadata={"resource": "session"})


def ended() -> GatewayError:
    """The session that asks is none any more."""
    return GatewayError(
        Reason.SESSION_INVALID, "The session ended, or was never one. Sign in again."
    )
