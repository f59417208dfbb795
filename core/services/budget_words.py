"""Budgets: protobuf messages as our words and back; errors name the field."""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask

from billing.budget_store import MAXIMUM, BudgetError, BudgetRow, Change, Limit, Problem
from core.errors import GatewayError, Reason
from core.services.convert import timestamp
from core.services.etags import etag, version_of
from reapi.v1 import billing_pb2 as resource

MAXIMUM_ALERTS: Final = 10
"""As the contract says."""
MAXIMUM_MICROS: Final = 10**15
"""A billion dollars: percents of it are far from the end of 64 bits."""
_BUDGET = re.compile(r"budgets/([0-9a-f]{32})\Z")
_KEY = re.compile(r"api_keys/([0-9A-Za-z]{12})\Z")
_MUTABLE: Final = ("limit_micros", "alert_percents")
_PERIODS: Mapping[str, resource.Budget.Period] = {
    "day": resource.Budget.PERIOD_DAY,
    "month": resource.Budget.PERIOD_MONTH,
    "total": resource.Budget.PERIOD_TOTAL,
}
_PERIOD_OF = {int(number): name for name, number in _PERIODS.items()}


def budget_message(row: BudgetRow) -> resource.Budget:
    """The resource."""
    return resource.Budget(
        name=f"budgets/{row.budget_id.hex}",
        api_key="" if row.key is None else f"api_keys/{row.key}",
        period=_PERIODS[row.period],
        limit_micros=row.limit_micros,
        alert_percents=row.alert_percents,
        spent_micros=row.spent_micros,
        held_micros=row.held_micros,
        reset_time=None if row.reset_at is None else timestamp(row.reset_at),
        create_time=timestamp(row.created_at),
        etag=etag(row.version),
    )


def budget_id(name: str) -> UUID:
    """The id in a name; raises NOT_FOUND."""
    found = _BUDGET.match(name)
    if found is None:
        raise _unknown("budget")
    return UUID(hex=found[1])


def key_id(name: str) -> str:
    """The public id in the name of a key; raises NOT_FOUND."""
    found = _KEY.match(name)
    if found is None:
        raise _unknown("api_key")
    return found[1]


def new_limit(message: resource.Budget) -> Limit:
    """What a new budget is to be; raises GatewayError naming the field."""
    if message.period == resource.Budget.PERIOD_UNSPECIFIED:
        raise _missing("budget.period", "Say after which time the budget starts again.")
    period = _PERIOD_OF.get(message.period)
    if period is None:
        raise _invalid("budget.period", "is not a period")
    return Limit(
        period=period,
        limit_micros=_limit(message.limit_micros),
        alert_percents=_percents(message.alert_percents),
        key=key_id(message.api_key) if message.api_key else None,
    )


def change(message: resource.Budget, mask: FieldMask | None) -> Change:
    """What is to change: the fields of *mask*, or those that are set. Raises GatewayError."""
    names: Sequence[str] = [name for name in _MUTABLE if getattr(message, name)]
    if mask is not None:
        names = mask.paths
    if any(name not in _MUTABLE for name in names):
        raise _invalid("update_mask", f"may name {', '.join(_MUTABLE)}")
    return Change(
        limit_micros=_limit(message.limit_micros) if "limit_micros" in names else None,
        alert_percents=_percents(message.alert_percents) if "alert_percents" in names else None,
        version=version_of(message.etag),
    )


def refused(error: BudgetError) -> GatewayError:
    """What a store's refusal means to the caller."""
    match error.problem:
        case Problem.UNKNOWN:
            return _unknown("budget")
        case Problem.KEY_UNKNOWN:
            return _unknown("api_key")
        case Problem.TOO_MANY:
            return _invalid("budget", f"is one too many: {MAXIMUM} are the most. Delete one")
        case Problem.CHANGED:
            return GatewayError(
                Reason.CONFLICT,
                "The budget was changed meanwhile: read it again and use its etag.",
                parameter="budget.etag",
            )


def _limit(micros: int) -> int:
    if micros == 0:
        raise _missing("budget.limit_micros", "Say how much may be spent, in micro-dollars.")
    if not 0 < micros <= MAXIMUM_MICROS:
        raise _invalid("budget.limit_micros", f"must be from 1 to {MAXIMUM_MICROS}")
    return micros


def _percents(percents: Sequence[int]) -> Sequence[int]:
    """Each once, ascending."""
    if len(percents) > MAXIMUM_ALERTS or not all(1 <= percent <= 100 for percent in percents):
        raise _invalid("budget.alert_percents", f"takes at most {MAXIMUM_ALERTS}, from 1 to 100")
    return sorted(set(percents))


def _unknown(kind: str) -> GatewayError:
    """The one answer for what is unknown, deleted or another account's."""
    words = {"budget": "No such budget.", "api_key": "No such API key."}
    return GatewayError(Reason.NOT_FOUND, words[kind], metadata={"resource": kind})


def _missing(name: str, what: str) -> GatewayError:
    return GatewayError(Reason.MISSING_PARAMETER, what, parameter=name)


def _invalid(name: str, what: str) -> GatewayError:
    return GatewayError(Reason.INVALID_PARAMETER, f"`{name}` {what}.", parameter=name)
