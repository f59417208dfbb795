"""What operators ask, as our words, and what they see; errors name the field."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from accounts.addresses import address_digests, is_address
from accounts.security_log import NOBODYS, OPERATOR, REASON_LENGTH, Action, Entry
from accounts.vault import Vault
from core.caller import current_network
from core.engine.account_reads import Overview, Sought, State
from core.engine.ids import new_id
from core.errors import GatewayError, Reason
from core.policy.abuse import Sign, Signal
from core.services.convert import timestamp
from core.services.etags import etag
from core.services.names import account_name
from reapi.v1 import account_pb2, admin_pb2

_ACCOUNT = re.compile(r"(?:accounts/)?([0-9a-f]{32})\Z")
_ID = re.compile(r"(?:accounts/|payments/|(?:generations/)?(?:gen_|task_|video_)?)([0-9a-f]{32})\Z")
"""Of an account, a payment or a generation, in any of its renderings."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_KEY = re.compile(r"(?:api_keys/|rk_(?:live|test)_)?([0-9A-Za-z]{12})\Z")
_ACTION = re.compile(r"[a-z_]{1,40}(?:\.[a-z_]{1,40}){0,2}\Z")
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""What times are kept up to."""

_STATES: Final[Mapping[State, account_pb2.Account.State]] = {
    State.ACTIVE: account_pb2.Account.STATE_ACTIVE,
    State.SUSPENDED: account_pb2.Account.STATE_SUSPENDED,
    State.DELETING: account_pb2.Account.STATE_DELETING,
}
_STATE_OF: Final = {int(number): state for state, number in _STATES.items()}
_TYPES: Final[Mapping[Sign, admin_pb2.AbuseSignal.Type]] = {
    Sign.REFUSAL_RATE: admin_pb2.AbuseSignal.TYPE_REFUSAL_RATE,
    Sign.CARD_TESTING: admin_pb2.AbuseSignal.TYPE_CARD_TESTING,
    Sign.KEY_SHARING: admin_pb2.AbuseSignal.TYPE_KEY_SHARING,
    Sign.PROVIDER_COST: admin_pb2.AbuseSignal.TYPE_PROVIDER_COST,
}


def action(
    word: str,
    account_id: UUID,
    resource: str,
    reason: str,
    changes: Mapping[str, str] | None = None,
) -> Action:
    """What the operator does now, for the audit log; raises INVALID_PARAMETER for the reason."""
    return Action(
        new_id(),
        account_id,
        word,
        resource,
        OPERATOR,
        network=current_network(),
        reason=checked_reason(reason),
        changes=dict(changes or {}),
    )


def checked_reason(reason: str) -> str:
    """What the operator typed; raises INVALID_PARAMETER."""
    if len(reason) > REASON_LENGTH or "\0" in reason:
        raise invalid("reason", f"has at most {REASON_LENGTH} characters")
    return reason


def account_id(text: str) -> UUID:
    """The id in admin calls, `accounts/{id}` too; raises NOT_FOUND."""
    found = _ACCOUNT.match(text)
    if found is None:
        raise unknown_account()
    return UUID(hex=found[1])


def sought(text: str, vault: Vault) -> Sought | None:
    """What a filter asks for; None: everything. Raises INVALID_PARAMETER."""
    text = text.strip()
    if not text:
        return None
    if found := _ID.match(text):
        return Sought(UUID(hex=found[1]))
    if _UUID.match(text):
        return Sought(UUID(text))
    if found := _KEY.match(text):
        return Sought(public_id=found[1])
    if is_address(text):
        return Sought(digests=address_digests(vault, text))
    raise invalid(
        "filter", "must be the id of an account, key, generation or payment, or an e-mail address"
    )


def account_states(numbers: Sequence[int]) -> Sequence[State]:
    """Which states are asked for; raises INVALID_PARAMETER."""
    known = [state for state in map(_STATE_OF.get, numbers) if state is not None]
    if len(known) < len(numbers):
        raise invalid("states", "names a state that there is not")
    return sorted(set(known))


def audited_action(text: str) -> str:
    """The action that is asked for; raises INVALID_PARAMETER."""
    if text and not _ACTION.match(text):
        raise invalid("action", "must be a word like `account.suspend`")
    return text


def moment(name: str, message: Timestamp) -> datetime:
    """A time of the caller's; raises INVALID_PARAMETER naming *name*."""
    try:
        found = message.ToDatetime(UTC)
    except (ValueError, OverflowError):
        found = _LATEST
    if not datetime(1970, 1, 1, tzinfo=UTC) <= found < _LATEST:
        raise invalid(name, "must be a time")
    return found


def account_message(item: Overview) -> account_pb2.Account:
    """The resource."""
    return account_pb2.Account(
        name=account_name(item.id),
        display_name=item.name.reveal(),
        state=_STATES[item.state],
        outputs_not_stored=item.outputs_not_stored,
        allowed_models=item.allowed_models,
        create_time=timestamp(item.created_at),
        etag=etag(item.version),
    )


def overview_message(item: Overview) -> admin_pb2.AccountOverview:
    """The resource with what only operators see."""
    suspended = item.suspended_at
    return admin_pb2.AccountOverview(
        account=account_message(item),
        id=item.id.hex,
        balance_micros=item.posted_micros,
        held_micros=item.held_micros,
        debt_micros=item.debt_micros,
        member_count=item.member_count,
        suspend_time=None if suspended is None else timestamp(suspended),
    )


def entry_message(item: Entry) -> admin_pb2.AuditEntry:
    """The resource."""
    return admin_pb2.AuditEntry(
        name=f"audit_entries/{item.id.hex}",
        action=item.action,
        actor=item.actor,
        account="" if item.account_id == NOBODYS else account_name(item.account_id),
        resource=item.resource,
        reason=item.reason,
        changes=item.changes or {},
        network_address=item.network or "",
        create_time=timestamp(item.at),
    )


def signal_message(item: Signal) -> admin_pb2.AbuseSignal:
    """The resource."""
    return admin_pb2.AbuseSignal(
        account=account_name(item.account_id),
        type=_TYPES[item.sign],
        api_key=f"api_keys/{item.key}" if item.key else "",
        observed_milli=item.observed_milli,
        threshold_milli=item.threshold_milli,
        observe_time=timestamp(datetime.fromtimestamp(item.observed_at, UTC)),
    )


def unknown_account() -> GatewayError:
    """The answer for an account that there is not."""
    return GatewayError(Reason.NOT_FOUND, "No such account.", metadata={"resource": "account"})


def invalid(name: str, what: str) -> GatewayError:
    return GatewayError(Reason.INVALID_PARAMETER, f"`{name}` {what}.", parameter=name)
