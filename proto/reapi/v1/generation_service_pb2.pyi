import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from reapi.v1 import error_reason_pb2 as _error_reason_pb2
from reapi.v1 import generation_pb2 as _generation_pb2
from reapi.v1 import parameters_pb2 as _parameters_pb2
from reapi.v1 import privacy_pb2 as _privacy_pb2
from reapi.v1 import receipt_pb2 as _receipt_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GenerationSpec(_message.Message):
    __slots__ = ("model", "parameters", "request_id", "inline_outputs", "partial_count", "quote_token", "callback_url", "routing", "retry_number", "endpoint")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    INLINE_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUOTE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CALLBACK_URL_FIELD_NUMBER: _ClassVar[int]
    ROUTING_FIELD_NUMBER: _ClassVar[int]
    RETRY_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    model: str
    parameters: _parameters_pb2.Parameters
    request_id: str
    inline_outputs: bool
    partial_count: int
    quote_token: str
    callback_url: str
    routing: RoutingPreference
    retry_number: int
    endpoint: str
    def __init__(self, model: _Optional[str] = ..., parameters: _Optional[_Union[_parameters_pb2.Parameters, _Mapping]] = ..., request_id: _Optional[str] = ..., inline_outputs: _Optional[bool] = ..., partial_count: _Optional[int] = ..., quote_token: _Optional[str] = ..., callback_url: _Optional[str] = ..., routing: _Optional[_Union[RoutingPreference, _Mapping]] = ..., retry_number: _Optional[int] = ..., endpoint: _Optional[str] = ...) -> None: ...

class RoutingPreference(_message.Message):
    __slots__ = ("only_channels", "excluded_channels", "regions")
    ONLY_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    only_channels: _containers.RepeatedScalarFieldContainer[str]
    excluded_channels: _containers.RepeatedScalarFieldContainer[str]
    regions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, only_channels: _Optional[_Iterable[str]] = ..., excluded_channels: _Optional[_Iterable[str]] = ..., regions: _Optional[_Iterable[str]] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("start", "chunk", "cancel")
    START_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    start: GenerateStart
    chunk: AttachmentChunk
    cancel: GenerateCancel
    def __init__(self, start: _Optional[_Union[GenerateStart, _Mapping]] = ..., chunk: _Optional[_Union[AttachmentChunk, _Mapping]] = ..., cancel: _Optional[_Union[GenerateCancel, _Mapping]] = ...) -> None: ...

class GenerateStart(_message.Message):
    __slots__ = ("spec", "detached", "attachment_sizes", "until_accepted")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENT_SIZES_FIELD_NUMBER: _ClassVar[int]
    UNTIL_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    spec: GenerationSpec
    detached: bool
    attachment_sizes: _containers.RepeatedScalarFieldContainer[int]
    until_accepted: bool
    def __init__(self, spec: _Optional[_Union[GenerationSpec, _Mapping]] = ..., detached: _Optional[bool] = ..., attachment_sizes: _Optional[_Iterable[int]] = ..., until_accepted: _Optional[bool] = ...) -> None: ...

class AttachmentChunk(_message.Message):
    __slots__ = ("attachment_index", "data")
    ATTACHMENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    attachment_index: int
    data: bytes
    def __init__(self, attachment_index: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class GenerateCancel(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: GenerationEvent
    def __init__(self, event: _Optional[_Union[GenerationEvent, _Mapping]] = ...) -> None: ...

class GenerationEvent(_message.Message):
    __slots__ = ("seq", "accepted", "attempt", "progress", "partial", "output", "usage", "completed", "failed")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    seq: int
    accepted: Accepted
    attempt: Attempt
    progress: Progress
    partial: Partial
    output: Output
    usage: UsageReport
    completed: Completed
    failed: Failed
    def __init__(self, seq: _Optional[int] = ..., accepted: _Optional[_Union[Accepted, _Mapping]] = ..., attempt: _Optional[_Union[Attempt, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., partial: _Optional[_Union[Partial, _Mapping]] = ..., output: _Optional[_Union[Output, _Mapping]] = ..., usage: _Optional[_Union[UsageReport, _Mapping]] = ..., completed: _Optional[_Union[Completed, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ...) -> None: ...

class Accepted(_message.Message):
    __slots__ = ("generation", "replayed", "rate_limit")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    replayed: bool
    rate_limit: RateLimit
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ..., replayed: _Optional[bool] = ..., rate_limit: _Optional[_Union[RateLimit, _Mapping]] = ...) -> None: ...

class RateLimit(_message.Message):
    __slots__ = ("limit_requests", "remaining_requests", "reset")
    LIMIT_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    limit_requests: int
    remaining_requests: int
    reset: _duration_pb2.Duration
    def __init__(self, limit_requests: _Optional[int] = ..., remaining_requests: _Optional[int] = ..., reset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("number", "channel", "previous_fault")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FAULT_FIELD_NUMBER: _ClassVar[int]
    number: int
    channel: str
    previous_fault: str
    def __init__(self, number: _Optional[int] = ..., channel: _Optional[str] = ..., previous_fault: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("percent",)
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    percent: int
    def __init__(self, percent: _Optional[int] = ...) -> None: ...

class Partial(_message.Message):
    __slots__ = ("output_index", "partial_index", "media_type", "offset", "data", "last")
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_INDEX_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    output_index: int
    partial_index: int
    media_type: str
    offset: int
    data: bytes
    last: bool
    def __init__(self, output_index: _Optional[int] = ..., partial_index: _Optional[int] = ..., media_type: _Optional[str] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., last: _Optional[bool] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ("output_index", "asset", "offset", "data", "last")
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    output_index: int
    asset: _generation_pb2.Asset
    offset: int
    data: bytes
    last: bool
    def __init__(self, output_index: _Optional[int] = ..., asset: _Optional[_Union[_generation_pb2.Asset, _Mapping]] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., last: _Optional[bool] = ...) -> None: ...

class UsageReport(_message.Message):
    __slots__ = ("charged_micros", "usage")
    CHARGED_MICROS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    charged_micros: int
    usage: _generation_pb2.Usage
    def __init__(self, charged_micros: _Optional[int] = ..., usage: _Optional[_Union[_generation_pb2.Usage, _Mapping]] = ...) -> None: ...

class Completed(_message.Message):
    __slots__ = ("generation",)
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ...) -> None: ...

class Failed(_message.Message):
    __slots__ = ("status", "generation")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    status: _status_pb2.Status
    generation: _generation_pb2.Generation
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ...) -> None: ...

class CreateGenerationRequest(_message.Message):
    __slots__ = ("spec",)
    SPEC_FIELD_NUMBER: _ClassVar[int]
    spec: GenerationSpec
    def __init__(self, spec: _Optional[_Union[GenerationSpec, _Mapping]] = ...) -> None: ...

class CreateGenerationResponse(_message.Message):
    __slots__ = ("generation",)
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ...) -> None: ...

class GetGenerationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetGenerationResponse(_message.Message):
    __slots__ = ("generation",)
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ...) -> None: ...

class ListGenerationsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "kinds", "models", "oldest_first")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    kinds: _containers.RepeatedScalarFieldContainer[_generation_pb2.Kind]
    models: _containers.RepeatedScalarFieldContainer[str]
    oldest_first: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., kinds: _Optional[_Iterable[_Union[_generation_pb2.Kind, str]]] = ..., models: _Optional[_Iterable[str]] = ..., oldest_first: _Optional[bool] = ...) -> None: ...

class ListGenerationsResponse(_message.Message):
    __slots__ = ("generations", "next_page_token")
    GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    generations: _containers.RepeatedCompositeFieldContainer[_generation_pb2.Generation]
    next_page_token: str
    def __init__(self, generations: _Optional[_Iterable[_Union[_generation_pb2.Generation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchGenerationRequest(_message.Message):
    __slots__ = ("name", "after_seq", "inline_outputs")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    INLINE_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    after_seq: int
    inline_outputs: bool
    def __init__(self, name: _Optional[str] = ..., after_seq: _Optional[int] = ..., inline_outputs: _Optional[bool] = ...) -> None: ...

class WatchGenerationResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: GenerationEvent
    def __init__(self, event: _Optional[_Union[GenerationEvent, _Mapping]] = ...) -> None: ...

class CancelGenerationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CancelGenerationResponse(_message.Message):
    __slots__ = ("generation",)
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ...) -> None: ...

class DeleteGenerationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteGenerationResponse(_message.Message):
    __slots__ = ("deleted_asset_count", "receipt")
    DELETED_ASSET_COUNT_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    deleted_asset_count: int
    receipt: _receipt_pb2.DeletionReceipt
    def __init__(self, deleted_asset_count: _Optional[int] = ..., receipt: _Optional[_Union[_receipt_pb2.DeletionReceipt, _Mapping]] = ...) -> None: ...

class AbandonGenerationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class AbandonGenerationResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class QuoteGenerationRequest(_message.Message):
    __slots__ = ("spec",)
    SPEC_FIELD_NUMBER: _ClassVar[int]
    spec: GenerationSpec
    def __init__(self, spec: _Optional[_Union[GenerationSpec, _Mapping]] = ...) -> None: ...

class QuoteGenerationResponse(_message.Message):
    __slots__ = ("maximum_micros", "quote_token", "expire_time", "likely_channels")
    MAXIMUM_MICROS_FIELD_NUMBER: _ClassVar[int]
    QUOTE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    LIKELY_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    maximum_micros: int
    quote_token: str
    expire_time: _timestamp_pb2.Timestamp
    likely_channels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, maximum_micros: _Optional[int] = ..., quote_token: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., likely_channels: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainGenerationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ExplainGenerationResponse(_message.Message):
    __slots__ = ("generation", "attempts", "price")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    attempts: _containers.RepeatedCompositeFieldContainer[AttemptTrace]
    price: PriceInputs
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[AttemptTrace, _Mapping]]] = ..., price: _Optional[_Union[PriceInputs, _Mapping]] = ...) -> None: ...

class PriceInputs(_message.Message):
    __slots__ = ("catalogue_version", "quoted_micros", "charged_micros", "requested_count", "delivered_count", "duration", "size", "quality", "usage")
    CATALOGUE_VERSION_FIELD_NUMBER: _ClassVar[int]
    QUOTED_MICROS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_MICROS_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    catalogue_version: str
    quoted_micros: int
    charged_micros: int
    requested_count: int
    delivered_count: int
    duration: _duration_pb2.Duration
    size: str
    quality: str
    usage: _generation_pb2.Usage
    def __init__(self, catalogue_version: _Optional[str] = ..., quoted_micros: _Optional[int] = ..., charged_micros: _Optional[int] = ..., requested_count: _Optional[int] = ..., delivered_count: _Optional[int] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., size: _Optional[str] = ..., quality: _Optional[str] = ..., usage: _Optional[_Union[_generation_pb2.Usage, _Mapping]] = ...) -> None: ...

class AttemptTrace(_message.Message):
    __slots__ = ("number", "channel", "state", "fault", "phase", "start_time", "end_time", "http_status", "acknowledge_time", "first_byte_time", "reason", "standing", "candidate_count", "shard", "hedge")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[AttemptTrace.State]
        STATE_SUBMITTING: _ClassVar[AttemptTrace.State]
        STATE_SUBMITTED: _ClassVar[AttemptTrace.State]
        STATE_DONE: _ClassVar[AttemptTrace.State]
        STATE_FAILED: _ClassVar[AttemptTrace.State]
        STATE_LOST: _ClassVar[AttemptTrace.State]
    STATE_UNSPECIFIED: AttemptTrace.State
    STATE_SUBMITTING: AttemptTrace.State
    STATE_SUBMITTED: AttemptTrace.State
    STATE_DONE: AttemptTrace.State
    STATE_FAILED: AttemptTrace.State
    STATE_LOST: AttemptTrace.State
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGE_TIME_FIELD_NUMBER: _ClassVar[int]
    FIRST_BYTE_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    HEDGE_FIELD_NUMBER: _ClassVar[int]
    number: int
    channel: str
    state: AttemptTrace.State
    fault: str
    phase: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    http_status: int
    acknowledge_time: _timestamp_pb2.Timestamp
    first_byte_time: _timestamp_pb2.Timestamp
    reason: _error_reason_pb2.ErrorReason
    standing: str
    candidate_count: int
    shard: int
    hedge: bool
    def __init__(self, number: _Optional[int] = ..., channel: _Optional[str] = ..., state: _Optional[_Union[AttemptTrace.State, str]] = ..., fault: _Optional[str] = ..., phase: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., http_status: _Optional[int] = ..., acknowledge_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., first_byte_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., standing: _Optional[str] = ..., candidate_count: _Optional[int] = ..., shard: _Optional[int] = ..., hedge: _Optional[bool] = ...) -> None: ...

class ReadAssetRequest(_message.Message):
    __slots__ = ("path", "offset", "limit")
    PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    path: str
    offset: int
    limit: int
    def __init__(self, path: _Optional[str] = ..., offset: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ReadAssetResponse(_message.Message):
    __slots__ = ("asset", "data")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    asset: _generation_pb2.Asset
    data: bytes
    def __init__(self, asset: _Optional[_Union[_generation_pb2.Asset, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...
