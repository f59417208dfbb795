import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from reapi.v1 import privacy_pb2 as _privacy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Parameters(_message.Message):
    __slots__ = ("prompt", "negative_prompt", "inputs", "output_count", "size", "aspect_ratio", "resolution", "quality", "background", "output_format", "output_compression", "moderation", "duration", "seed", "with_audio", "voice", "end_user_id", "extras")
    class ExtrasEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ParamValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ParamValue, _Mapping]] = ...) -> None: ...
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ASPECT_RATIO_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    MODERATION_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    WITH_AUDIO_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    END_USER_ID_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    negative_prompt: str
    inputs: _containers.RepeatedCompositeFieldContainer[Input]
    output_count: int
    size: str
    aspect_ratio: str
    resolution: str
    quality: str
    background: str
    output_format: str
    output_compression: int
    moderation: str
    duration: _duration_pb2.Duration
    seed: int
    with_audio: bool
    voice: str
    end_user_id: str
    extras: _containers.MessageMap[str, ParamValue]
    def __init__(self, prompt: _Optional[str] = ..., negative_prompt: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[Input, _Mapping]]] = ..., output_count: _Optional[int] = ..., size: _Optional[str] = ..., aspect_ratio: _Optional[str] = ..., resolution: _Optional[str] = ..., quality: _Optional[str] = ..., background: _Optional[str] = ..., output_format: _Optional[str] = ..., output_compression: _Optional[int] = ..., moderation: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., seed: _Optional[int] = ..., with_audio: _Optional[bool] = ..., voice: _Optional[str] = ..., end_user_id: _Optional[str] = ..., extras: _Optional[_Mapping[str, ParamValue]] = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("role", "inline", "attachment_index", "uri", "parameter")
    class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ROLE_UNSPECIFIED: _ClassVar[Input.Role]
        ROLE_IMAGE: _ClassVar[Input.Role]
        ROLE_MASK: _ClassVar[Input.Role]
        ROLE_FIRST_FRAME: _ClassVar[Input.Role]
        ROLE_LAST_FRAME: _ClassVar[Input.Role]
        ROLE_VIDEO: _ClassVar[Input.Role]
        ROLE_AUDIO: _ClassVar[Input.Role]
    ROLE_UNSPECIFIED: Input.Role
    ROLE_IMAGE: Input.Role
    ROLE_MASK: Input.Role
    ROLE_FIRST_FRAME: Input.Role
    ROLE_LAST_FRAME: Input.Role
    ROLE_VIDEO: Input.Role
    ROLE_AUDIO: Input.Role
    ROLE_FIELD_NUMBER: _ClassVar[int]
    INLINE_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    PARAMETER_FIELD_NUMBER: _ClassVar[int]
    role: Input.Role
    inline: bytes
    attachment_index: int
    uri: str
    parameter: str
    def __init__(self, role: _Optional[_Union[Input.Role, str]] = ..., inline: _Optional[bytes] = ..., attachment_index: _Optional[int] = ..., uri: _Optional[str] = ..., parameter: _Optional[str] = ...) -> None: ...

class ParamValue(_message.Message):
    __slots__ = ("text", "number", "integer", "flag", "list", "object")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    text: str
    number: float
    integer: int
    flag: bool
    list: ParamList
    object: ParamObject
    def __init__(self, text: _Optional[str] = ..., number: _Optional[float] = ..., integer: _Optional[int] = ..., flag: _Optional[bool] = ..., list: _Optional[_Union[ParamList, _Mapping]] = ..., object: _Optional[_Union[ParamObject, _Mapping]] = ...) -> None: ...

class ParamList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ParamValue]
    def __init__(self, items: _Optional[_Iterable[_Union[ParamValue, _Mapping]]] = ...) -> None: ...

class ParamObject(_message.Message):
    __slots__ = ("fields",)
    class FieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ParamValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ParamValue, _Mapping]] = ...) -> None: ...
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.MessageMap[str, ParamValue]
    def __init__(self, fields: _Optional[_Mapping[str, ParamValue]] = ...) -> None: ...
