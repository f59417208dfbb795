"""When a saved card buys credits by itself, and what an attempt came to. Pure.

One payment at a time, at most one begun in a minute, and no more in a calendar month (UTC) than
the owner allows: the decision here is the friendly half, the constraints of `top_up` are the
other. What turns it off stays until its owner turns it on again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from billing.ledger import Balance
from billing.packs import CENT_MICROS, CustomAmounts
from billing.stripe_objects import CardSnapshot, PaymentSnapshot

NO_CARD = "no_payment_method"
"""Failure code of ours: there is no saved card, or not the one that was chosen."""
RETURNED = "payment_returned"
"""Failure code of ours: a payment was refunded or disputed since it was turned on. Buying it all
again by itself is the last thing that its owner wants."""
CALLED_OFF = "called_off"
"""Failure code of ours: Stripe was away when it was due; since then its owner turned it off, or
the account was suspended or fell into debt."""
NOT_PAID = "not_paid"
"""Failure code where Stripe gives none."""
MOST_MICROS = 1 << 53
"""Of any setting: what every client reads exactly, JavaScript's included."""
FIRST_PAUSE_SECONDS = 2
"""Before Stripe is asked again; doubled each time."""
LONGEST_PAUSE_SECONDS = 300
"""Between two questions: an outage of Stripe costs nobody more than five minutes after its end."""
_WAITING = frozenset({"processing", "requires_capture"})
"""States of a payment that end without us (Stripe's PaymentIntent lifecycle)."""


@dataclass(frozen=True, slots=True)
class AutoTopUp:
    """The settings of an account; micro-dollars."""

    enabled_at: datetime | None = None
    """None: it is off."""
    threshold_micros: int = 0
    """It buys while less than this is available."""
    amount_micros: int = 0
    monthly_limit_micros: int = 0
    payment_method: str = ""
    """Stripe's id of the card; empty: the newest."""
    failure_code: str = ""
    """Why it turned itself off."""
    version: int = 0
    """Rises with every change of a setting."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change; None leaves a setting."""

    is_enabled: bool | None = None
    threshold_micros: int | None = None
    amount_micros: int | None = None
    monthly_limit_micros: int | None = None
    payment_method: str | None = None


@dataclass(frozen=True, slots=True)
class Unfit:
    """A setting cannot be that."""

    name: str
    """Of the field of the contract."""
    what: str
    """Completes "`name` …"."""


class Fate(StrEnum):
    """What became of a payment."""

    PAID = "paid"
    FAILED = "failed"
    UNKNOWN = "unknown"


def due(
    balance: Balance, settings: AutoTopUp, month_micros: int, *, is_pending: bool
) -> int | None:
    """How much to buy now; None: nothing.

    *month_micros* is what was bought in this month. Who is in debt pays by hand first: a charge
    that a bank took back is no reason for another.
    """
    if settings.enabled_at is None or is_pending or balance.debt_micros:
        return None
    if balance.available_micros >= settings.threshold_micros:
        return None
    if month_micros + settings.amount_micros > settings.monthly_limit_micros:
        return None
    return settings.amount_micros


def changed(settings: AutoTopUp, changes: Changes, now: datetime) -> AutoTopUp:
    """*settings* with *changes* made; enabling it forgets the last failure."""
    enabled_at, failure_code = settings.enabled_at, settings.failure_code
    if changes.is_enabled:
        enabled_at, failure_code = enabled_at or now, ""
    elif changes.is_enabled is False:
        enabled_at = None
    return replace(
        settings,
        enabled_at=enabled_at,
        failure_code=failure_code,
        threshold_micros=_or(changes.threshold_micros, settings.threshold_micros),
        amount_micros=_or(changes.amount_micros, settings.amount_micros),
        monthly_limit_micros=_or(changes.monthly_limit_micros, settings.monthly_limit_micros),
        payment_method=settings.payment_method
        if changes.payment_method is None
        else changes.payment_method,
    )


def unfit(settings: AutoTopUp, custom: CustomAmounts | None) -> Unfit | None:
    """Why *settings* cannot hold: a number that means nothing, or on without what it needs."""
    amounts = {
        "threshold_micros": settings.threshold_micros,
        "amount_micros": settings.amount_micros,
        "monthly_limit_micros": settings.monthly_limit_micros,
    }
    for name, amount in amounts.items():
        if not 0 <= amount <= MOST_MICROS:
            return Unfit(name, "must be an amount that is not negative")
    if settings.enabled_at is None:
        is_odd = settings.amount_micros % CENT_MICROS
        return Unfit("amount_micros", "must be in whole cents") if is_odd else None
    if custom is None:
        return Unfit("enabled", "cannot be true: no amounts of choice are sold here")
    if settings.threshold_micros == 0:
        return Unfit("threshold_micros", "must be above 0")
    low, high = custom.minimum_micros, custom.maximum_micros
    if settings.amount_micros % CENT_MICROS or not low <= settings.amount_micros <= high:
        return Unfit("amount_micros", f"must be from {low} to {high}, in whole cents")
    if settings.monthly_limit_micros < settings.amount_micros:
        return Unfit("monthly_limit_micros", "must not be below amount_micros")
    return None


def card_to_charge(settings: AutoTopUp, cards: Sequence[CardSnapshot]) -> CardSnapshot | None:
    """The preferred one of *cards*, which are newest first; None: there is none to charge."""
    wanted = settings.payment_method
    return next((card for card in cards if not wanted or card.id == wanted), None)


def fate(payment: PaymentSnapshot) -> Fate:
    """What became of a payment that was asked for while nobody was there.

    One that wants its owner, by a code from the bank for example, counts as failed.
    """
    if payment.has_succeeded:
        return Fate.PAID
    return Fate.UNKNOWN if payment.status in _WAITING else Fate.FAILED


def pause_seconds(try_count: int) -> int:
    """How long to wait after so many tries."""
    return min(FIRST_PAUSE_SECONDS << min(try_count, 16), LONGEST_PAUSE_SECONDS)


def _or(wanted: int | None, present: int) -> int:
    return present if wanted is None else wanted
