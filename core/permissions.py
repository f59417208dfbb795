"""Which scope of a key each RPC needs: one table.

What is not in it, a key that has scopes may not call: that is for people who signed in, or for
the operator.
"""

from collections.abc import Mapping
from typing import Final

from accounts.granting import Scope
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


def permit(method: str, caller: Caller) -> None:
    """Raise PERMISSION_DENIED where *caller* lacks the scope that *method* needs."""
    if not caller.scopes:
        return
    needed = NEEDED.get(method, "account")
    if needed is not None and needed not in caller.scopes:
        raise denied(needed)


def denied(permission: str) -> GatewayError:
    """The error for a key that lacks a scope, or is too limited to use it."""
    return GatewayError(
        Reason.PERMISSION_DENIED,
        "This API key may not do that: it lacks the scope, or is itself limited to models or by a "
        "budget. Use a key that is not.",
        metadata={"permission": permission},
    )
