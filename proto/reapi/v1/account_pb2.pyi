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

class Profile(_message.Message):
    __slots__ = ("name", "email", "email_verified", "pending_email", "display_name", "locale", "newsletter", "product_notices", "billing_notices", "has_password", "identities", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    EMAIL_VERIFIED_FIELD_NUMBER: _ClassVar[int]
    PENDING_EMAIL_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    NEWSLETTER_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_NOTICES_FIELD_NUMBER: _ClassVar[int]
    BILLING_NOTICES_FIELD_NUMBER: _ClassVar[int]
    HAS_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    IDENTITIES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    email: str
    email_verified: bool
    pending_email: str
    display_name: str
    locale: str
    newsletter: bool
    product_notices: bool
    billing_notices: bool
    has_password: bool
    identities: _containers.RepeatedCompositeFieldContainer[Identity]
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., email: _Optional[str] = ..., email_verified: _Optional[bool] = ..., pending_email: _Optional[str] = ..., display_name: _Optional[str] = ..., locale: _Optional[str] = ..., newsletter: _Optional[bool] = ..., product_notices: _Optional[bool] = ..., billing_notices: _Optional[bool] = ..., has_password: _Optional[bool] = ..., identities: _Optional[_Iterable[_Union[Identity, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Identity(_message.Message):
    __slots__ = ("provider", "email", "link_time")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    LINK_TIME_FIELD_NUMBER: _ClassVar[int]
    provider: str
    email: str
    link_time: _timestamp_pb2.Timestamp
    def __init__(self, provider: _Optional[str] = ..., email: _Optional[str] = ..., link_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("name", "current", "account", "user_agent", "network_address", "create_time", "last_seen_time", "expire_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    current: bool
    account: str
    user_agent: str
    network_address: str
    create_time: _timestamp_pb2.Timestamp
    last_seen_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., current: _Optional[bool] = ..., account: _Optional[str] = ..., user_agent: _Optional[str] = ..., network_address: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SessionGrant(_message.Message):
    __slots__ = ("session_token", "session", "profile")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    session: Session
    profile: Profile
    def __init__(self, session_token: _Optional[str] = ..., session: _Optional[_Union[Session, _Mapping]] = ..., profile: _Optional[_Union[Profile, _Mapping]] = ...) -> None: ...

class Account(_message.Message):
    __slots__ = ("name", "display_name", "state", "outputs_not_stored", "allowed_models", "create_time", "etag")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Account.State]
        STATE_ACTIVE: _ClassVar[Account.State]
        STATE_SUSPENDED: _ClassVar[Account.State]
        STATE_DELETING: _ClassVar[Account.State]
    STATE_UNSPECIFIED: Account.State
    STATE_ACTIVE: Account.State
    STATE_SUSPENDED: Account.State
    STATE_DELETING: Account.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_NOT_STORED_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_MODELS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    state: Account.State
    outputs_not_stored: bool
    allowed_models: _containers.RepeatedScalarFieldContainer[str]
    create_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., state: _Optional[_Union[Account.State, str]] = ..., outputs_not_stored: _Optional[bool] = ..., allowed_models: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("name", "role", "account", "account_display_name", "user", "email", "display_name", "create_time")
    class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ROLE_UNSPECIFIED: _ClassVar[Member.Role]
        ROLE_OWNER: _ClassVar[Member.Role]
        ROLE_ADMIN: _ClassVar[Member.Role]
        ROLE_DEVELOPER: _ClassVar[Member.Role]
        ROLE_BILLING: _ClassVar[Member.Role]
    ROLE_UNSPECIFIED: Member.Role
    ROLE_OWNER: Member.Role
    ROLE_ADMIN: Member.Role
    ROLE_DEVELOPER: Member.Role
    ROLE_BILLING: Member.Role
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: Member.Role
    account: str
    account_display_name: str
    user: str
    email: str
    display_name: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[Member.Role, str]] = ..., account: _Optional[str] = ..., account_display_name: _Optional[str] = ..., user: _Optional[str] = ..., email: _Optional[str] = ..., display_name: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Invitation(_message.Message):
    __slots__ = ("name", "email", "role", "member", "create_time", "expire_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    email: str
    role: Member.Role
    member: str
    create_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., email: _Optional[str] = ..., role: _Optional[_Union[Member.Role, str]] = ..., member: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Consent(_message.Message):
    __slots__ = ("subject", "given", "policy_version", "decide_time")
    class Subject(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SUBJECT_UNSPECIFIED: _ClassVar[Consent.Subject]
        SUBJECT_TERMS: _ClassVar[Consent.Subject]
        SUBJECT_PRIVACY: _ClassVar[Consent.Subject]
        SUBJECT_AGE: _ClassVar[Consent.Subject]
        SUBJECT_NEWSLETTER: _ClassVar[Consent.Subject]
        SUBJECT_SUPPORT_COOKIES: _ClassVar[Consent.Subject]
    SUBJECT_UNSPECIFIED: Consent.Subject
    SUBJECT_TERMS: Consent.Subject
    SUBJECT_PRIVACY: Consent.Subject
    SUBJECT_AGE: Consent.Subject
    SUBJECT_NEWSLETTER: Consent.Subject
    SUBJECT_SUPPORT_COOKIES: Consent.Subject
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    GIVEN_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    subject: Consent.Subject
    given: bool
    policy_version: str
    decide_time: _timestamp_pb2.Timestamp
    def __init__(self, subject: _Optional[_Union[Consent.Subject, str]] = ..., given: _Optional[bool] = ..., policy_version: _Optional[str] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("name", "version", "title", "markdown", "effective_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MARKDOWN_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    title: str
    markdown: str
    effective_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., title: _Optional[str] = ..., markdown: _Optional[str] = ..., effective_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Subprocessor(_message.Message):
    __slots__ = ("display_name", "purpose", "data", "region")
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    display_name: str
    purpose: str
    data: str
    region: str
    def __init__(self, display_name: _Optional[str] = ..., purpose: _Optional[str] = ..., data: _Optional[str] = ..., region: _Optional[str] = ...) -> None: ...

class Export(_message.Message):
    __slots__ = ("name", "state", "uri", "size_bytes", "sha256", "create_time", "ready_time", "expire_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Export.State]
        STATE_PREPARING: _ClassVar[Export.State]
        STATE_READY: _ClassVar[Export.State]
        STATE_FAILED: _ClassVar[Export.State]
        STATE_EXPIRED: _ClassVar[Export.State]
    STATE_UNSPECIFIED: Export.State
    STATE_PREPARING: Export.State
    STATE_READY: Export.State
    STATE_FAILED: Export.State
    STATE_EXPIRED: Export.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    READY_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: Export.State
    uri: str
    size_bytes: int
    sha256: bytes
    create_time: _timestamp_pb2.Timestamp
    ready_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[Export.State, str]] = ..., uri: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ready_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RightsRequest(_message.Message):
    __slots__ = ("name", "right", "create_time", "done_time")
    class Right(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RIGHT_UNSPECIFIED: _ClassVar[RightsRequest.Right]
        RIGHT_ACCESS: _ClassVar[RightsRequest.Right]
        RIGHT_RECTIFICATION: _ClassVar[RightsRequest.Right]
        RIGHT_ERASURE: _ClassVar[RightsRequest.Right]
        RIGHT_OBJECTION: _ClassVar[RightsRequest.Right]
        RIGHT_CONTACT: _ClassVar[RightsRequest.Right]
    RIGHT_UNSPECIFIED: RightsRequest.Right
    RIGHT_ACCESS: RightsRequest.Right
    RIGHT_RECTIFICATION: RightsRequest.Right
    RIGHT_ERASURE: RightsRequest.Right
    RIGHT_OBJECTION: RightsRequest.Right
    RIGHT_CONTACT: RightsRequest.Right
    NAME_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DONE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    right: RightsRequest.Right
    create_time: _timestamp_pb2.Timestamp
    done_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., right: _Optional[_Union[RightsRequest.Right, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., done_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SecurityEvent(_message.Message):
    __slots__ = ("name", "action", "member", "resource", "network_address", "succeeded", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    action: str
    member: str
    resource: str
    network_address: str
    succeeded: bool
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., action: _Optional[str] = ..., member: _Optional[str] = ..., resource: _Optional[str] = ..., network_address: _Optional[str] = ..., succeeded: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
