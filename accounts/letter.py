"""Mail as it is asked for: which kind, to whom, and what it is filled in with. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class Kind(StrEnum):
    """Which template; stored by these names. What each is filled in with: `facts`."""

    VERIFY_EMAIL = "verify_email"  # token
    VERIFY_NEW_EMAIL = "verify_new_email"  # token
    EMAIL_CHANGING = "email_changing"  # to the old address
    ALREADY_SIGNED_UP = "already_signed_up"
    RESET_PASSWORD = "reset_password"  # noqa: S105 (a kind of mail); token
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (a kind of mail); kept, removed: providers
    SIGN_IN_ADDED = "sign_in_added"  # provider
    SIGN_IN_REMOVED = "sign_in_removed"  # provider
    INVITATION = "invitation"  # token, account, role
    RECEIPT = "receipt"  # payment, amount, currency, credits
    BUDGET_ALERT = "budget_alert"  # the notice's facts
    BALANCE_LOW = "balance_low"  # likewise
    PRICE_INCREASE = "price_increase"  # likewise
    POLICY = "policy"  # title, version, effective
    NEWSLETTER = "newsletter"  # subject, text, html
    PRODUCT = "product"  # likewise
    EXPORT_READY = "export_ready"  # expires
    ACCOUNT_ERASED = "account_erased"  # request
    CONTACT = "contact"  # to the operator: email, display_name, subject, text


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail."""

    id: UUID
    kind: Kind
    to: str = field(repr=False)
    """The address."""
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the template is filled in with, besides the name."""
    name: str = field(default="", repr=False)
    """Of the person; empty: unknown."""
    locale: str = "en"
    user_id: UUID | None = None
    account_id: UUID | None = None
    once: str | None = None
    """What it is about: the same mail is sent once."""
