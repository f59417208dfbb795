"""AccountService: the security-relevant actions in an account."""

from typing import Any, TypeAlias

from grpc import aio

from accounts.security_events import SecurityEvent, SecurityEvents
from core.caller import current_caller
from core.services import cursors
from core.services.convert import timestamp
from core.services.member_words import actor
from reapi.v1 import account_pb2
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class SecurityEventCalls:
    """Serves the security events of `reapi.v1.AccountService`."""

    def __init__(self, events: SecurityEvents) -> None:
        self._events = events

    async def ListSecurityEvents(
        self, request: pb.ListSecurityEventsRequest, context: Context
    ) -> pb.ListSecurityEventsResponse:
        """Read one page, newest first."""
        account_id = actor(current_caller()).account_id
        size = cursors.size_of(request.page_size)
        facts = ("security_events", account_id)
        after = cursors.after(request.page_token, *facts)
        found = await self._events.page(account_id, size + 1, after)
        more, found = len(found) > size, found[:size]
        return pb.ListSecurityEventsResponse(
            security_events=[_message(event) for event in found],
            next_page_token=cursors.token(found[-1].id, *facts) if more else "",
        )


def _message(event: SecurityEvent) -> account_pb2.SecurityEvent:
    return account_pb2.SecurityEvent(
        name=f"security_events/{event.id.hex}",
        action=event.action,
        member="" if event.member_id is None else f"members/{event.member_id.hex}",
        resource=event.resource,
        network_address=event.network,
        succeeded=event.succeeded,
        create_time=timestamp(event.at),
    )
