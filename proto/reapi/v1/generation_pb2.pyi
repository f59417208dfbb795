import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from reapi.v1 import privacy_pb2 as _privacy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_UNSPECIFIED: _ClassVar[Kind]
    KIND_IMAGE: _ClassVar[Kind]
    KIND_VIDEO: _ClassVar[Kind]
    KIND_AUDIO: _ClassVar[Kind]
    KIND_CHAT: _ClassVar[Kind]
    KIND_TOOL: _ClassVar[Kind]
KIND_UNSPECIFIED: Kind
KIND_IMAGE: Kind
KIND_VIDEO: Kind
KIND_AUDIO: Kind
KIND_CHAT: Kind
KIND_TOOL: Kind

class Generation(_message.Message):
    __slots__ = ("name", "model", "kind", "state", "create_time", "end_time", "fate_unknown_since", "requested_count", "delivered_count", "quoted_micros", "charged_micros", "channel", "attempt_count", "progress_percent", "assets", "error", "sandbox", "output_format", "size", "quality", "background", "usage", "duration")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Generation.State]
        STATE_ACCEPTED: _ClassVar[Generation.State]
        STATE_RUNNING: _ClassVar[Generation.State]
        STATE_SUCCEEDED: _ClassVar[Generation.State]
        STATE_FAILED: _ClassVar[Generation.State]
        STATE_CANCELLED: _ClassVar[Generation.State]
    STATE_UNSPECIFIED: Generation.State
    STATE_ACCEPTED: Generation.State
    STATE_RUNNING: Generation.State
    STATE_SUCCEEDED: Generation.State
    STATE_FAILED: Generation.State
    STATE_CANCELLED: Generation.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    FATE_UNKNOWN_SINCE_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUOTED_MICROS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_MICROS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_PERCENT_FIELD_NUMBER: _ClassVar[int]
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    kind: Kind
    state: Generation.State
    create_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    fate_unknown_since: _timestamp_pb2.Timestamp
    requested_count: int
    delivered_count: int
    quoted_micros: int
    charged_micros: int
    channel: str
    attempt_count: int
    progress_percent: int
    assets: _containers.RepeatedCompositeFieldContainer[Asset]
    error: _status_pb2.Status
    sandbox: bool
    output_format: str
    size: str
    quality: str
    background: str
    usage: Usage
    duration: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., kind: _Optional[_Union[Kind, str]] = ..., state: _Optional[_Union[Generation.State, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fate_unknown_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., requested_count: _Optional[int] = ..., delivered_count: _Optional[int] = ..., quoted_micros: _Optional[int] = ..., charged_micros: _Optional[int] = ..., channel: _Optional[str] = ..., attempt_count: _Optional[int] = ..., progress_percent: _Optional[int] = ..., assets: _Optional[_Iterable[_Union[Asset, _Mapping]]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., sandbox: _Optional[bool] = ..., output_format: _Optional[str] = ..., size: _Optional[str] = ..., quality: _Optional[str] = ..., background: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Asset(_message.Message):
    __slots__ = ("output_index", "uri", "media_type", "size_bytes", "sha256", "expire_time")
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    output_index: int
    uri: str
    media_type: str
    size_bytes: int
    sha256: bytes
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, output_index: _Optional[int] = ..., uri: _Optional[str] = ..., media_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_text_tokens", "input_image_tokens", "output_tokens", "output_image_tokens")
    INPUT_TEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_IMAGE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_IMAGE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    input_text_tokens: int
    input_image_tokens: int
    output_tokens: int
    output_image_tokens: int
    def __init__(self, input_text_tokens: _Optional[int] = ..., input_image_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., output_image_tokens: _Optional[int] = ...) -> None: ...
