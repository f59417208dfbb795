"""Which fields of the contract's requests name something, found by walking its descriptors."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from tests.journeying import BINDINGS, METHODS


class Beyond(Enum):
    """Why a naming field is no matter of accounts."""

    PUBLIC = "the same for everybody: models, policies, packs"
    OPERATOR = "of AdminService, which only the operator's token opens"
    BEARER = "whoever has it may use it: it is a secret, and names nothing else"
    BROWSER = "bound to the browser that began: tests/system/test_sign_in_elsewhere.py"
    ADDRESS = "bound to an address: tests/accounts/test_invitations.py"
    OWN = "names the caller's own under a word that many accounts have"
    FIXED = "cannot be changed: IMMUTABLE in the contract"
    GIVEN = "the name of what is made is ours to give: it is not looked at"


ACCOUNTS: Mapping[str, str] = {
    "SwitchAccount.account": "accounts",
    "AbandonGeneration.name": "generations",
    "CreateBudget.budget.api_key": "api_keys",
    "ListBudgets.api_key": "api_keys",
    "ListUsage.api_keys": "api_keys",
    "SummarizeUsage.api_keys": "api_keys",
    "ListWebhookDeliveries.webhook_endpoint": "webhook_endpoints",
    "ListWebhookDeliveries.generation": "generations",
    "UpdateAutoTopUp.auto_top_up.payment_method": "payment_methods",
    "CreateGeneration.spec.quote_token": "quotes",
    "Generate.start.spec.quote_token": "quotes",
}
"""What names something of an account where no path of a route says so, and of which kind."""
ELSEWHERE: Mapping[str, Beyond] = {
    "GetPolicy.name": Beyond.PUBLIC,
    "GetModel.name": Beyond.PUBLIC,
    "CreateCheckoutSession.credit_pack": Beyond.PUBLIC,
    "VerifyEmail.token": Beyond.BEARER,
    "ResetPassword.token": Beyond.BEARER,
    "Unsubscribe.token": Beyond.BEARER,
    "FinishOAuth.browser_token": Beyond.BEARER,
    "IngestProviderCallback.token": Beyond.BEARER,
    "ReadAsset.path": Beyond.BEARER,
    "RedeemPromoCode.code": Beyond.BEARER,
    "FinishOAuth.code": Beyond.BEARER,
    "FinishOAuth.state": Beyond.BROWSER,
    "AcceptInvitation.token": Beyond.ADDRESS,
    "BeginOAuth.invitation_token": Beyond.ADDRESS,
    "SignUp.invitation_token": Beyond.ADDRESS,
    "CreateInvitation.invitation.name": Beyond.GIVEN,
    "CreateApiKey.api_key.name": Beyond.GIVEN,
    "CreateBudget.budget.name": Beyond.GIVEN,
    "CreateWebhookEndpoint.webhook_endpoint.name": Beyond.GIVEN,
    "UpdateBudget.budget.api_key": Beyond.FIXED,
    "IngestMailEvent.event_id": Beyond.BEARER,
    "IngestProviderCallback.channel": Beyond.PUBLIC,
    "QuoteGeneration.spec.quote_token": Beyond.OWN,
}
WORDS = frozenset(
    [
        "email",
        "new_email",
        "display_name",
        "locale",
        "password",
        "new_password",
        "current_password",
        "confirmation",
        "text",
        "subject",
        "accepted_policies",
        "bot_check_token",
        "provider",
        "redirect_uri",
        "error",
        "version",
        "policy_version",
        "payload",
        "signed_at",
        "signature",
        "etag",
        "allowed_models",
        "allowed_networks",
        "models",
        "success_uri",
        "cancel_uri",
        "uri",
        "endpoint",
        "request_id",
        "page_token",
        "callback_url",
        "model",
        "prompt",
        "negative_prompt",
        "inline",
        "parameter",
        "size",
        "aspect_ratio",
        "resolution",
        "quality",
        "background",
        "output_format",
        "moderation",
        "voice",
        "end_user_id",
        "key",
        "only_channels",
        "excluded_channels",
        "regions",
        "data",
        "headers",
        "query",
        "body",
        "value",
    ]
)
"""Fields that hold text or settings and name nothing that an account has. `request_id` is looked up
within the account only; so is what `page_token` continues."""
UNBUILT = frozenset({"Complete"})
"""Served by nobody yet."""
_KIND = re.compile(r"\{([a-z_.]+)=([a-z_]+)/")


@dataclass(frozen=True)
class Naming:
    """A field of a request that names something of an account."""

    method: MethodDescriptor
    path: str
    kind: str

    @property
    def field(self) -> str:
        return f"{self.method.name}.{self.path}"

    def fields(self, name: str, others: Mapping[str, object]) -> dict[str, object]:
        """A request with *name* there, and *others*."""
        *outer, last = self.path.split(".")
        found: dict[str, object] = {}
        place = found
        for step in outer:
            inner: dict[str, object] = {}
            place[step] = inner
            place = inner
        is_many = self.path == "api_keys"
        place.update(others)
        place[last] = [name] if is_many else name
        return found


def namings() -> tuple[list[Naming], list[str]]:
    """All of them, and the fields that nobody has said anything about."""
    found, unknown = [], []
    for method in METHODS.values():
        if method.name in UNBUILT or method.containing_service.name == "AdminService":
            continue
        binding = BINDINGS.get(method.name)
        kinds = dict(_KIND.findall(binding.template)) if binding else {}
        for path in texts(method.input_type):
            field = f"{method.name}.{path}"
            if field in ELSEWHERE:
                continue
            kind = ACCOUNTS.get(field) or kinds.get(path)
            if kind:
                found.append(Naming(method, path, kind))
            elif path.rpartition(".")[2] not in WORDS:
                unknown.append(field)
    return found, unknown


def texts(message: Descriptor, path: str = "", seen: tuple[str, ...] = ()) -> Iterator[str]:
    """Paths of the text and bytes in a message, but for what only answers hold."""
    for field in message.fields:
        behaviour = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        if field_behavior_pb2.OUTPUT_ONLY in behaviour:
            continue
        here = f"{path}.{field.name}" if path else field.name
        inner = field.message_type
        if inner is None:
            if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
                yield here
        elif not inner.full_name.startswith("google.") and inner.full_name not in seen:
            yield from texts(inner, here, (*seen, inner.full_name))
