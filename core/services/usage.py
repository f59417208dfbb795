"""UsageService: what an account asked for and what it cost."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from core.caller import current_caller
from core.engine.ids import moment_of
from core.engine.retention import KEEP_DAYS
from core.engine.usage_read import Chosen, Groups, Place, Record, Sum
from core.errors import GatewayError, Reason
from core.model import GenerationState
from core.services import cursors
from core.services.convert import KINDS, STATES, timestamp
from core.services.names import generation_name
from reapi.v1 import generation_pb2 as resource
from reapi.v1 import usage_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

DEFAULT_SUMS: Final = 100
MAXIMUM_SUMS: Final = 1_000
"""Rows of sums on a page (usage_service.proto)."""
MAXIMUM_NAMES: Final = 100
"""In one filter: the query is one URL."""
OVER_GRPC: Final = "reapi.v1.GenerationService"
"""The endpoint of what no bridge asked for: rows name route templates only."""
_KEY = re.compile(r"api_keys/([0-9A-Za-z]{1,64})\Z")
_MODEL = re.compile(r"[A-Za-z0-9._/-]{1,96}\Z")
_PLACE = re.compile(
    r"([0-9T:.-]{19,26}\+00:00)\|([0-9-]{10})?\|([0-9]{1,18})\|([A-Za-z0-9._/-]*)\|([0-9A-Za-z]*)\Z"
)
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""No list was begun before."""
_STATE_OF = {int(number): state for state, number in STATES.items()}
_GROUPINGS: Final = {
    pb.SummarizeUsageRequest.GROUPING_MODEL: "by_model",
    pb.SummarizeUsageRequest.GROUPING_API_KEY: "by_key",
    pb.SummarizeUsageRequest.GROUPING_DAY: "by_day",
}


class Reads(Protocol):
    """What the rows can be asked."""

    async def records(
        self, account_id: UUID, chosen: Chosen, limit: int, after: UUID | None = None
    ) -> list[Record]: ...

    async def sums(
        self,
        account_id: UUID,
        chosen: Chosen,
        groups: Groups,
        limit: int,
        after: Place | None = None,
    ) -> list[Sum]: ...


class UsageService:
    """Serves `reapi.v1.UsageService`."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def ListUsage(
        self, request: pb.ListUsageRequest, context: Context
    ) -> pb.ListUsageResponse:
        """One page of requests, newest first."""
        size = cursors.size_of(request.page_size)
        chosen = Chosen(
            start=moment(request, "start_time"),
            end=moment(request, "end_time"),
            keys=_keys(request.api_keys),
            models=_models(request.models),
            states=_states(request.states),
            sandbox=request.show_sandbox,
        )
        facts = ("usage", *_facts(chosen))
        after = cursors.after(request.page_token, *facts)
        found = await self._reads.records(current_caller().account_id, chosen, size + 1, after)
        items = found[:size]
        more = len(found) > size
        return pb.ListUsageResponse(
            records=[_record(item) for item in items],
            next_page_token=cursors.token(items[-1].id, *facts) if more else "",
        )

    async def SummarizeUsage(
        self, request: pb.SummarizeUsageRequest, context: Context
    ) -> pb.SummarizeUsageResponse:
        """One page of sums: the newest day first, then the dearest."""
        size = cursors.size_of(request.page_size, DEFAULT_SUMS, MAXIMUM_SUMS)
        groups = _groups(request.group_by)
        chosen = Chosen(
            start=moment(request, "start_time"),
            end=moment(request, "end_time"),
            keys=_keys(request.api_keys),
            models=_models(request.models),
        )
        facts = ("sums", groups, *_facts(chosen))
        token = cursors.name_after(request.page_token, *facts)
        now, after = _place(token) if token else (datetime.now(UTC), None)
        chosen = Chosen(
            start=chosen.start or now - timedelta(days=KEEP_DAYS),
            end=chosen.end or now,
            keys=chosen.keys,
            models=chosen.models,
        )
        account = current_caller().account_id
        found = await self._reads.sums(account, chosen, groups, size + 1, after)
        items = found[:size]
        more = len(found) > size
        # All of nothing is a sum as well.
        is_of_all = not request.group_by and not items
        return pb.SummarizeUsageResponse(
            summaries=[pb.UsageSummary()] if is_of_all else [_summary(item) for item in items],
            next_page_token=cursors.name_token(_text(now, items[-1].place), *facts) if more else "",
        )


def moment(request: Any, field: str) -> datetime | None:
    """A time in a request; None where it is absent. Raises INVALID_PARAMETER."""
    if not request.HasField(field):
        return None
    value: Timestamp = getattr(request, field)
    try:
        return value.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise _invalid(field, "must be a time in the years 1 to 9999") from None


def _keys(names: Sequence[str]) -> frozenset[str]:
    found = [_KEY.match(name) for name in names]
    if len(names) > MAXIMUM_NAMES or None in found:
        raise _invalid("api_keys", f"must be at most {MAXIMUM_NAMES} names `api_keys/{{id}}`")
    return frozenset(match[1] for match in found if match is not None)


def _models(names: Sequence[str]) -> frozenset[str]:
    if len(names) > MAXIMUM_NAMES or not all(_MODEL.match(name) for name in names):
        raise _invalid("models", f"must be at most {MAXIMUM_NAMES} ids of models")
    return frozenset(names)


def _states(numbers: Sequence[resource.Generation.State]) -> frozenset[GenerationState]:
    if not _STATE_OF.keys() >= set(numbers):
        raise _invalid("states", "must be states of generations")
    return frozenset(_STATE_OF[number] for number in numbers)


def _groups(numbers: Sequence[pb.SummarizeUsageRequest.Grouping]) -> Groups:
    if not _GROUPINGS.keys() >= set(numbers):
        raise _invalid("group_by", "must be GROUPING_MODEL, GROUPING_API_KEY or GROUPING_DAY")
    return Groups(**{_GROUPINGS[number]: True for number in numbers})


def _facts(chosen: Chosen) -> tuple[object, ...]:
    """What tells a list from others: its page tokens are bound to it."""
    names = (sorted(chosen.keys), sorted(chosen.models), sorted(chosen.states))
    return (chosen.start, chosen.end, *names, chosen.sandbox)


def _text(now: datetime, place: Place) -> str:
    """A place as a page token has it, with the time of the first page: sums end there."""
    day = place.day.isoformat() if place.day is not None else ""
    facts = (now.isoformat(), day, str(place.charged_micros), place.model, place.key)
    return "|".join(facts)


def _place(text: str) -> tuple[datetime, Place]:
    found = _PLACE.match(text)
    try:
        if found is not None:
            now, day, charged, model, key = found.groups()
            place = Place(date.fromisoformat(day) if day else None, int(charged), model, key)
            if (end := datetime.fromisoformat(now)) >= _FIRST:
                return end, place
    except ValueError:
        pass
    raise _invalid("page_token", "is not from this list with these parameters")


def _record(item: Record) -> pb.UsageRecord:
    message = pb.UsageRecord(
        generation=generation_name(item.id),
        http_request_id=item.request_id,
        api_key=_key_name(item.key),
        model=item.model,
        kind=KINDS[item.kind],
        endpoint=item.endpoint or OVER_GRPC,
        state=STATES[item.state],
        error_reason=item.reason or "",
        charged_micros=item.charged_micros,
        requested_count=item.requested_count,
        delivered_count=item.delivered_count,
        channel=item.channel,
        attempt_count=item.attempt_count,
        input_tokens=item.input_tokens,
        output_tokens=item.output_tokens,
        create_time=timestamp(moment_of(item.id)),
        sandbox=item.sandbox,
    )
    if item.finished_at is not None:
        message.end_time.CopyFrom(timestamp(item.finished_at))
    return message


def _summary(item: Sum) -> pb.UsageSummary:
    message = pb.UsageSummary(
        model=item.model,
        api_key=_key_name(item.key),
        request_count=item.requests,
        succeeded_count=item.succeeded,
        failed_count=item.failed,
        cancelled_count=item.cancelled,
        delivered_count=item.delivered,
        input_tokens=item.input_tokens,
        output_tokens=item.output_tokens,
        charged_micros=item.charged_micros,
    )
    if item.day is not None:
        message.day_start_time.CopyFrom(timestamp(datetime.combine(item.day, time.min, UTC)))
    return message


def _key_name(public_id: str) -> str:
    return f"api_keys/{public_id}" if public_id else ""


def _invalid(field: str, rule: str) -> GatewayError:
    return GatewayError(Reason.INVALID_PARAMETER, f"`{field}` {rule}.", parameter=field)
