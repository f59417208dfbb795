from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.rpc import status_pb2 as _status_pb2
from reapi.v1 import chat_pb2 as _chat_pb2
from reapi.v1 import generation_pb2 as _generation_pb2
from reapi.v1 import generation_service_pb2 as _generation_service_pb2
from reapi.v1 import parameters_pb2 as _parameters_pb2
from reapi.v1 import privacy_pb2 as _privacy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CompleteRequest(_message.Message):
    __slots__ = ("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "logit_bias", "seed", "stop", "choice_count", "response_format", "logprobs", "top_logprobs", "reasoning_effort", "verbosity", "modalities", "audio", "service_tier", "end_user_id", "extras", "request_id", "routing", "retry_number", "endpoint")
    class LogitBiasEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: float
        def __init__(self, key: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...
    class ExtrasEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _parameters_pb2.ParamValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_parameters_pb2.ParamValue, _Mapping]] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    MIN_P_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_PENALTY_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_PENALTY_FIELD_NUMBER: _ClassVar[int]
    LOGIT_BIAS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    CHOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    TOP_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    REASONING_EFFORT_FIELD_NUMBER: _ClassVar[int]
    VERBOSITY_FIELD_NUMBER: _ClassVar[int]
    MODALITIES_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIER_FIELD_NUMBER: _ClassVar[int]
    END_USER_ID_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROUTING_FIELD_NUMBER: _ClassVar[int]
    RETRY_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    model: str
    messages: _containers.RepeatedCompositeFieldContainer[_chat_pb2.ChatMessage]
    tools: _containers.RepeatedCompositeFieldContainer[_chat_pb2.ChatTool]
    tool_choice: _chat_pb2.ToolChoice
    parallel_tool_calls: bool
    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    frequency_penalty: float
    presence_penalty: float
    logit_bias: _containers.ScalarMap[int, float]
    seed: int
    stop: _containers.RepeatedScalarFieldContainer[str]
    choice_count: int
    response_format: _chat_pb2.ResponseFormat
    logprobs: bool
    top_logprobs: int
    reasoning_effort: str
    verbosity: str
    modalities: _containers.RepeatedScalarFieldContainer[str]
    audio: _chat_pb2.SpokenFormat
    service_tier: str
    end_user_id: str
    extras: _containers.MessageMap[str, _parameters_pb2.ParamValue]
    request_id: str
    routing: _generation_service_pb2.RoutingPreference
    retry_number: int
    endpoint: str
    def __init__(self, model: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[_chat_pb2.ChatMessage, _Mapping]]] = ..., tools: _Optional[_Iterable[_Union[_chat_pb2.ChatTool, _Mapping]]] = ..., tool_choice: _Optional[_Union[_chat_pb2.ToolChoice, _Mapping]] = ..., parallel_tool_calls: _Optional[bool] = ..., max_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., top_k: _Optional[int] = ..., min_p: _Optional[float] = ..., frequency_penalty: _Optional[float] = ..., presence_penalty: _Optional[float] = ..., logit_bias: _Optional[_Mapping[int, float]] = ..., seed: _Optional[int] = ..., stop: _Optional[_Iterable[str]] = ..., choice_count: _Optional[int] = ..., response_format: _Optional[_Union[_chat_pb2.ResponseFormat, _Mapping]] = ..., logprobs: _Optional[bool] = ..., top_logprobs: _Optional[int] = ..., reasoning_effort: _Optional[str] = ..., verbosity: _Optional[str] = ..., modalities: _Optional[_Iterable[str]] = ..., audio: _Optional[_Union[_chat_pb2.SpokenFormat, _Mapping]] = ..., service_tier: _Optional[str] = ..., end_user_id: _Optional[str] = ..., extras: _Optional[_Mapping[str, _parameters_pb2.ParamValue]] = ..., request_id: _Optional[str] = ..., routing: _Optional[_Union[_generation_service_pb2.RoutingPreference, _Mapping]] = ..., retry_number: _Optional[int] = ..., endpoint: _Optional[str] = ...) -> None: ...

class CompleteResponse(_message.Message):
    __slots__ = ("seq", "accepted", "attempt", "delta", "usage", "completed", "failed")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    seq: int
    accepted: _generation_service_pb2.Accepted
    attempt: _generation_service_pb2.Attempt
    delta: _chat_pb2.ChatDelta
    usage: ChatUsageReport
    completed: ChatCompleted
    failed: ChatFailed
    def __init__(self, seq: _Optional[int] = ..., accepted: _Optional[_Union[_generation_service_pb2.Accepted, _Mapping]] = ..., attempt: _Optional[_Union[_generation_service_pb2.Attempt, _Mapping]] = ..., delta: _Optional[_Union[_chat_pb2.ChatDelta, _Mapping]] = ..., usage: _Optional[_Union[ChatUsageReport, _Mapping]] = ..., completed: _Optional[_Union[ChatCompleted, _Mapping]] = ..., failed: _Optional[_Union[ChatFailed, _Mapping]] = ...) -> None: ...

class ChatUsageReport(_message.Message):
    __slots__ = ("charged_micros", "usage")
    CHARGED_MICROS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    charged_micros: int
    usage: _chat_pb2.ChatUsage
    def __init__(self, charged_micros: _Optional[int] = ..., usage: _Optional[_Union[_chat_pb2.ChatUsage, _Mapping]] = ...) -> None: ...

class ChatCompleted(_message.Message):
    __slots__ = ("generation", "system_fingerprint", "service_tier")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIER_FIELD_NUMBER: _ClassVar[int]
    generation: _generation_pb2.Generation
    system_fingerprint: str
    service_tier: str
    def __init__(self, generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ..., system_fingerprint: _Optional[str] = ..., service_tier: _Optional[str] = ...) -> None: ...

class ChatFailed(_message.Message):
    __slots__ = ("status", "generation")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    status: _status_pb2.Status
    generation: _generation_pb2.Generation
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., generation: _Optional[_Union[_generation_pb2.Generation, _Mapping]] = ...) -> None: ...
