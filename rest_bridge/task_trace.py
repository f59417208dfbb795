"""How a task was served, in reAPI's dialect: attempts, phases and reasons; no contents."""

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from reapi.v1 import error_reason_pb2, generation_service_pb2
from rest_bridge.errors import RENDERINGS
from rest_bridge.headers import credits_text
from rest_bridge.job_answers import JsonMap, failure, task_id, task_status

AttemptTrace = generation_service_pb2.AttemptTrace


def task_trace(found: generation_service_pb2.ExplainGenerationResponse) -> bytes:
    """The JSON of a trace. Times are milliseconds since the task was accepted."""
    generation = found.generation
    start = generation.create_time
    return orjson.dumps(
        {
            "id": task_id(generation),
            "model": generation.model,
            "status": task_status(generation),
            "created_at": start.seconds,
            "channel": generation.channel or None,
            "ended_ms": _offset(start, generation.end_time),
            "attempts": [_attempt(item, start) for item in found.attempts],
            "price": _price(found.price),
            "error": failure(generation),
        }
    )


def _attempt(item: AttemptTrace, start: Timestamp) -> JsonMap:
    return {
        "number": item.number,
        "channel": item.channel,
        "state": _lower(AttemptTrace.State.Name(item.state), "STATE_"),
        "fault": item.fault or None,
        "code": _code(item),
        "phase": item.phase or None,
        "http_status": item.http_status or None,
        "started_ms": _offset(start, item.start_time),
        "acknowledged_ms": _offset(start, item.acknowledge_time),
        "first_byte_ms": _offset(start, item.first_byte_time),
        "ended_ms": _offset(start, item.end_time),
        "standing": item.standing or None,
        "candidates": item.candidate_count or None,
        "shard": item.shard,
        "hedge": item.hedge,
    }


def _price(price: generation_service_pb2.PriceInputs) -> JsonMap:
    charged = credits_text(price.charged_micros) if price.HasField("charged_micros") else None
    length = price.duration
    return {
        "catalogue_version": price.catalogue_version,
        "quoted_credits": credits_text(price.quoted_micros).decode(),
        "charged_credits": charged.decode() if charged is not None else None,
        "requested_count": price.requested_count,
        "delivered_count": price.delivered_count,
        "duration_ms": length.seconds * 1_000 + length.nanos // 1_000_000 or None,
        "size": price.size or None,
        "quality": price.quality or None,
    }


def _code(item: AttemptTrace) -> str | None:
    """The code of the error that the caller would have got; None where it did not fail so."""
    if not item.reason:
        return None
    name = error_reason_pb2.ErrorReason.Name(item.reason)
    return RENDERINGS[name.removeprefix("ERROR_REASON_")].code


def _offset(start: Timestamp, moment: Timestamp) -> int | None:
    """Milliseconds from *start* to *moment*; None for a moment that has not come."""
    if not moment.seconds:
        return None
    nanos = (moment.seconds - start.seconds) * 1_000_000_000 + moment.nanos - start.nanos
    return round(nanos / 1_000_000)


def _lower(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
