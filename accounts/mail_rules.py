"""Which mail is sent, and when again if that fails. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from accounts.letter import Kind

FIRST_PAUSE_SECONDS: Final = 10.0
"""Before the second try; doubled each time."""
LONGEST_PAUSE_SECONDS: Final = 3_600.0
"""Between two tries: who mends the mail service waits for no more than this."""
JITTER: Final = 0.2
"""Of a pause, either way: a service that came back is not met by everything at once."""
LONGEST_ASKED_SECONDS: Final = 6 * 3_600.0
"""Of the pauses that a mail service may ask for."""
GIVE_UP_SECONDS: Final = 23 * 3_600.0
"""For how long a mail is tried: Resend knows an idempotency key for 24 hours, and what it accepted
under one must not be sent under none."""

ASKED_FOR: Final = frozenset({Kind.VERIFY_EMAIL, Kind.VERIFY_NEW_EMAIL, Kind.RESET_PASSWORD})
"""What somebody waits for at this moment: it goes to an address that bounced, too, or a mailbox
that was full once could never be used again."""
UNSUPPRESSED: Final = ASKED_FOR | {Kind.CONTACT}
"""What goes to an address that bounced: that, and what people write to the operator, who would hear
of nobody any more after one bounce."""
BILLING: Final = frozenset({Kind.RECEIPT, Kind.BUDGET_ALERT, Kind.BALANCE_LOW})
"""What `billing_notices` turns off."""
BULK: Final = frozenset({Kind.NEWSLETTER, Kind.PRODUCT})
"""What is sent to everybody who wants it, and carries a way to stop it with one click."""

Cause = Literal["bounce", "complaint"]
"""Why an address is suppressed."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person wants to be told, in Settings → Notifications."""

    newsletter: bool
    product_notices: bool
    billing_notices: bool


def is_wanted(kind: Kind, wishes: Wishes) -> bool:
    """Whether a person with these *wishes* gets a mail of that *kind*.

    Mail about the safety of an account, prices and policies is not a matter of wishes.
    """
    if kind is Kind.NEWSLETTER:
        return wishes.newsletter
    if kind is Kind.PRODUCT:
        return wishes.product_notices
    return kind not in BILLING or wishes.billing_notices


def pause_seconds(tries: int, chance: float, asked_for: float = 0.0) -> float:
    """How long to wait after so many *tries*, at least one.

    *chance* is from 0 to 1; *asked_for* is what the mail service wants (Retry-After).
    """
    plain: float = min(FIRST_PAUSE_SECONDS * 2.0 ** min(tries - 1, 16), LONGEST_PAUSE_SECONDS)
    ours = plain * (1 - JITTER + 2 * JITTER * chance)
    return max(ours, min(asked_for, LONGEST_ASKED_SECONDS))


def is_hopeless(asked_seconds: float, pause: float) -> bool:
    """Whether the next try would come too late; *asked_seconds* is since the first one."""
    return asked_seconds + pause > GIVE_UP_SECONDS
