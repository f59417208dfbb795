import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from reapi.v1 import account_pb2 as _account_pb2
from reapi.v1 import privacy_pb2 as _privacy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccountOverview(_message.Message):
    __slots__ = ("account", "id", "balance_micros", "held_micros", "debt_micros", "member_count", "suspend_time")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    BALANCE_MICROS_FIELD_NUMBER: _ClassVar[int]
    HELD_MICROS_FIELD_NUMBER: _ClassVar[int]
    DEBT_MICROS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUSPEND_TIME_FIELD_NUMBER: _ClassVar[int]
    account: _account_pb2.Account
    id: str
    balance_micros: int
    held_micros: int
    debt_micros: int
    member_count: int
    suspend_time: _timestamp_pb2.Timestamp
    def __init__(self, account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ..., id: _Optional[str] = ..., balance_micros: _Optional[int] = ..., held_micros: _Optional[int] = ..., debt_micros: _Optional[int] = ..., member_count: _Optional[int] = ..., suspend_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PromoCode(_message.Message):
    __slots__ = ("name", "display_name", "credited_micros", "redemption_limit", "expire_time", "redemption_count", "disabled", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CREDITED_MICROS_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_LIMIT_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    credited_micros: int
    redemption_limit: int
    expire_time: _timestamp_pb2.Timestamp
    redemption_count: int
    disabled: bool
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., credited_micros: _Optional[int] = ..., redemption_limit: _Optional[int] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., redemption_count: _Optional[int] = ..., disabled: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Channel(_message.Message):
    __slots__ = ("name", "admission", "weight", "provider", "dialect", "models", "priority", "region", "sandbox", "credential_present", "health", "disabled_reason", "etag")
    class Admission(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ADMISSION_UNSPECIFIED: _ClassVar[Channel.Admission]
        ADMISSION_OPEN: _ClassVar[Channel.Admission]
        ADMISSION_DRAINING: _ClassVar[Channel.Admission]
        ADMISSION_DISABLED: _ClassVar[Channel.Admission]
    ADMISSION_UNSPECIFIED: Channel.Admission
    ADMISSION_OPEN: Channel.Admission
    ADMISSION_DRAINING: Channel.Admission
    ADMISSION_DISABLED: Channel.Admission
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADMISSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_PRESENT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    DISABLED_REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    admission: Channel.Admission
    weight: int
    provider: str
    dialect: str
    models: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    region: str
    sandbox: bool
    credential_present: bool
    health: _containers.RepeatedCompositeFieldContainer[ChannelHealth]
    disabled_reason: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., admission: _Optional[_Union[Channel.Admission, str]] = ..., weight: _Optional[int] = ..., provider: _Optional[str] = ..., dialect: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ..., region: _Optional[str] = ..., sandbox: _Optional[bool] = ..., credential_present: _Optional[bool] = ..., health: _Optional[_Iterable[_Union[ChannelHealth, _Mapping]]] = ..., disabled_reason: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class ChannelHealth(_message.Message):
    __slots__ = ("operation", "state", "eject_end_time", "last_fault", "consecutive_fault_count", "in_flight_count", "success_permille", "latency", "latency_p95")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[ChannelHealth.State]
        STATE_UNTRIED: _ClassVar[ChannelHealth.State]
        STATE_HEALTHY: _ClassVar[ChannelHealth.State]
        STATE_EJECTED: _ClassVar[ChannelHealth.State]
        STATE_HALF_OPEN: _ClassVar[ChannelHealth.State]
    STATE_UNSPECIFIED: ChannelHealth.State
    STATE_UNTRIED: ChannelHealth.State
    STATE_HEALTHY: ChannelHealth.State
    STATE_EJECTED: ChannelHealth.State
    STATE_HALF_OPEN: ChannelHealth.State
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EJECT_END_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_FAULT_FIELD_NUMBER: _ClassVar[int]
    CONSECUTIVE_FAULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_PERMILLE_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    LATENCY_P95_FIELD_NUMBER: _ClassVar[int]
    operation: str
    state: ChannelHealth.State
    eject_end_time: _timestamp_pb2.Timestamp
    last_fault: str
    consecutive_fault_count: int
    in_flight_count: int
    success_permille: int
    latency: _duration_pb2.Duration
    latency_p95: _duration_pb2.Duration
    def __init__(self, operation: _Optional[str] = ..., state: _Optional[_Union[ChannelHealth.State, str]] = ..., eject_end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_fault: _Optional[str] = ..., consecutive_fault_count: _Optional[int] = ..., in_flight_count: _Optional[int] = ..., success_permille: _Optional[int] = ..., latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., latency_p95: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CatalogueProblem(_message.Message):
    __slots__ = ("file", "line", "key", "message")
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    file: str
    line: int
    key: str
    message: str
    def __init__(self, file: _Optional[str] = ..., line: _Optional[int] = ..., key: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class AuditEntry(_message.Message):
    __slots__ = ("name", "action", "actor", "account", "resource", "reason", "changes", "network_address", "create_time")
    class ChangesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    action: str
    actor: str
    account: str
    resource: str
    reason: str
    changes: _containers.ScalarMap[str, str]
    network_address: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., action: _Optional[str] = ..., actor: _Optional[str] = ..., account: _Optional[str] = ..., resource: _Optional[str] = ..., reason: _Optional[str] = ..., changes: _Optional[_Mapping[str, str]] = ..., network_address: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AbuseSignal(_message.Message):
    __slots__ = ("account", "type", "api_key", "observed_milli", "threshold_milli", "observe_time")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[AbuseSignal.Type]
        TYPE_REFUSAL_RATE: _ClassVar[AbuseSignal.Type]
        TYPE_CARD_TESTING: _ClassVar[AbuseSignal.Type]
        TYPE_KEY_SHARING: _ClassVar[AbuseSignal.Type]
        TYPE_PROVIDER_COST: _ClassVar[AbuseSignal.Type]
    TYPE_UNSPECIFIED: AbuseSignal.Type
    TYPE_REFUSAL_RATE: AbuseSignal.Type
    TYPE_CARD_TESTING: AbuseSignal.Type
    TYPE_KEY_SHARING: AbuseSignal.Type
    TYPE_PROVIDER_COST: AbuseSignal.Type
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_MILLI_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_MILLI_FIELD_NUMBER: _ClassVar[int]
    OBSERVE_TIME_FIELD_NUMBER: _ClassVar[int]
    account: str
    type: AbuseSignal.Type
    api_key: str
    observed_milli: int
    threshold_milli: int
    observe_time: _timestamp_pb2.Timestamp
    def __init__(self, account: _Optional[str] = ..., type: _Optional[_Union[AbuseSignal.Type, str]] = ..., api_key: _Optional[str] = ..., observed_milli: _Optional[int] = ..., threshold_milli: _Optional[int] = ..., observe_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class MarginRow(_message.Message):
    __slots__ = ("model", "channel", "succeeded_count", "charged_micros", "upstream_cost_micros", "hedge_loss_micros", "risk_micros")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHARGED_MICROS_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    HEDGE_LOSS_MICROS_FIELD_NUMBER: _ClassVar[int]
    RISK_MICROS_FIELD_NUMBER: _ClassVar[int]
    model: str
    channel: str
    succeeded_count: int
    charged_micros: int
    upstream_cost_micros: int
    hedge_loss_micros: int
    risk_micros: int
    def __init__(self, model: _Optional[str] = ..., channel: _Optional[str] = ..., succeeded_count: _Optional[int] = ..., charged_micros: _Optional[int] = ..., upstream_cost_micros: _Optional[int] = ..., hedge_loss_micros: _Optional[int] = ..., risk_micros: _Optional[int] = ...) -> None: ...
