"""Our words as protobuf messages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from core.engine import events
from core.errors import GatewayError, describe
from core.model import (
    EMPTY_REPORT,
    Asset,
    Generation,
    GenerationState,
    Kind,
    Preview,
    Report,
    Sound,
    Usage,
)
from core.services.names import generation_name
from core.status import to_status
from reapi.v1 import generation_pb2 as resource
from reapi.v1 import generation_service_pb2 as pb

R = TypeVar("R", pb.GenerateResponse, pb.WatchGenerationResponse)
Whole: TypeAlias = (
    events.Accepted
    | events.AttemptStarted
    | events.Progress
    | events.OutputReady
    | events.Charged
    | events.Completed
    | events.Failed
)
"""Events of one message each; the others are bytes, in pieces."""

PIECE = 1024 * 1024
"""Bytes of content in one message (design.md 3)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

KINDS = {
    Kind.IMAGE: resource.KIND_IMAGE,
    Kind.VIDEO: resource.KIND_VIDEO,
    Kind.AUDIO: resource.KIND_AUDIO,
    Kind.CHAT: resource.KIND_CHAT,
    Kind.TOOL: resource.KIND_TOOL,
}
STATES = {
    GenerationState.ACCEPTED: resource.Generation.STATE_ACCEPTED,
    GenerationState.RUNNING: resource.Generation.STATE_RUNNING,
    GenerationState.SUCCEEDED: resource.Generation.STATE_SUCCEEDED,
    GenerationState.FAILED: resource.Generation.STATE_FAILED,
    GenerationState.CANCELLED: resource.Generation.STATE_CANCELLED,
}


def timestamp(moment: datetime) -> Timestamp:
    """An aware time as a Timestamp."""
    message = Timestamp()
    _at(message, moment)
    return message


class Converter:
    """Turns results into messages; knows where outputs are served.

    Of an event in pieces only the last has its number, the others have the one below: whoever
    resumes after one of those gets the event again, whole.

    Messages are filled in place: one that is given to another's constructor is copied, bytes
    and all.
    """

    def __init__(self, public_url: str) -> None:
        self._media = f"{public_url}/media/"

    def generation(self, item: Generation) -> resource.Generation:
        """The resource."""
        message = resource.Generation()
        self._fill(message, item)
        return message

    def _fill(self, message: resource.Generation, item: Generation) -> None:
        report = item.report
        message.name = generation_name(item.id)
        message.model = item.model
        message.kind = KINDS[item.kind]
        message.state = STATES[item.state]
        _at(message.create_time, item.created_at)
        message.requested_count = item.requested_count
        message.delivered_count = item.delivered_count
        message.quoted_micros = item.quoted_micros
        if item.charged_micros is not None:
            message.charged_micros = item.charged_micros
        message.channel = item.channel
        message.attempt_count = item.attempt_count
        if item.progress_percent is not None:
            message.progress_percent = item.progress_percent
        if item.duration_ms:
            message.duration.FromMilliseconds(item.duration_ms)
        for asset in item.assets:
            self._place(message.assets.add(), asset)
        message.sandbox = item.sandbox
        if report is not EMPTY_REPORT:
            _report(message, report)
        if item.ended_at is not None:
            _at(message.end_time, item.ended_at)
        if item.fate_unknown_since is not None:
            _at(message.fate_unknown_since, item.fate_unknown_since)
        if item.failure is not None:
            reason = item.failure.reason
            error = GatewayError(reason, describe(reason), metadata=item.failure.metadata)
            message.error.CopyFrom(to_status(error))

    def asset(self, asset: Asset) -> resource.Asset:
        """The resource, with its public link."""
        message = resource.Asset()
        self._place(message, asset)
        return message

    def _place(self, message: resource.Asset, asset: Asset) -> None:
        message.output_index = asset.output_index
        message.uri = self._media + asset.name
        message.media_type = asset.media_type
        message.size_bytes = asset.size_bytes
        message.sha256 = asset.sha256
        _at(message.expire_time, asset.expire_at)

    def event(self, seq: int, event: Whole, response: type[R]) -> R:
        """One of our events; outputs without bytes: `output` sends them with."""
        message = response()
        told = message.event
        told.seq = seq
        self._tell(told, event)
        return message

    def _tell(self, message: pb.GenerationEvent, event: Whole) -> None:
        match event:
            case events.Accepted():
                self._accept(message.accepted, event)
            case events.AttemptStarted():
                attempt = message.attempt
                attempt.number = event.number
                attempt.channel = event.channel
                attempt.previous_fault = event.previous_fault
            case events.Charged():
                usage = message.usage
                usage.charged_micros = event.charged_micros
                if event.usage is not None:
                    _count(usage.usage, event.usage)
            case events.Completed():
                self._fill(message.completed.generation, event.generation)
            case events.Failed():
                failed = message.failed
                failed.status.CopyFrom(to_status(event.error))
                self._fill(failed.generation, event.generation)
            case events.Progress():
                message.progress.percent = event.percent
            case events.OutputReady():
                output = message.output
                output.output_index = event.asset.output_index
                self._place(output.asset, event.asset)
                output.last = True

    def pieces(self, seq: int, event: Preview | Sound, response: type[R]) -> Iterator[R]:
        """A preview, or a part of a sound, in as many messages as its bytes need."""
        if isinstance(event, Preview):
            return _preview(seq, event, response)
        return _sound(seq, event, response)

    def output(
        self, seq: int, asset: Asset, offset: int, data: bytes, response: type[R]
    ) -> Iterator[R]:
        """Bytes of an output from *offset*, in pieces; the asset goes with the first."""
        for start in range(0, len(data), PIECE):
            piece = data if len(data) <= PIECE else data[start : start + PIECE]
            at = offset + start
            is_last = at + len(piece) == asset.size_bytes
            message = response()
            told = message.event
            told.seq = seq if is_last else seq - 1
            output = told.output
            output.output_index = asset.output_index
            output.offset = at
            output.data = piece
            output.last = is_last
            if at == 0:
                self._place(output.asset, asset)
            yield message

    def _accept(self, message: pb.Accepted, event: events.Accepted) -> None:
        self._fill(message.generation, event.generation)
        message.replayed = event.replayed
        limit = event.rate_limit
        if limit is not None:
            told = message.rate_limit
            told.limit_requests = limit.limit
            told.remaining_requests = limit.remaining
            _set(told.reset, int(limit.reset_seconds * 1e6))


def _at(message: Timestamp, moment: datetime) -> None:
    _set(message, (moment - _EPOCH) // _MICROSECOND)


def _set(message: Timestamp | Duration, micros: int) -> None:
    """Fill it: the library's own methods take ten times as long. No duration is negative."""
    message.seconds = micros // 1_000_000
    message.nanos = micros % 1_000_000 * 1_000


def _report(message: resource.Generation, report: Report) -> None:
    message.output_format = report.output_format
    message.size = report.size
    message.quality = report.quality
    message.background = report.background
    if report.usage is not None:
        _count(message.usage, report.usage)


def _count(message: resource.Usage, counted: Usage) -> None:
    """What a provider counted."""
    message.input_text_tokens = counted.input_text_tokens
    message.input_image_tokens = counted.input_image_tokens
    message.output_tokens = counted.output_tokens
    if counted.output_image_tokens is not None:
        message.output_image_tokens = counted.output_image_tokens


def _preview(seq: int, preview: Preview, response: type[R]) -> Iterator[R]:
    data = preview.data.reveal()
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        message = response()
        partial = message.event.partial
        partial.output_index = preview.output_index
        partial.partial_index = preview.partial_index
        partial.media_type = preview.media_type
        partial.offset = start
        partial.data = piece
        partial.last = start + len(piece) == len(data)
        message.event.seq = seq if partial.last else seq - 1
        yield message


def _sound(seq: int, sound: Sound, response: type[R]) -> Iterator[R]:
    """A part of a sound: as a piece of the one preview of its output, which is the output."""
    data = sound.data.reveal()
    for start in range(0, len(data) or 1, PIECE):
        piece = data[start : start + PIECE]
        is_end = start + len(piece) == len(data)
        message = response()
        message.event.seq = seq if is_end else seq - 1
        partial = message.event.partial
        partial.output_index = sound.output_index
        partial.media_type = sound.media_type
        partial.offset = sound.offset + start
        partial.data = piece
        partial.last = sound.last and is_end
        yield message
