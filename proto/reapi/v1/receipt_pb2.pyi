import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from reapi.v1 import billing_pb2 as _billing_pb2
from reapi.v1 import generation_pb2 as _generation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Receipt(_message.Message):
    __slots__ = ("name", "generation", "model", "catalogue_version", "state", "quoted_micros", "quote_id", "price_lines", "charged_micros", "attempts", "transactions", "issue_time", "signed_payload", "signature", "ledger_key")
    NAME_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    QUOTED_MICROS_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_LINES_FIELD_NUMBER: _ClassVar[int]
    CHARGED_MICROS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    ISSUE_TIME_FIELD_NUMBER: _ClassVar[int]
    SIGNED_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    LEDGER_KEY_FIELD_NUMBER: _ClassVar[int]
    name: str
    generation: str
    model: str
    catalogue_version: str
    state: _generation_pb2.Generation.State
    quoted_micros: int
    quote_id: str
    price_lines: _containers.RepeatedCompositeFieldContainer[PriceLine]
    charged_micros: int
    attempts: _containers.RepeatedCompositeFieldContainer[ReceiptAttempt]
    transactions: _containers.RepeatedCompositeFieldContainer[_billing_pb2.Transaction]
    issue_time: _timestamp_pb2.Timestamp
    signed_payload: bytes
    signature: bytes
    ledger_key: str
    def __init__(self, name: _Optional[str] = ..., generation: _Optional[str] = ..., model: _Optional[str] = ..., catalogue_version: _Optional[str] = ..., state: _Optional[_Union[_generation_pb2.Generation.State, str]] = ..., quoted_micros: _Optional[int] = ..., quote_id: _Optional[str] = ..., price_lines: _Optional[_Iterable[_Union[PriceLine, _Mapping]]] = ..., charged_micros: _Optional[int] = ..., attempts: _Optional[_Iterable[_Union[ReceiptAttempt, _Mapping]]] = ..., transactions: _Optional[_Iterable[_Union[_billing_pb2.Transaction, _Mapping]]] = ..., issue_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signed_payload: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., ledger_key: _Optional[str] = ...) -> None: ...

class DeletionReceipt(_message.Message):
    __slots__ = ("generation", "outputs", "delete_time", "signed_payload", "signature", "ledger_key")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    SIGNED_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    LEDGER_KEY_FIELD_NUMBER: _ClassVar[int]
    generation: str
    outputs: _containers.RepeatedCompositeFieldContainer[DeletedOutput]
    delete_time: _timestamp_pb2.Timestamp
    signed_payload: bytes
    signature: bytes
    ledger_key: str
    def __init__(self, generation: _Optional[str] = ..., outputs: _Optional[_Iterable[_Union[DeletedOutput, _Mapping]]] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signed_payload: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., ledger_key: _Optional[str] = ...) -> None: ...

class DeletedOutput(_message.Message):
    __slots__ = ("output_index", "size_bytes", "sha256", "gone")
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    output_index: int
    size_bytes: int
    sha256: bytes
    gone: bool
    def __init__(self, output_index: _Optional[int] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ..., gone: _Optional[bool] = ...) -> None: ...

class PriceLine(_message.Message):
    __slots__ = ("unit", "quantity_milli", "unit_micros", "amount_micros", "conditions", "per")
    class ConditionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    UNIT_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_MILLI_FIELD_NUMBER: _ClassVar[int]
    UNIT_MICROS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MICROS_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    PER_FIELD_NUMBER: _ClassVar[int]
    unit: str
    quantity_milli: int
    unit_micros: int
    amount_micros: int
    conditions: _containers.ScalarMap[str, str]
    per: int
    def __init__(self, unit: _Optional[str] = ..., quantity_milli: _Optional[int] = ..., unit_micros: _Optional[int] = ..., amount_micros: _Optional[int] = ..., conditions: _Optional[_Mapping[str, str]] = ..., per: _Optional[int] = ...) -> None: ...

class ReceiptAttempt(_message.Message):
    __slots__ = ("number", "channel", "fault", "upstream_usage", "start_time", "end_time")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_USAGE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    number: int
    channel: str
    fault: str
    upstream_usage: _generation_pb2.Usage
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., channel: _Optional[str] = ..., fault: _Optional[str] = ..., upstream_usage: _Optional[_Union[_generation_pb2.Usage, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LedgerEntry(_message.Message):
    __slots__ = ("sequence", "transfer_id", "kind", "posted_micros", "held_micros", "hold_transfer_id", "create_time", "chain_sha256", "debt_micros")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    POSTED_MICROS_FIELD_NUMBER: _ClassVar[int]
    HELD_MICROS_FIELD_NUMBER: _ClassVar[int]
    HOLD_TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CHAIN_SHA256_FIELD_NUMBER: _ClassVar[int]
    DEBT_MICROS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    transfer_id: str
    kind: _billing_pb2.TransactionKind
    posted_micros: int
    held_micros: int
    hold_transfer_id: str
    create_time: _timestamp_pb2.Timestamp
    chain_sha256: bytes
    debt_micros: int
    def __init__(self, sequence: _Optional[int] = ..., transfer_id: _Optional[str] = ..., kind: _Optional[_Union[_billing_pb2.TransactionKind, str]] = ..., posted_micros: _Optional[int] = ..., held_micros: _Optional[int] = ..., hold_transfer_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., chain_sha256: _Optional[bytes] = ..., debt_micros: _Optional[int] = ...) -> None: ...

class LedgerSeal(_message.Message):
    __slots__ = ("name", "sequence", "chain_sha256", "seal_time", "signature", "ledger_key", "account", "previous_sequence")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CHAIN_SHA256_FIELD_NUMBER: _ClassVar[int]
    SEAL_TIME_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    LEDGER_KEY_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    sequence: int
    chain_sha256: bytes
    seal_time: _timestamp_pb2.Timestamp
    signature: bytes
    ledger_key: str
    account: str
    previous_sequence: int
    def __init__(self, name: _Optional[str] = ..., sequence: _Optional[int] = ..., chain_sha256: _Optional[bytes] = ..., seal_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signature: _Optional[bytes] = ..., ledger_key: _Optional[str] = ..., account: _Optional[str] = ..., previous_sequence: _Optional[int] = ...) -> None: ...

class LedgerKey(_message.Message):
    __slots__ = ("name", "public_key", "start_time", "end_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    public_key: bytes
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., public_key: _Optional[bytes] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
