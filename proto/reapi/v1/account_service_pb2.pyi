import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
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

class GetSignInOptionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSignInOptionsResponse(_message.Message):
    __slots__ = ("oauth_providers", "password_enabled", "sign_up_enabled", "bot_check_site_key", "bot_check_script_uri")
    OAUTH_PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_ENABLED_FIELD_NUMBER: _ClassVar[int]
    SIGN_UP_ENABLED_FIELD_NUMBER: _ClassVar[int]
    BOT_CHECK_SITE_KEY_FIELD_NUMBER: _ClassVar[int]
    BOT_CHECK_SCRIPT_URI_FIELD_NUMBER: _ClassVar[int]
    oauth_providers: _containers.RepeatedScalarFieldContainer[str]
    password_enabled: bool
    sign_up_enabled: bool
    bot_check_site_key: str
    bot_check_script_uri: str
    def __init__(self, oauth_providers: _Optional[_Iterable[str]] = ..., password_enabled: _Optional[bool] = ..., sign_up_enabled: _Optional[bool] = ..., bot_check_site_key: _Optional[str] = ..., bot_check_script_uri: _Optional[str] = ...) -> None: ...

class SignUpRequest(_message.Message):
    __slots__ = ("email", "password", "display_name", "age_confirmed", "accepted_policies", "newsletter", "locale", "invitation_token", "bot_check_token")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    AGE_CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_POLICIES_FIELD_NUMBER: _ClassVar[int]
    NEWSLETTER_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    INVITATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    BOT_CHECK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    email: str
    password: str
    display_name: str
    age_confirmed: bool
    accepted_policies: _containers.RepeatedScalarFieldContainer[str]
    newsletter: bool
    locale: str
    invitation_token: str
    bot_check_token: str
    def __init__(self, email: _Optional[str] = ..., password: _Optional[str] = ..., display_name: _Optional[str] = ..., age_confirmed: _Optional[bool] = ..., accepted_policies: _Optional[_Iterable[str]] = ..., newsletter: _Optional[bool] = ..., locale: _Optional[str] = ..., invitation_token: _Optional[str] = ..., bot_check_token: _Optional[str] = ...) -> None: ...

class SignUpResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SignInRequest(_message.Message):
    __slots__ = ("email", "password", "bot_check_token")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    BOT_CHECK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    email: str
    password: str
    bot_check_token: str
    def __init__(self, email: _Optional[str] = ..., password: _Optional[str] = ..., bot_check_token: _Optional[str] = ...) -> None: ...

class SignInResponse(_message.Message):
    __slots__ = ("grant",)
    GRANT_FIELD_NUMBER: _ClassVar[int]
    grant: _account_pb2.SessionGrant
    def __init__(self, grant: _Optional[_Union[_account_pb2.SessionGrant, _Mapping]] = ...) -> None: ...

class SignOutRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class SignOutResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BeginOAuthRequest(_message.Message):
    __slots__ = ("provider", "purpose", "redirect_uri", "age_confirmed", "accepted_policies", "invitation_token", "bot_check_token", "current_password")
    class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PURPOSE_UNSPECIFIED: _ClassVar[BeginOAuthRequest.Purpose]
        PURPOSE_SIGN_IN: _ClassVar[BeginOAuthRequest.Purpose]
        PURPOSE_LINK: _ClassVar[BeginOAuthRequest.Purpose]
    PURPOSE_UNSPECIFIED: BeginOAuthRequest.Purpose
    PURPOSE_SIGN_IN: BeginOAuthRequest.Purpose
    PURPOSE_LINK: BeginOAuthRequest.Purpose
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    AGE_CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_POLICIES_FIELD_NUMBER: _ClassVar[int]
    INVITATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    BOT_CHECK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CURRENT_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    provider: str
    purpose: BeginOAuthRequest.Purpose
    redirect_uri: str
    age_confirmed: bool
    accepted_policies: _containers.RepeatedScalarFieldContainer[str]
    invitation_token: str
    bot_check_token: str
    current_password: str
    def __init__(self, provider: _Optional[str] = ..., purpose: _Optional[_Union[BeginOAuthRequest.Purpose, str]] = ..., redirect_uri: _Optional[str] = ..., age_confirmed: _Optional[bool] = ..., accepted_policies: _Optional[_Iterable[str]] = ..., invitation_token: _Optional[str] = ..., bot_check_token: _Optional[str] = ..., current_password: _Optional[str] = ...) -> None: ...

class BeginOAuthResponse(_message.Message):
    __slots__ = ("authorization_uri", "browser_token", "expire_time")
    AUTHORIZATION_URI_FIELD_NUMBER: _ClassVar[int]
    BROWSER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    authorization_uri: str
    browser_token: str
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, authorization_uri: _Optional[str] = ..., browser_token: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FinishOAuthRequest(_message.Message):
    __slots__ = ("provider", "state", "code", "error", "browser_token")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    BROWSER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    provider: str
    state: str
    code: str
    error: str
    browser_token: str
    def __init__(self, provider: _Optional[str] = ..., state: _Optional[str] = ..., code: _Optional[str] = ..., error: _Optional[str] = ..., browser_token: _Optional[str] = ...) -> None: ...

class FinishOAuthResponse(_message.Message):
    __slots__ = ("grant", "created")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    grant: _account_pb2.SessionGrant
    created: bool
    def __init__(self, grant: _Optional[_Union[_account_pb2.SessionGrant, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class UnlinkIdentityRequest(_message.Message):
    __slots__ = ("provider", "request_id", "current_password")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENT_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    provider: str
    request_id: str
    current_password: str
    def __init__(self, provider: _Optional[str] = ..., request_id: _Optional[str] = ..., current_password: _Optional[str] = ...) -> None: ...

class UnlinkIdentityResponse(_message.Message):
    __slots__ = ("profile",)
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    profile: _account_pb2.Profile
    def __init__(self, profile: _Optional[_Union[_account_pb2.Profile, _Mapping]] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions", "next_page_token")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[_account_pb2.Session]
    next_page_token: str
    def __init__(self, sessions: _Optional[_Iterable[_Union[_account_pb2.Session, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RevokeSessionRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RevokeSessionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RevokeOtherSessionsRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class RevokeOtherSessionsResponse(_message.Message):
    __slots__ = ("revoked_count",)
    REVOKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    revoked_count: int
    def __init__(self, revoked_count: _Optional[int] = ...) -> None: ...

class SwitchAccountRequest(_message.Message):
    __slots__ = ("account", "request_id")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    account: str
    request_id: str
    def __init__(self, account: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SwitchAccountResponse(_message.Message):
    __slots__ = ("grant",)
    GRANT_FIELD_NUMBER: _ClassVar[int]
    grant: _account_pb2.SessionGrant
    def __init__(self, grant: _Optional[_Union[_account_pb2.SessionGrant, _Mapping]] = ...) -> None: ...

class SendVerificationEmailRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class SendVerificationEmailResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VerifyEmailRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class VerifyEmailResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RequestPasswordResetRequest(_message.Message):
    __slots__ = ("email", "bot_check_token")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    BOT_CHECK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    email: str
    bot_check_token: str
    def __init__(self, email: _Optional[str] = ..., bot_check_token: _Optional[str] = ...) -> None: ...

class RequestPasswordResetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResetPasswordRequest(_message.Message):
    __slots__ = ("token", "new_password")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    NEW_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    token: str
    new_password: str
    def __init__(self, token: _Optional[str] = ..., new_password: _Optional[str] = ...) -> None: ...

class ResetPasswordResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ChangePasswordRequest(_message.Message):
    __slots__ = ("current_password", "new_password", "request_id")
    CURRENT_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    NEW_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    current_password: str
    new_password: str
    request_id: str
    def __init__(self, current_password: _Optional[str] = ..., new_password: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ChangePasswordResponse(_message.Message):
    __slots__ = ("grant",)
    GRANT_FIELD_NUMBER: _ClassVar[int]
    grant: _account_pb2.SessionGrant
    def __init__(self, grant: _Optional[_Union[_account_pb2.SessionGrant, _Mapping]] = ...) -> None: ...

class ChangeEmailRequest(_message.Message):
    __slots__ = ("new_email", "current_password", "request_id")
    NEW_EMAIL_FIELD_NUMBER: _ClassVar[int]
    CURRENT_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    new_email: str
    current_password: str
    request_id: str
    def __init__(self, new_email: _Optional[str] = ..., current_password: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ChangeEmailResponse(_message.Message):
    __slots__ = ("profile",)
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    profile: _account_pb2.Profile
    def __init__(self, profile: _Optional[_Union[_account_pb2.Profile, _Mapping]] = ...) -> None: ...

class GetProfileRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetProfileResponse(_message.Message):
    __slots__ = ("profile",)
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    profile: _account_pb2.Profile
    def __init__(self, profile: _Optional[_Union[_account_pb2.Profile, _Mapping]] = ...) -> None: ...

class UpdateProfileRequest(_message.Message):
    __slots__ = ("profile", "update_mask", "request_id")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    profile: _account_pb2.Profile
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    def __init__(self, profile: _Optional[_Union[_account_pb2.Profile, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateProfileResponse(_message.Message):
    __slots__ = ("profile",)
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    profile: _account_pb2.Profile
    def __init__(self, profile: _Optional[_Union[_account_pb2.Profile, _Mapping]] = ...) -> None: ...

class GetAccountRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: _account_pb2.Account
    def __init__(self, account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ...) -> None: ...

class UpdateAccountRequest(_message.Message):
    __slots__ = ("account", "update_mask", "request_id")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    account: _account_pb2.Account
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    def __init__(self, account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: _account_pb2.Account
    def __init__(self, account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ...) -> None: ...

class DeleteAccountRequest(_message.Message):
    __slots__ = ("confirmation", "current_password", "request_id")
    CONFIRMATION_FIELD_NUMBER: _ClassVar[int]
    CURRENT_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    confirmation: str
    current_password: str
    request_id: str
    def __init__(self, confirmation: _Optional[str] = ..., current_password: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteAccountResponse(_message.Message):
    __slots__ = ("rights_request",)
    RIGHTS_REQUEST_FIELD_NUMBER: _ClassVar[int]
    rights_request: str
    def __init__(self, rights_request: _Optional[str] = ...) -> None: ...

class ListMembershipsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMembershipsResponse(_message.Message):
    __slots__ = ("memberships", "next_page_token")
    MEMBERSHIPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    memberships: _containers.RepeatedCompositeFieldContainer[_account_pb2.Member]
    next_page_token: str
    def __init__(self, memberships: _Optional[_Iterable[_Union[_account_pb2.Member, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("members", "next_page_token")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[_account_pb2.Member]
    next_page_token: str
    def __init__(self, members: _Optional[_Iterable[_Union[_account_pb2.Member, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateMemberRequest(_message.Message):
    __slots__ = ("member", "update_mask", "request_id")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    member: _account_pb2.Member
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    def __init__(self, member: _Optional[_Union[_account_pb2.Member, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateMemberResponse(_message.Message):
    __slots__ = ("member",)
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member: _account_pb2.Member
    def __init__(self, member: _Optional[_Union[_account_pb2.Member, _Mapping]] = ...) -> None: ...

class RemoveMemberRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RemoveMemberResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateInvitationRequest(_message.Message):
    __slots__ = ("invitation", "request_id")
    INVITATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    invitation: _account_pb2.Invitation
    request_id: str
    def __init__(self, invitation: _Optional[_Union[_account_pb2.Invitation, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateInvitationResponse(_message.Message):
    __slots__ = ("invitation",)
    INVITATION_FIELD_NUMBER: _ClassVar[int]
    invitation: _account_pb2.Invitation
    def __init__(self, invitation: _Optional[_Union[_account_pb2.Invitation, _Mapping]] = ...) -> None: ...

class ListInvitationsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListInvitationsResponse(_message.Message):
    __slots__ = ("invitations", "next_page_token")
    INVITATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    invitations: _containers.RepeatedCompositeFieldContainer[_account_pb2.Invitation]
    next_page_token: str
    def __init__(self, invitations: _Optional[_Iterable[_Union[_account_pb2.Invitation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RevokeInvitationRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RevokeInvitationResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AcceptInvitationRequest(_message.Message):
    __slots__ = ("token", "request_id")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    token: str
    request_id: str
    def __init__(self, token: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class AcceptInvitationResponse(_message.Message):
    __slots__ = ("member",)
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member: _account_pb2.Member
    def __init__(self, member: _Optional[_Union[_account_pb2.Member, _Mapping]] = ...) -> None: ...

class ListConsentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListConsentsResponse(_message.Message):
    __slots__ = ("consents", "next_page_token")
    CONSENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    consents: _containers.RepeatedCompositeFieldContainer[_account_pb2.Consent]
    next_page_token: str
    def __init__(self, consents: _Optional[_Iterable[_Union[_account_pb2.Consent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RecordConsentRequest(_message.Message):
    __slots__ = ("consent", "request_id")
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    consent: _account_pb2.Consent
    request_id: str
    def __init__(self, consent: _Optional[_Union[_account_pb2.Consent, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class RecordConsentResponse(_message.Message):
    __slots__ = ("consent",)
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    consent: _account_pb2.Consent
    def __init__(self, consent: _Optional[_Union[_account_pb2.Consent, _Mapping]] = ...) -> None: ...

class UnsubscribeRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class UnsubscribeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPoliciesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPoliciesResponse(_message.Message):
    __slots__ = ("policies", "next_page_token")
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedCompositeFieldContainer[_account_pb2.Policy]
    next_page_token: str
    def __init__(self, policies: _Optional[_Iterable[_Union[_account_pb2.Policy, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetPolicyRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class GetPolicyResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: _account_pb2.Policy
    def __init__(self, policy: _Optional[_Union[_account_pb2.Policy, _Mapping]] = ...) -> None: ...

class ListSubprocessorsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSubprocessorsResponse(_message.Message):
    __slots__ = ("subprocessors", "next_page_token")
    SUBPROCESSORS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subprocessors: _containers.RepeatedCompositeFieldContainer[_account_pb2.Subprocessor]
    next_page_token: str
    def __init__(self, subprocessors: _Optional[_Iterable[_Union[_account_pb2.Subprocessor, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateExportRequest(_message.Message):
    __slots__ = ("without_assets", "request_id")
    WITHOUT_ASSETS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    without_assets: bool
    request_id: str
    def __init__(self, without_assets: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateExportResponse(_message.Message):
    __slots__ = ("export",)
    EXPORT_FIELD_NUMBER: _ClassVar[int]
    export: _account_pb2.Export
    def __init__(self, export: _Optional[_Union[_account_pb2.Export, _Mapping]] = ...) -> None: ...

class GetExportRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetExportResponse(_message.Message):
    __slots__ = ("export",)
    EXPORT_FIELD_NUMBER: _ClassVar[int]
    export: _account_pb2.Export
    def __init__(self, export: _Optional[_Union[_account_pb2.Export, _Mapping]] = ...) -> None: ...

class ListExportsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListExportsResponse(_message.Message):
    __slots__ = ("exports", "next_page_token")
    EXPORTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    exports: _containers.RepeatedCompositeFieldContainer[_account_pb2.Export]
    next_page_token: str
    def __init__(self, exports: _Optional[_Iterable[_Union[_account_pb2.Export, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListRightsRequestsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRightsRequestsResponse(_message.Message):
    __slots__ = ("rights_requests", "next_page_token")
    RIGHTS_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rights_requests: _containers.RepeatedCompositeFieldContainer[_account_pb2.RightsRequest]
    next_page_token: str
    def __init__(self, rights_requests: _Optional[_Iterable[_Union[_account_pb2.RightsRequest, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSecurityEventsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSecurityEventsResponse(_message.Message):
    __slots__ = ("security_events", "next_page_token")
    SECURITY_EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    security_events: _containers.RepeatedCompositeFieldContainer[_account_pb2.SecurityEvent]
    next_page_token: str
    def __init__(self, security_events: _Optional[_Iterable[_Union[_account_pb2.SecurityEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SendContactMessageRequest(_message.Message):
    __slots__ = ("email", "display_name", "subject", "text", "bot_check_token")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BOT_CHECK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    email: str
    display_name: str
    subject: str
    text: str
    bot_check_token: str
    def __init__(self, email: _Optional[str] = ..., display_name: _Optional[str] = ..., subject: _Optional[str] = ..., text: _Optional[str] = ..., bot_check_token: _Optional[str] = ...) -> None: ...

class SendContactMessageResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class IngestMailEventRequest(_message.Message):
    __slots__ = ("payload", "event_id", "signed_at", "signature")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNED_AT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    event_id: str
    signed_at: str
    signature: str
    def __init__(self, payload: _Optional[bytes] = ..., event_id: _Optional[str] = ..., signed_at: _Optional[str] = ..., signature: _Optional[str] = ...) -> None: ...

class IngestMailEventResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
