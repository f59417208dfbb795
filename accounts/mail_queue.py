"""Mail that is to be sent: rows, written in the transaction that has the reason.

What a mail says (address, name, links) lies sealed until it was sent, and nowhere afterwards.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from accounts.addresses import address_digest
from accounts.vault import Vault

PURPOSE: Final = "mail"

_POST = """
INSERT INTO mail (mail_id, user_id, account_id, kind, once, email_hmac, sealed)
VALUES (%(id)s, %(user)s, %(account)s, %(kind)s, %(once)s, %(email)s, %(sealed)s)
    ON CONFLICT ON CONSTRAINT mail_once DO NOTHING
"""


class Kind(StrEnum):
    """Which template; stored by these names. What each is filled in with: `facts`."""

    VERIFY_EMAIL = "verify_email"  # token
    VERIFY_NEW_EMAIL = "verify_new_email"  # token
    EMAIL_CHANGING = "email_changing"  # to the old address
    ALREADY_SIGNED_UP = "already_signed_up"
    RESET_PASSWORD = "reset_password"  # noqa: S105 (a kind of mail); token
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (a kind of mail)
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
    to: str
    """The address."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What the template is filled in with, besides the name."""
    name: str = ""
    """Of the person; empty: unknown."""
    locale: str = "en"
    user_id: UUID | None = None
    account_id: UUID | None = None
    once: str | None = None
    """What it is about: the same mail is sent once."""


async def post(connection: AsyncConnection[Any], vault: Vault, letter: Letter) -> None:
    """Queue it; one that was queued before for the same reason is left as it is."""
    content = {
        "to": letter.to,
        "name": letter.name,
        "locale": letter.locale,
        "facts": dict(letter.facts),
    }
    values = {
        "id": letter.id,
        "user": letter.user_id,
        "account": letter.account_id,
        "kind": letter.kind,
        "once": letter.once,
        "email": address_digest(vault, letter.to),
        "sealed": vault.seal(PURPOSE, json.dumps(content), letter.id.bytes),
    }
    await connection.execute(_POST, values)
