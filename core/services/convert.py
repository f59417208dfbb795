"""Our words as protobuf messages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from core.engine import events
from core.errors import GatewayError, describe
from core.model import Asset, Generation, GenerationState, Kind, Preview, Usage
from core.services.names import generation_name
from core.status import to_status
from reapi.v1 import generation_pb2 as resource
from reapi.v1 import generation_service_pb2 as pb

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
    micros = (moment - _EPOCH) // _MICROSECOND
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


class Converter:
    """Turns results into messages; knows where outputs are served."""

    def __init__(self, public_url: str) -> None:
        self._media = f"{public_url}/media/"

    def generation(self, item: Generation) -> resource.Generation:
        """The resource."""
        report = item.report
        message = resource.Generation(
            name=generation_name(item.id),
            model=item.model,
            kind=KINDS[item.kind],
            state=STATES[item.state],
            create_time=timestamp(item.created_at),
            requested_count=item.requested_count,
            delivered_count=item.delivered_count,
            quoted_micros=item.quoted_micros,
            charged_micros=item.charged_micros,
            channel=item.channel,
            attempt_count=item.attempt_count,
            assets=[self.asset(asset) for asset in item.assets],
            sandbox=item.sandbox,
            output_format=report.output_format,
            size=report.size,
            quality=report.quality,
            background=report.background,
        )
        if item.ended_at is not None:
            message.end_time.CopyFrom(timestamp(item.ended_at))
        if item.fate_unknown_since is not None:
            message.fate_unknown_since.CopyFrom(timestamp(item.fate_unknown_since))
        if report.usage is not None:
            message.usage.CopyFrom(usage(report.usage))
        if item.failure is not None:
            reason = item.failure.reason
            error = GatewayError(reason, describe(reason), metadata=item.failure.metadata)
            message.error.CopyFrom(to_status(error))
        return message

    def asset(self, asset: Asset) -> resource.Asset:
        """The resource, with its public link."""
        return resource.Asset(
            output_index=asset.output_index,
            uri=self._media + asset.name,
            media_type=asset.media_type,
            size_bytes=asset.size_bytes,
            sha256=asset.sha256,
            expire_time=timestamp(asset.expire_at),
        )

    def event(self, seq: int, event: events.Event) -> Iterator[pb.GenerationEvent]:
        """One of our events as one message, or as many as its bytes need.

        Outputs are sent without bytes; `output` sends them with.
        """
        match event:
            case events.Accepted():
                yield pb.GenerationEvent(seq=seq, accepted=self._accepted(event))
            case events.AttemptStarted(number, channel, fault):
                attempt = pb.Attempt(number=number, channel=channel, previous_fault=fault)
                yield pb.GenerationEvent(seq=seq, attempt=attempt)
            case Preview():
                yield from _preview(seq, event)
            case events.OutputReady(asset):
                output = pb.Output(
                    output_index=asset.output_index, asset=self.asset(asset), last=True
                )
                yield pb.GenerationEvent(seq=seq, output=output)
            case events.Charged(micros, counted):
                report = pb.UsageReport(charged_micros=micros)
                if counted is not None:
                    report.usage.CopyFrom(usage(counted))
                yield pb.GenerationEvent(seq=seq, usage=report)
            case events.Completed(item):
                done = pb.Completed(generation=self.generation(item))
                yield pb.GenerationEvent(seq=seq, completed=done)
            case events.Failed(error, item):
                failed = pb.Failed(status=to_status(error), generation=self.generation(item))
                yield pb.GenerationEvent(seq=seq, failed=failed)

    def output(
        self, seq: int, asset: Asset, offset: int, data: bytes
    ) -> Iterator[pb.GenerationEvent]:
        """Bytes of an output from *offset*, in pieces; the asset goes with the first."""
        for start in range(0, len(data), PIECE):
            piece = data if len(data) <= PIECE else data[start : start + PIECE]
            at = offset + start
            output = pb.Output(
                output_index=asset.output_index,
                offset=at,
                data=piece,
                last=at + len(piece) == asset.size_bytes,
            )
            if at == 0:
                output.asset.CopyFrom(self.asset(asset))
            yield pb.GenerationEvent(seq=seq, output=output)

    def _accepted(self, event: events.Accepted) -> pb.Accepted:
        message = pb.Accepted(generation=self.generation(event.generation), replayed=event.replayed)
        if event.rate_limit is not None:
            limit = event.rate_limit
            message.rate_limit.limit_requests = limit.limit
            message.rate_limit.remaining_requests = limit.remaining
            message.rate_limit.reset.FromMicroseconds(int(limit.reset_seconds * 1e6))
        return message


def usage(counted: Usage) -> resource.Usage:
    """What a provider counted."""
    return resource.Usage(
        input_text_tokens=counted.input_text_tokens,
        input_image_tokens=counted.input_image_tokens,
        output_tokens=counted.output_tokens,
        output_image_tokens=counted.output_image_tokens,
    )


def _preview(seq: int, preview: Preview) -> Iterator[pb.GenerationEvent]:
    data = preview.data.reveal()
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        partial = pb.Partial(
            output_index=preview.output_index,
            partial_index=preview.partial_index,
            media_type=preview.media_type,
            offset=start,
            data=piece,
            last=start + len(piece) == len(data),
        )
        yield pb.GenerationEvent(seq=seq, partial=partial)
