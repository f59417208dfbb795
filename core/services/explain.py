"""How a generation was served, as a message: attempts, phases and reasons; no contents.

Ids and marks of jobs stay here: who has them could ask the provider for what was made.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from core.engine.library import Trace
from core.engine.records import AttemptRecord
from core.errors import MEANING
from core.model import AttemptState
from core.services.convert import Converter, timestamp
from reapi.v1 import generation_service_pb2 as pb

STATES: Mapping[AttemptState, pb.AttemptTrace.State] = {
    AttemptState.SUBMITTING: pb.AttemptTrace.STATE_SUBMITTING,
    AttemptState.SUBMITTED: pb.AttemptTrace.STATE_SUBMITTED,
    AttemptState.DONE: pb.AttemptTrace.STATE_DONE,
    AttemptState.FAILED: pb.AttemptTrace.STATE_FAILED,
    AttemptState.LOST: pb.AttemptTrace.STATE_LOST,
}


def explanation(trace: Trace, converter: Converter) -> pb.ExplainGenerationResponse:
    """Everything that is known of how a generation was served."""
    resource = converter.generation(trace.generation)
    price = pb.PriceInputs(
        catalogue_version=trace.catalogue_version,
        quoted_micros=resource.quoted_micros,
        requested_count=resource.requested_count,
        delivered_count=resource.delivered_count,
        size=resource.size,
        quality=resource.quality,
    )
    if resource.HasField("charged_micros"):
        price.charged_micros = resource.charged_micros
    if resource.HasField("duration"):
        price.duration.CopyFrom(resource.duration)
    if resource.HasField("usage"):
        price.usage.CopyFrom(resource.usage)
    created_at = trace.generation.created_at
    attempts = [_attempt(item, created_at) for item in trace.attempts]
    return pb.ExplainGenerationResponse(generation=resource, attempts=attempts, price=price)


def _attempt(record: AttemptRecord, created_at: datetime) -> pb.AttemptTrace:
    def moment(offset_ms: int | None) -> Timestamp | None:
        if offset_ms is None:
            return None
        return timestamp(created_at + timedelta(milliseconds=offset_ms))

    fault = record.fault
    return pb.AttemptTrace(
        number=record.number,
        channel=record.channel,
        state=STATES[record.state],
        fault=fault or "",
        phase=record.phase or "",
        start_time=moment(record.started_ms),
        end_time=moment(record.ended_ms),
        http_status=record.http_status,
        acknowledge_time=moment(record.acknowledged_ms),
        first_byte_time=moment(record.first_byte_ms),
        reason=None if fault is None else f"ERROR_REASON_{MEANING[fault].reason}",
        standing=record.standing,
        candidate_count=record.candidates,
        shard=record.shard,
        hedge=record.is_hedge,
    )
