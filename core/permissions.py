"""Who may call which RPC: two tables, one of what keys need, one of AccountService's people.

What is in neither is refused. Keys act by their scopes; people by the scopes of their role in the
account. Starting a generation takes a key: it is what budgets, limits and revocation go by.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from accounts.granting import Scope
from accounts.roles import GOVERN, SCOPES, Role
from core.caller import Caller
from core.errors import GatewayError, Reason

_BY_SERVICE: Final[Mapping[str, Mapping[Scope | None, str]]] = {
    "GenerationService": {
        Scope.GENERATE: "Generate CreateGeneration WatchGeneration CancelGeneration"
        " AbandonGeneration QuoteGeneration",
        Scope.READ_GENERATIONS: "GetGeneration ListGenerations ExplainGeneration",
        Scope.DELETE_GENERATIONS: "DeleteGeneration",
    },
    "ChatService": {Scope.GENERATE: "Complete"},
    "ModelService": {None: "ListModels GetModel"},
    "BillingService": {
        Scope.READ_BILLING: "GetBalance GetBillingStatus ListTransactions ListCreditPacks"
        " GetCheckoutSession ListPayments GetPayment ListPaymentMethods ListStatements GetStatement"
        " GetAutoTopUp ListBudgets GetBudget GetReceipt ListLedgerEntries ListLedgerSeals",
        Scope.MANAGE_BILLING: "CreateCheckoutSession DeletePaymentMethod UpdateAutoTopUp"
        " RedeemPromoCode CreateBudget UpdateBudget DeleteBudget",
    },
    "UsageService": {Scope.READ_BILLING: "ListUsage SummarizeUsage"},
    "ApiKeyService": {
        None: "GetApiKey",  # a key may look at itself; the store asks for more
        Scope.MANAGE_API_KEYS: "CreateApiKey ListApiKeys UpdateApiKey RotateApiKey RevokeApiKey",
    },
    "WebhookService": {
        Scope.MANAGE_WEBHOOKS: "CreateWebhookEndpoint ListWebhookEndpoints GetWebhookEndpoint"
        " UpdateWebhookEndpoint DeleteWebhookEndpoint RotateWebhookSecret RotateCallbackSecret"
        " TestWebhookEndpoint ListWebhookDeliveries RedeliverWebhook",
    },
}
NEEDED: Final[Mapping[str, Scope | None]] = {
    f"/reapi.v1.{service}/{method}": scope
    for service, scopes in _BY_SERVICE.items()
    for scope, methods in scopes.items()
    for method in methods.split()
}
"""By full method; None: every key may."""


class Whose(Enum):
    """Who may call an RPC of AccountService."""

    ANYBODY = "anybody"
    """Without a credential."""
    MEMBER = "member"
    """Who signed in. What it does concerns that person, or the account's rules ask for more."""
    GOVERN = "govern"
    """Owners and admins."""
    OWNER = "owner"


_BY_PERSON: Final[Mapping[Whose, str]] = {
    Whose.ANYBODY: "GetSignInOptions SignUp SignIn BeginOAuth FinishOAuth VerifyEmail"
    " RequestPasswordReset ResetPassword Unsubscribe ListPolicies GetPolicy ListSubprocessors"
    " SendContactMessage IngestMailEvent",
    Whose.MEMBER: "SignOut UnlinkIdentity ListSessions RevokeSession RevokeOtherSessions"
    " SwitchAccount SendVerificationEmail ChangePassword ChangeEmail GetProfile UpdateProfile"
    " GetAccount ListMemberships ListMembers RemoveMember AcceptInvitation ListConsents"
    " RecordConsent ListRightsRequests",
    Whose.GOVERN: "UpdateAccount UpdateMember CreateInvitation ListInvitations RevokeInvitation"
    " CreateExport GetExport ListExports ListSecurityEvents",
    Whose.OWNER: "DeleteAccount",
}
WHOSE: Final[Mapping[str, Whose]] = {
    f"/reapi.v1.AccountService/{method}": whose
    for whose, methods in _BY_PERSON.items()
    for method in methods.split()
}
"""By full method, all of AccountService."""
_BY_ROLE: Final[Mapping[Whose, frozenset[Role]]] = {
    Whose.MEMBER: frozenset(Role),
    Whose.GOVERN: GOVERN,
    Whose.OWNER: frozenset({Role.OWNER}),
}
OPEN: Final = frozenset(
    {
        *(method for method, whose in WHOSE.items() if whose is Whose.ANYBODY),
        "/reapi.v1.GenerationService/ReadAsset",
        "/reapi.v1.BillingService/ListLedgerKeys",
        "/reapi.v1.BillingService/IngestStripeEvent",
        "/reapi.v1.WebhookService/IngestProviderCallback",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
    }
)
"""What needs no credential."""
OPTIONAL: Final = frozenset(
    {"/reapi.v1.AccountService/BeginOAuth", "/reapi.v1.AccountService/FinishOAuth"}
)
"""What is open, but looks at a session if one comes: then it must be good."""
_OF_KEYS: Final = frozenset({"/reapi.v1.AccountService/GetAccount"})
"""What of AccountService a key may call, whatever its scopes."""
_KEY_ONLY: Final = frozenset(
    {
        "/reapi.v1.GenerationService/Generate",
        "/reapi.v1.GenerationService/CreateGeneration",
        "/reapi.v1.ChatService/Complete",
    }
)
"""What starts generations."""
WHILE_SUSPENDED: Final = frozenset(
    f"/reapi.v1.AccountService/{method}"
    for method in (
        *("GetProfile", "GetAccount", "ListMemberships", "SwitchAccount", "SignOut"),
        *("CreateExport", "GetExport", "ListExports", "DeleteAccount", "ListRightsRequests"),
    )
)
"""What people may do in an account that the operator stopped: see who they are and where else they
belong, leave, and use the rights that nobody may take from them."""


def permit(method: str, caller: Caller) -> None:
    """Raise PERMISSION_DENIED or ACCOUNT_SUSPENDED where *caller* may not call *method*."""
    if caller.role is not None:
        _permit_person(method, caller, caller.role)
        return
    if method in _OF_KEYS:
        return
    if method in WHOSE:
        raise GatewayError(
            Reason.PERMISSION_DENIED,
            "No API key may do this: sign in and use the session.",
            metadata={"permission": "session"},
        )
    if caller.sandbox and NEEDED.get(method) is Scope.MANAGE_WEBHOOKS:
        raise GatewayError(
            Reason.PERMISSION_DENIED,
            "A test key manages no webhook endpoints: they hear of live generations too.",
            metadata={"permission": Scope.MANAGE_WEBHOOKS},
        )
    if caller.scopes:
        needed = NEEDED.get(method, "account")
        if needed is not None and needed not in caller.scopes:
            raise denied(needed)


def suspended() -> GatewayError:
    """The error for whoever acts in an account that the operator stopped."""
    return GatewayError(Reason.ACCOUNT_SUSPENDED, "The account is suspended; contact the operator.")


def denied(permission: str) -> GatewayError:
    """The error for a key that lacks a scope, or is too limited to use it."""
    return GatewayError(
        Reason.PERMISSION_DENIED,
        "This API key may not do that: it lacks the scope, or is itself limited to models or by a "
        "budget. Use a key that is not.",
        metadata={"permission": permission},
    )


def denied_to_role(permission: str) -> GatewayError:
    """The error for a person whose role in the account is too small."""
    return GatewayError(
        Reason.PERMISSION_DENIED,
        "Your role in this account does not allow that; ask an owner or an admin.",
        metadata={"permission": permission},
    )


def _permit_person(method: str, caller: Caller, role: Role) -> None:
    if caller.suspended and method not in WHILE_SUSPENDED:
        raise suspended()
    if method in OPTIONAL:
        return
    whose = WHOSE.get(method)
    if whose is not None:
        if role not in _BY_ROLE[whose]:
            raise denied_to_role(whose.value)
        return
    if method in _KEY_ONLY:
        raise GatewayError(
            Reason.PERMISSION_DENIED,
            "Starting a generation takes an API key, not a session. Create a key.",
            metadata={"permission": "api_key"},
        )
    needed = NEEDED.get(method, "account")
    if needed is not None and needed not in SCOPES[role]:
        raise denied_to_role(needed)
