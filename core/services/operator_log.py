"""AdminService: what operators did, and who behaves as abusers do."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from grpc import aio

from accounts import security_log
from accounts.security_log import Entry, Wanted
from core.engine.abuse_reads import observed
from core.policy.abuse import signals
from core.services import cursors
from core.services import operator_words as words
from reapi.v1 import admin_service_pb2 as pb
from storage.pool import AnyPool

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

LOOKED_BACK: Final = timedelta(days=7)
"""By the contract."""
FARTHEST: Final = timedelta(days=30)
"""What is older is not kept (docs/privacy.md)."""


class OperatorLog:
    """Serves the reports of `reapi.v1.AdminService`. *now* gives the wall clock in UTC."""

    def __init__(self, pool: AnyPool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now

    async def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, context: Context
    ) -> pb.ListAuditEntriesResponse:
        """Read one page, newest first."""
        size = cursors.size_of(request.page_size)
        account = words.account_id(request.account) if request.account else None
        start = _moment(request, "start_time")
        end = _moment(request, "end_time")
        action = words.audited_action(request.action)
        facts = ("audit_entries", account, action, start, end)
        after = _place(cursors.name_after(request.page_token, *facts))
        wanted = Wanted(size + 1, account, action, start, end, after)
        found = await security_log.page(self._pool, wanted)
        items = found[:size]
        more = len(found) > size
        return pb.ListAuditEntriesResponse(
            audit_entries=[words.entry_message(item) for item in items],
            next_page_token=cursors.name_token(_placed(items[-1]), *facts) if more else "",
        )

    async def ListAbuseSignals(
        self, request: pb.ListAbuseSignalsRequest, context: Context
    ) -> pb.ListAbuseSignalsResponse:
        """Read one page, strongest first, of what rows say now."""
        size = cursors.size_of(request.page_size)
        now, start = self._now(), _moment(request, "start_time")
        facts = ("abuse_signals", start)
        last = cursors.name_after(request.page_token, *facts)
        begin = max(now - FARTHEST, now - LOOKED_BACK if start is None else start)
        found = signals(await observed(self._pool, begin))
        place = next((number for number, item in enumerate(found, 1) if item.name == last), 0)
        items = found[place : place + size]
        more = len(found) > place + size
        return pb.ListAbuseSignalsResponse(
            abuse_signals=[words.signal_message(item) for item in items],
            next_page_token=cursors.name_token(items[-1].name, *facts) if more else "",
        )


def _moment(
    request: pb.ListAuditEntriesRequest | pb.ListAbuseSignalsRequest, name: str
) -> datetime | None:
    return words.moment(name, getattr(request, name)) if request.HasField(name) else None


def _placed(item: Entry) -> str:
    """Where an entry stands in the list."""
    return f"{item.at.isoformat()}/{item.id.hex}"


def _place(text: str) -> tuple[datetime, UUID] | None:
    """What `_placed` wrote; a token is checked before."""
    if not text:
        return None
    at, _, id_ = text.partition("/")
    return datetime.fromisoformat(at), UUID(hex=id_)
