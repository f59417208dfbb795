"""API keys: protobuf messages as our words and back; errors name the field."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from accounts.granting import CONCURRENCY, RATE, Scope, Settings
from accounts.key_entries import KeyEntry, KeyStoreError, Problem, State
from accounts.key_networks import MAXIMUM as MAXIMUM_NETWORKS
from accounts.key_networks import Network, read_network, short
from accounts.key_store import MAXIMUM
from accounts.registry import NAME_LENGTH
from core.errors import GatewayError, Reason
from core.permissions import denied
from core.services.convert import timestamp
from core.services.etags import etag
from core.services.names import member_name
from reapi.v1 import api_key_service_pb2 as pb

MAXIMUM_MODELS: Final = 200
"""Of an allow-list: more than the catalogue has; a key with more is one without a list."""
MAXIMUM_LIMIT: Final = 1_000_000
"""As the database says of both limits."""
_HINT: Final = 4
"""Characters of the public id in a hint."""
_NAME = re.compile(r"api_keys/([0-9A-Za-z]{12})\Z")
_LIMITS: Final[Mapping[str, int]] = {
    "requests_per_minute": RATE,
    "concurrent_generations": CONCURRENCY,
}
"""With what an absent one means."""
_MUTABLE: Final = (
    "display_name",
    "scopes",
    "limits",
    "allowed_models",
    "allowed_networks",
    "expire_time",
)
GRACE: Final = timedelta(hours=24)
LONGEST_GRACE: Final = timedelta(days=30)
"""Both by the contract."""

SCOPES: Mapping[Scope, pb.ApiKey.Scope] = {
    Scope.GENERATE: pb.ApiKey.SCOPE_GENERATE,
    Scope.READ_GENERATIONS: pb.ApiKey.SCOPE_READ_GENERATIONS,
    Scope.DELETE_GENERATIONS: pb.ApiKey.SCOPE_DELETE_GENERATIONS,
    Scope.READ_BILLING: pb.ApiKey.SCOPE_READ_BILLING,
    Scope.MANAGE_BILLING: pb.ApiKey.SCOPE_MANAGE_BILLING,
    Scope.MANAGE_API_KEYS: pb.ApiKey.SCOPE_MANAGE_API_KEYS,
    Scope.MANAGE_WEBHOOKS: pb.ApiKey.SCOPE_MANAGE_WEBHOOKS,
}
_SCOPE_OF = {int(number): scope for scope, number in SCOPES.items()}
DEFAULT_SCOPES: Final = frozenset(
    {Scope.GENERATE, Scope.READ_GENERATIONS, Scope.DELETE_GENERATIONS, Scope.READ_BILLING}
)
"""What no scopes mean, by the contract."""
_STATES: Mapping[State, pb.ApiKey.State] = {
    State.ACTIVE: pb.ApiKey.STATE_ACTIVE,
    State.EXPIRED: pb.ApiKey.STATE_EXPIRED,
    State.REVOKED: pb.ApiKey.STATE_REVOKED,
}


def key_message(entry: KeyEntry) -> pb.ApiKey:
    """The resource."""
    mode = "test" if entry.sandbox else "live"
    message = pb.ApiKey(
        name=entry.name_of,
        display_name=entry.name,
        mode=pb.ApiKey.MODE_TEST if entry.sandbox else pb.ApiKey.MODE_LIVE,
        scopes=sorted(SCOPES[scope] for scope in entry.scopes),
        limits=pb.KeyLimits(
            requests_per_minute=entry.requests_per_minute,
            concurrent_generations=entry.concurrency,
        ),
        allowed_models=entry.allowed_models,
        allowed_networks=[short(network) for network in entry.allowed_networks],
        key_hint=f"rk_{mode}_{entry.public_id[:_HINT]}",
        state=_STATES[entry.state],
        create_time=timestamp(entry.created_at),
        etag=etag(entry.version),
    )
    if entry.member_id is not None:
        message.member = member_name(entry.member_id)
    if entry.expires_at is not None:
        message.expire_time.CopyFrom(timestamp(entry.expires_at))
    if entry.last_use_at is not None:
        message.last_use_time.CopyFrom(timestamp(entry.last_use_at))
    if entry.revoked_at is not None:
        message.revoke_time.CopyFrom(timestamp(entry.revoked_at))
    return message


def public_id(name: str) -> str:
    """The public id in a name; raises NOT_FOUND."""
    found = _NAME.match(name)
    if found is None:
        raise _unknown()
    return found[1]


def is_test(message: pb.ApiKey) -> bool:
    """Whether a new key is to be one for tests; raises GatewayError."""
    if message.mode not in (
        pb.ApiKey.MODE_UNSPECIFIED,
        pb.ApiKey.MODE_LIVE,
        pb.ApiKey.MODE_TEST,
    ):
        raise _invalid("mode", "must be MODE_LIVE or MODE_TEST")
    return message.mode == pb.ApiKey.MODE_TEST


def grace(request: pb.RotateApiKeyRequest) -> timedelta:
    """How long the old key goes on working; raises INVALID_PARAMETER."""
    if not request.HasField("grace"):
        return GRACE
    asked = request.grace
    if asked.seconds < 0 or asked.nanos < 0 or asked.seconds > LONGEST_GRACE.total_seconds():
        raise _bad_grace()
    found = timedelta(seconds=asked.seconds, microseconds=asked.nanos // 1_000)
    if found > LONGEST_GRACE:
        raise _bad_grace()
    return found


def new_settings(message: pb.ApiKey, model_id: Callable[[str], str]) -> Settings:
    """What a new key is to be; raises GatewayError naming the field."""
    return _settings(message, _MUTABLE, model_id)


def changed_settings(
    message: pb.ApiKey, mask: FieldMask | None, model_id: Callable[[str], str]
) -> Settings:
    """What is to change: the fields of *mask*, or those that are set. Raises GatewayError."""
    set_ = {field.name for field, _ in message.ListFields()}
    names: Sequence[str] = [name for name in _MUTABLE if name in set_]
    if mask is not None:
        names = mask.paths
    known = (*_MUTABLE, *(f"limits.{name}" for name in _LIMITS))
    if any(name not in known for name in names):
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            f"`update_mask` may name {', '.join(known)}.",
            parameter="update_mask",
        )
    return _settings(message, names, model_id, resets=mask is not None)


def refused(error: KeyStoreError) -> GatewayError:
    """What a store's refusal means to the caller."""
    match error.problem:
        case Problem.UNKNOWN:
            return _unknown()
        case Problem.NOT_PERMITTED:
            return denied(error.setting)
        case Problem.TOO_MUCH:
            return GatewayError(
                Reason.PERMISSION_DENIED,
                "A key cannot give another one more than it has itself.",
                parameter=f"api_key.{error.setting}",
                metadata={"permission": error.setting},
            )
        case Problem.TOO_MANY:
            return GatewayError(
                Reason.INVALID_PARAMETER,
                f"An account has at most {MAXIMUM} keys that are not revoked; revoke one.",
                parameter="api_key",
            )
        case Problem.HELD:
            return GatewayError(
                Reason.PERMISSION_DENIED,
                "A budget limits a key of yours, and another key would not be in it. Rotate the "
                "key, or ask who manages the account's budgets.",
                metadata={"permission": Scope.MANAGE_API_KEYS},
            )
        case Problem.PAST:
            return _invalid(error.setting, "must be in the future")
        case Problem.CHANGED:
            return _conflict("The key was changed meanwhile: read it again and use its etag.")
        case Problem.INACTIVE:
            return _conflict("The key is revoked: that is for good. Create another one.")
        case Problem.EXPIRED:
            return _conflict("The key has expired: give it a later expire_time, or create another.")
        case Problem.REPLACED:
            return _conflict("The key was rotated: change or rotate the one that replaced it.")


def _settings(
    message: pb.ApiKey,
    names: Sequence[str],
    model_id: Callable[[str], str],
    *,
    resets: bool = False,
) -> Settings:
    """Read the fields that *names* names; *resets*: an absent limit takes the default."""
    limits = _limits(message.limits, names, resets=resets)
    expires_at = _moment(message) if "expire_time" in names else None
    return Settings(
        name=_display_name(message.display_name) if "display_name" in names else None,
        scopes=_scopes(message.scopes) if "scopes" in names else None,
        requests_per_minute=limits.get("requests_per_minute"),
        concurrency=limits.get("concurrent_generations"),
        allowed_models=_models(message.allowed_models, model_id)
        if "allowed_models" in names
        else None,
        allowed_networks=_networks(message.allowed_networks)
        if "allowed_networks" in names
        else None,
        expires_at=expires_at,
        never_expires="expire_time" in names and expires_at is None,
    )


def _display_name(text: str) -> str:
    if len(text) > NAME_LENGTH or "\0" in text:
        raise _invalid("display_name", f"has at most {NAME_LENGTH} characters")
    return text


def _scopes(numbers: Sequence[int]) -> frozenset[Scope]:
    """The scopes; none means those of the contract."""
    found = [_SCOPE_OF.get(number) for number in numbers]
    known = frozenset(scope for scope in found if scope is not None)
    if None in found:
        raise _invalid("scopes", "names a scope that there is not")
    return known or DEFAULT_SCOPES


def _limits(limits: pb.KeyLimits, names: Sequence[str], *, resets: bool) -> dict[str, int]:
    """The limits that *names* names."""
    given: dict[str, int] = {field.name: value for field, value in limits.ListFields()}
    found = {}
    for name, default in _LIMITS.items():
        if "limits" not in names and f"limits.{name}" not in names:
            continue
        if name in given and not 1 <= given[name] <= MAXIMUM_LIMIT:
            raise _invalid(f"limits.{name}", f"must be from 1 to {MAXIMUM_LIMIT}")
        if name in given or resets:
            found[name] = given.get(name, default)
    return found


def _models(names: Sequence[str], model_id: Callable[[str], str]) -> Sequence[str]:
    """The ids of models by id or alias, each once."""
    if len(names) > MAXIMUM_MODELS:
        raise _invalid("allowed_models", f"names at most {MAXIMUM_MODELS}")
    try:
        return sorted({model_id(name) for name in names})
    except GatewayError:
        raise _invalid("allowed_models", "names a model that there is not") from None


def _networks(texts: Sequence[str]) -> Sequence[Network]:
    """Addresses and networks, each once; none means all."""
    if len(texts) > MAXIMUM_NETWORKS:
        raise _invalid("allowed_networks", f"names at most {MAXIMUM_NETWORKS}")
    found = [read_network(text) for text in texts]
    known = [network for network in found if network is not None]
    if len(known) < len(found):
        raise _invalid(
            "allowed_networks",
            "holds addresses and networks, `203.0.113.7` or `2001:db8::/32`, whose bits after the "
            "prefix are 0",
        )
    return list(dict.fromkeys(known))


def _moment(message: pb.ApiKey) -> datetime | None:
    if not message.HasField("expire_time"):
        return None
    try:
        return message.expire_time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _invalid("expire_time", "is no moment of this calendar") from None


def _unknown() -> GatewayError:
    """The one answer for a key that is unknown or another account's."""
    return GatewayError(Reason.NOT_FOUND, "No such API key.", metadata={"resource": "api_key"})


def _conflict(what: str) -> GatewayError:
    return GatewayError(Reason.CONFLICT, what, parameter="api_key")


def _bad_grace() -> GatewayError:
    return GatewayError(
        Reason.INVALID_PARAMETER, "`grace` must be from 0 to 30 days.", parameter="grace"
    )


def _invalid(name: str, what: str) -> GatewayError:
    return GatewayError(
        Reason.INVALID_PARAMETER, f"`api_key.{name}` {what}.", parameter=f"api_key.{name}"
    )
