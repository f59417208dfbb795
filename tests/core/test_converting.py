"""Our words as messages of the contract: what only videos have."""

from datetime import UTC, datetime
from uuid import UUID

from core.engine import events
from core.model import Generation, GenerationState, Kind
from core.services.convert import Converter
from reapi.v1 import generation_service_pb2 as pb

CONVERT = Converter("http://gateway.test")


def generation(**more):
    return Generation(
        id=UUID(int=1),
        account_id=UUID(int=2),
        model="m",
        kind=Kind.VIDEO,
        state=GenerationState.RUNNING,
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        requested_count=1,
        quoted_micros=1,
        **more,
    )


def test_a_video_tells_how_long_it_is_and_how_far_it_has_come():
    message = CONVERT.generation(generation(duration_ms=5_042, progress_percent=0))

    assert message.duration.ToMilliseconds() == 5_042
    assert message.HasField("progress_percent")
    assert message.progress_percent == 0


def test_what_is_not_known_is_absent():
    message = CONVERT.generation(generation())

    assert not message.HasField("duration")
    assert not message.HasField("progress_percent")


def test_progress_is_an_event():
    message = CONVERT.event(7, events.Progress(40), pb.GenerateResponse)

    assert (message.event.seq, message.event.WhichOneof("event")) == (7, "progress")
    assert message.event.progress.percent == 40
