import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from reapi.v1 import privacy_pb2 as _privacy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransactionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSACTION_KIND_UNSPECIFIED: _ClassVar[TransactionKind]
    TRANSACTION_KIND_PAYMENT: _ClassVar[TransactionKind]
    TRANSACTION_KIND_GRANT: _ClassVar[TransactionKind]
    TRANSACTION_KIND_PROMOTION: _ClassVar[TransactionKind]
    TRANSACTION_KIND_HOLD: _ClassVar[TransactionKind]
    TRANSACTION_KIND_SETTLE: _ClassVar[TransactionKind]
    TRANSACTION_KIND_VOID: _ClassVar[TransactionKind]
    TRANSACTION_KIND_REFUND: _ClassVar[TransactionKind]
    TRANSACTION_KIND_CLAWBACK: _ClassVar[TransactionKind]
    TRANSACTION_KIND_DEBT_REPAYMENT: _ClassVar[TransactionKind]
    TRANSACTION_KIND_DEBT: _ClassVar[TransactionKind]
    TRANSACTION_KIND_REINSTATEMENT: _ClassVar[TransactionKind]
TRANSACTION_KIND_UNSPECIFIED: TransactionKind
TRANSACTION_KIND_PAYMENT: TransactionKind
TRANSACTION_KIND_GRANT: TransactionKind
TRANSACTION_KIND_PROMOTION: TransactionKind
TRANSACTION_KIND_HOLD: TransactionKind
TRANSACTION_KIND_SETTLE: TransactionKind
TRANSACTION_KIND_VOID: TransactionKind
TRANSACTION_KIND_REFUND: TransactionKind
TRANSACTION_KIND_CLAWBACK: TransactionKind
TRANSACTION_KIND_DEBT_REPAYMENT: TransactionKind
TRANSACTION_KIND_DEBT: TransactionKind
TRANSACTION_KIND_REINSTATEMENT: TransactionKind

class Transaction(_message.Message):
    __slots__ = ("name", "kind", "posted_micros", "held_micros", "balance_micros", "create_time", "generation", "payment", "debt_micros")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    POSTED_MICROS_FIELD_NUMBER: _ClassVar[int]
    HELD_MICROS_FIELD_NUMBER: _ClassVar[int]
    BALANCE_MICROS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    DEBT_MICROS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: TransactionKind
    posted_micros: int
    held_micros: int
    balance_micros: int
    create_time: _timestamp_pb2.Timestamp
    generation: str
    payment: str
    debt_micros: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[TransactionKind, str]] = ..., posted_micros: _Optional[int] = ..., held_micros: _Optional[int] = ..., balance_micros: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., generation: _Optional[str] = ..., payment: _Optional[str] = ..., debt_micros: _Optional[int] = ...) -> None: ...

class CreditPack(_message.Message):
    __slots__ = ("name", "display_name", "price_micros", "currency_code", "credited_micros")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    PRICE_MICROS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CREDITED_MICROS_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    price_micros: int
    currency_code: str
    credited_micros: int
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., price_micros: _Optional[int] = ..., currency_code: _Optional[str] = ..., credited_micros: _Optional[int] = ...) -> None: ...

class CheckoutSession(_message.Message):
    __slots__ = ("name", "uri", "state", "price_micros", "currency_code", "credited_micros", "payment", "expire_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[CheckoutSession.State]
        STATE_OPEN: _ClassVar[CheckoutSession.State]
        STATE_PAID: _ClassVar[CheckoutSession.State]
        STATE_EXPIRED: _ClassVar[CheckoutSession.State]
    STATE_UNSPECIFIED: CheckoutSession.State
    STATE_OPEN: CheckoutSession.State
    STATE_PAID: CheckoutSession.State
    STATE_EXPIRED: CheckoutSession.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PRICE_MICROS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CREDITED_MICROS_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    uri: str
    state: CheckoutSession.State
    price_micros: int
    currency_code: str
    credited_micros: int
    payment: str
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., uri: _Optional[str] = ..., state: _Optional[_Union[CheckoutSession.State, str]] = ..., price_micros: _Optional[int] = ..., currency_code: _Optional[str] = ..., credited_micros: _Optional[int] = ..., payment: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Payment(_message.Message):
    __slots__ = ("name", "state", "origin", "product", "paid_micros", "tax_micros", "refunded_micros", "currency_code", "credited_micros", "clawed_back_micros", "stripe_customer", "stripe_invoice", "invoice_uri", "receipt_uri", "create_time", "failure_code")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Payment.State]
        STATE_PENDING: _ClassVar[Payment.State]
        STATE_SUCCEEDED: _ClassVar[Payment.State]
        STATE_FAILED: _ClassVar[Payment.State]
        STATE_PARTIALLY_REFUNDED: _ClassVar[Payment.State]
        STATE_REFUNDED: _ClassVar[Payment.State]
        STATE_DISPUTED: _ClassVar[Payment.State]
        STATE_DISPUTE_LOST: _ClassVar[Payment.State]
    STATE_UNSPECIFIED: Payment.State
    STATE_PENDING: Payment.State
    STATE_SUCCEEDED: Payment.State
    STATE_FAILED: Payment.State
    STATE_PARTIALLY_REFUNDED: Payment.State
    STATE_REFUNDED: Payment.State
    STATE_DISPUTED: Payment.State
    STATE_DISPUTE_LOST: Payment.State
    class Origin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ORIGIN_UNSPECIFIED: _ClassVar[Payment.Origin]
        ORIGIN_CHECKOUT: _ClassVar[Payment.Origin]
        ORIGIN_AUTO_TOP_UP: _ClassVar[Payment.Origin]
    ORIGIN_UNSPECIFIED: Payment.Origin
    ORIGIN_CHECKOUT: Payment.Origin
    ORIGIN_AUTO_TOP_UP: Payment.Origin
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    PAID_MICROS_FIELD_NUMBER: _ClassVar[int]
    TAX_MICROS_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_MICROS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CREDITED_MICROS_FIELD_NUMBER: _ClassVar[int]
    CLAWED_BACK_MICROS_FIELD_NUMBER: _ClassVar[int]
    STRIPE_CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    STRIPE_INVOICE_FIELD_NUMBER: _ClassVar[int]
    INVOICE_URI_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_URI_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    FAILURE_CODE_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: Payment.State
    origin: Payment.Origin
    product: str
    paid_micros: int
    tax_micros: int
    refunded_micros: int
    currency_code: str
    credited_micros: int
    clawed_back_micros: int
    stripe_customer: str
    stripe_invoice: str
    invoice_uri: str
    receipt_uri: str
    create_time: _timestamp_pb2.Timestamp
    failure_code: str
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[Payment.State, str]] = ..., origin: _Optional[_Union[Payment.Origin, str]] = ..., product: _Optional[str] = ..., paid_micros: _Optional[int] = ..., tax_micros: _Optional[int] = ..., refunded_micros: _Optional[int] = ..., currency_code: _Optional[str] = ..., credited_micros: _Optional[int] = ..., clawed_back_micros: _Optional[int] = ..., stripe_customer: _Optional[str] = ..., stripe_invoice: _Optional[str] = ..., invoice_uri: _Optional[str] = ..., receipt_uri: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., failure_code: _Optional[str] = ...) -> None: ...

class PaymentMethod(_message.Message):
    __slots__ = ("name", "brand", "last_four", "expire_month", "expire_year", "preferred")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BRAND_FIELD_NUMBER: _ClassVar[int]
    LAST_FOUR_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_MONTH_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_YEAR_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_FIELD_NUMBER: _ClassVar[int]
    name: str
    brand: str
    last_four: str
    expire_month: int
    expire_year: int
    preferred: bool
    def __init__(self, name: _Optional[str] = ..., brand: _Optional[str] = ..., last_four: _Optional[str] = ..., expire_month: _Optional[int] = ..., expire_year: _Optional[int] = ..., preferred: _Optional[bool] = ...) -> None: ...

class AutoTopUp(_message.Message):
    __slots__ = ("enabled", "threshold_micros", "amount_micros", "monthly_limit_micros", "payment_method", "month_micros", "failure_code", "etag")
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_MICROS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MICROS_FIELD_NUMBER: _ClassVar[int]
    MONTHLY_LIMIT_MICROS_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    MONTH_MICROS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_CODE_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    threshold_micros: int
    amount_micros: int
    monthly_limit_micros: int
    payment_method: str
    month_micros: int
    failure_code: str
    etag: str
    def __init__(self, enabled: _Optional[bool] = ..., threshold_micros: _Optional[int] = ..., amount_micros: _Optional[int] = ..., monthly_limit_micros: _Optional[int] = ..., payment_method: _Optional[str] = ..., month_micros: _Optional[int] = ..., failure_code: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class Statement(_message.Message):
    __slots__ = ("name", "start_time", "end_time", "opening_micros", "added_micros", "spent_micros", "removed_micros", "closing_micros", "final")
    NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    OPENING_MICROS_FIELD_NUMBER: _ClassVar[int]
    ADDED_MICROS_FIELD_NUMBER: _ClassVar[int]
    SPENT_MICROS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_MICROS_FIELD_NUMBER: _ClassVar[int]
    CLOSING_MICROS_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    opening_micros: int
    added_micros: int
    spent_micros: int
    removed_micros: int
    closing_micros: int
    final: bool
    def __init__(self, name: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., opening_micros: _Optional[int] = ..., added_micros: _Optional[int] = ..., spent_micros: _Optional[int] = ..., removed_micros: _Optional[int] = ..., closing_micros: _Optional[int] = ..., final: _Optional[bool] = ...) -> None: ...

class StatementLine(_message.Message):
    __slots__ = ("day_start_time", "kind", "model", "count", "amount_micros")
    DAY_START_TIME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MICROS_FIELD_NUMBER: _ClassVar[int]
    day_start_time: _timestamp_pb2.Timestamp
    kind: TransactionKind
    model: str
    count: int
    amount_micros: int
    def __init__(self, day_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[_Union[TransactionKind, str]] = ..., model: _Optional[str] = ..., count: _Optional[int] = ..., amount_micros: _Optional[int] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("name", "api_key", "period", "limit_micros", "alert_percents", "spent_micros", "held_micros", "reset_time", "create_time", "etag")
    class Period(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PERIOD_UNSPECIFIED: _ClassVar[Budget.Period]
        PERIOD_DAY: _ClassVar[Budget.Period]
        PERIOD_MONTH: _ClassVar[Budget.Period]
        PERIOD_TOTAL: _ClassVar[Budget.Period]
    PERIOD_UNSPECIFIED: Budget.Period
    PERIOD_DAY: Budget.Period
    PERIOD_MONTH: Budget.Period
    PERIOD_TOTAL: Budget.Period
    NAME_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    LIMIT_MICROS_FIELD_NUMBER: _ClassVar[int]
    ALERT_PERCENTS_FIELD_NUMBER: _ClassVar[int]
    SPENT_MICROS_FIELD_NUMBER: _ClassVar[int]
    HELD_MICROS_FIELD_NUMBER: _ClassVar[int]
    RESET_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    api_key: str
    period: Budget.Period
    limit_micros: int
    alert_percents: _containers.RepeatedScalarFieldContainer[int]
    spent_micros: int
    held_micros: int
    reset_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, name: _Optional[str] = ..., api_key: _Optional[str] = ..., period: _Optional[_Union[Budget.Period, str]] = ..., limit_micros: _Optional[int] = ..., alert_percents: _Optional[_Iterable[int]] = ..., spent_micros: _Optional[int] = ..., held_micros: _Optional[int] = ..., reset_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...
