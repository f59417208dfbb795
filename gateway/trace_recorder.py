"""`reapi simulate record`: a trace of what this gateway did, from its rows."""

import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.rows import TupleRow

from core.catalog.loader import embedded_files, load, shipped_files, stand_in
from core.engine.records_traces import TracedAttempt, TracedGeneration, channels_seen, traced
from core.errors import Fault, Phase
from core.model import AttemptState, Channel
from core.replay.trace import (
    Call,
    Request,
    TracedChannel,
    channel_line,
    head_line,
    request_line,
)
from core.settings import Settings
from gateway.opening import start_errors
from gateway.own_database import connect
from gateway.process import ServeError
from gateway.progress import Progress
from storage.pool import storage_errors

_PATIENCE = 600.0
"""Seconds for one statement, and for a reader of our output that pauses."""


async def record(settings: Settings, span: timedelta, *, demo: bool) -> int:
    """Print the trace of the last *span*; the catalogue's *demo* channels are then known, too."""
    until = datetime.now(UTC)
    with start_errors():
        async with AsyncExitStack() as stack:
            connection = await connect(settings, stack, "reapi-simulate", _PATIENCE)
            with storage_errors():
                try:
                    async for line in _lines(
                        connection, settings, (until - span, until), demo=demo
                    ):
                        print(line)
                except BrokenPipeError:
                    return 1  # who reads has seen enough, as `head` has: no error to tell
                except (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedTable):
                    raise ServeError(
                        "the database is of another version of the gateway; serve once, then record"
                    ) from None
    return 0


async def _lines(
    connection: psycopg.AsyncConnection[TupleRow],
    settings: Settings,
    span: tuple[datetime, datetime],
    *,
    demo: bool,
) -> AsyncIterator[str]:
    seen = await channels_seen(connection, *span)
    if not seen:
        raise ServeError("nothing has ended in that time")
    yield head_line("recorded")
    for channel in _channels(seen, _catalogue(settings, demo=demo)):
        yield channel_line(channel)
    first: datetime | None = None
    with Progress("recorded") as progress:
        async for item in traced(connection, *span):
            first = first or item.came_at
            yield request_line(_request(item, first))
            progress.step()


def _catalogue(settings: Settings, *, demo: bool) -> Mapping[str, Channel]:
    files = [*(embedded_files() if demo else shipped_files()), *settings.catalogue]
    return load(files, stand_in(files, settings.environment)).channels


def _channels(
    seen: Sequence[tuple[str, str]], catalogue: Mapping[str, Channel]
) -> Iterable[TracedChannel]:
    """The channels that were *seen*, as the catalogue describes them now."""
    models: dict[str, list[str]] = {}
    for model, name in seen:
        models.setdefault(name, []).append(model)
    for name, served in sorted(models.items()):
        known = catalogue.get(name)
        if known is None:
            print(
                f"reapi: channel {name} is not in the catalogue that this command reads: "
                "recorded without priority and weight (of a demo gateway: add --demo)",
                file=sys.stderr,
            )
            yield TracedChannel(name, tuple(served))
            continue
        yield TracedChannel(
            name,
            tuple(served),
            priority=known.priority,
            weight=known.weight,
            maximum_in_flight=known.maximum_in_flight,
            resubmit=known.resubmit,
            deadlines=known.deadlines,
            bills_on_cancel=known.bills_on_cancel,
        )


def _request(item: TracedGeneration, first: datetime) -> Request:
    calls = [_call(attempt) for attempt in item.attempts if attempt.ended_ms is not None]
    return Request(
        at=(item.came_at - first).total_seconds(),
        model=item.model,
        kind=item.kind,
        calls=tuple(calls),
        seconds=max(0.0, item.seconds),
        reason=item.reason,
    )


def _call(attempt: TracedAttempt) -> Call:
    begin, end = attempt.started_ms, attempt.ended_ms or 0
    first = attempt.first_byte_ms
    fault = attempt.fault
    if fault is None and attempt.state is AttemptState.LOST:
        fault = Fault.LOST
    return Call(
        channel=attempt.channel,
        seconds=max(0, end - begin) / 1000,
        begin=max(0, begin) / 1000,
        first_byte=None if first is None else max(0, first - begin) / 1000,
        fault=fault,
        phase=attempt.phase or Phase.DONE,
        is_cut=fault is None and attempt.state is not AttemptState.DONE,
        is_hedge=attempt.is_hedge,
    )
