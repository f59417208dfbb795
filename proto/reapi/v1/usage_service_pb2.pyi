import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from reapi.v1 import generation_pb2 as _generation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UsageRecord(_message.Message):
    __slots__ = ("generation", "http_request_id", "api_key", "model", "kind", "endpoint", "state", "error_reason", "charged_micros", "requested_count", "delivered_count", "channel", "attempt_count", "input_tokens", "output_tokens", "create_time", "end_time", "sandbox")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    HTTP_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    CHARGED_MICROS_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    generation: str
    http_request_id: str
    api_key: str
    model: str
    kind: _generation_pb2.Kind
    endpoint: str
    state: _generation_pb2.Generation.State
    error_reason: str
    charged_micros: int
    requested_count: int
    delivered_count: int
    channel: str
    attempt_count: int
    input_tokens: int
    output_tokens: int
    create_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    sandbox: bool
    def __init__(self, generation: _Optional[str] = ..., http_request_id: _Optional[str] = ..., api_key: _Optional[str] = ..., model: _Optional[str] = ..., kind: _Optional[_Union[_generation_pb2.Kind, str]] = ..., endpoint: _Optional[str] = ..., state: _Optional[_Union[_generation_pb2.Generation.State, str]] = ..., error_reason: _Optional[str] = ..., charged_micros: _Optional[int] = ..., requested_count: _Optional[int] = ..., delivered_count: _Optional[int] = ..., channel: _Optional[str] = ..., attempt_count: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sandbox: _Optional[bool] = ...) -> None: ...

class UsageSummary(_message.Message):
    __slots__ = ("model", "api_key", "day_start_time", "request_count", "succeeded_count", "failed_count", "cancelled_count", "delivered_count", "input_tokens", "output_tokens", "charged_micros")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    DAY_START_TIME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_COUNT_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_MICROS_FIELD_NUMBER: _ClassVar[int]
    model: str
    api_key: str
    day_start_time: _timestamp_pb2.Timestamp
    request_count: int
    succeeded_count: int
    failed_count: int
    cancelled_count: int
    delivered_count: int
    input_tokens: int
    output_tokens: int
    charged_micros: int
    def __init__(self, model: _Optional[str] = ..., api_key: _Optional[str] = ..., day_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_count: _Optional[int] = ..., succeeded_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., cancelled_count: _Optional[int] = ..., delivered_count: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., charged_micros: _Optional[int] = ...) -> None: ...

class ListUsageRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "start_time", "end_time", "api_keys", "models", "states", "show_sandbox")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    API_KEYS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    SHOW_SANDBOX_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    api_keys: _containers.RepeatedScalarFieldContainer[str]
    models: _containers.RepeatedScalarFieldContainer[str]
    states: _containers.RepeatedScalarFieldContainer[_generation_pb2.Generation.State]
    show_sandbox: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., api_keys: _Optional[_Iterable[str]] = ..., models: _Optional[_Iterable[str]] = ..., states: _Optional[_Iterable[_Union[_generation_pb2.Generation.State, str]]] = ..., show_sandbox: _Optional[bool] = ...) -> None: ...

class ListUsageResponse(_message.Message):
    __slots__ = ("records", "next_page_token")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[UsageRecord]
    next_page_token: str
    def __init__(self, records: _Optional[_Iterable[_Union[UsageRecord, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SummarizeUsageRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "group_by", "start_time", "end_time", "api_keys", "models")
    class Grouping(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        GROUPING_UNSPECIFIED: _ClassVar[SummarizeUsageRequest.Grouping]
        GROUPING_MODEL: _ClassVar[SummarizeUsageRequest.Grouping]
        GROUPING_API_KEY: _ClassVar[SummarizeUsageRequest.Grouping]
        GROUPING_DAY: _ClassVar[SummarizeUsageRequest.Grouping]
    GROUPING_UNSPECIFIED: SummarizeUsageRequest.Grouping
    GROUPING_MODEL: SummarizeUsageRequest.Grouping
    GROUPING_API_KEY: SummarizeUsageRequest.Grouping
    GROUPING_DAY: SummarizeUsageRequest.Grouping
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    API_KEYS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    group_by: _containers.RepeatedScalarFieldContainer[SummarizeUsageRequest.Grouping]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    api_keys: _containers.RepeatedScalarFieldContainer[str]
    models: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., group_by: _Optional[_Iterable[_Union[SummarizeUsageRequest.Grouping, str]]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., api_keys: _Optional[_Iterable[str]] = ..., models: _Optional[_Iterable[str]] = ...) -> None: ...

class SummarizeUsageResponse(_message.Message):
    __slots__ = ("summaries", "next_page_token")
    SUMMARIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    summaries: _containers.RepeatedCompositeFieldContainer[UsageSummary]
    next_page_token: str
    def __init__(self, summaries: _Optional[_Iterable[_Union[UsageSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
