"""What of the database depends on server keys: one table of columns. Pure.

A sealed text is sealed again under the newest key; a digest of something that lies sealed beside it
is made again. Other digests cannot: what they were made of is nowhere. Of those, some pass by
themselves, and some need their key for as long as they are of use.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from accounts import exports, invitation_store, mail_queue, oauth, people, places
from accounts.vault import EMAIL


@dataclass(frozen=True, slots=True)
class Bound:
    """A part of what a value is bound to: a column of its row, or a word."""

    column: str = ""
    word: bytes = b""


@dataclass(frozen=True, slots=True)
class Digest:
    """A keyed digest that is made of a sealed text, and what holds the same digest elsewhere."""

    column: str
    purpose: str
    text: Callable[[str], bytes]
    """What of the sealed text it is made of."""
    followers: tuple[str, ...] = ()
    """Tables whose `email_hmac` is the same, so that they are about the same address."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed texts."""

    table: str
    column: str
    purpose: str
    bound: tuple[Bound, ...]
    key: tuple[str, ...]
    """The primary key."""
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """`webhook_endpoint.url`."""
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Fixed:
    """A column of digests that are not made again."""

    table: str
    column: str
    made: str
    """When: an expression."""
    used: str
    """Which are still of use: a condition."""
    ends: bool
    """Whether each is of no use any more at some time, by itself."""

    @property
    def name(self) -> str:
        """`api_key.secret_hmac`."""
        return f"{self.table}.{self.column}"


def _of_row(*columns: str) -> tuple[Bound, ...]:
    return tuple(Bound(column=column) for column in columns)


def _of_endpoint(word: bytes) -> tuple[Bound, ...]:
    return (*_of_row("account_id", "id"), Bound(word=word))


def _of_payment(word: bytes) -> tuple[Bound, ...]:
    return (Bound(word=word), *_of_row("id"))


def _address(text: str) -> bytes:
    """As `accounts.addresses` makes digests of addresses."""
    return text.lower().encode()


def _addressee(text: str) -> bytes:
    """Of a mail: what is sealed is JSON."""
    return _address(json.loads(text)["to"])


_FOLLOWERS: Final = ("person_token", "mail_suppression", "mail")
_ENDPOINT: Final = ("webhook-endpoint", ("account_id", "id"))
_UNEXPIRED: Final = "expires_at > clock_timestamp()"

SEALED: Final = (
    Sealed("webhook_endpoint", "url", _ENDPOINT[0], _of_endpoint(b"url"), _ENDPOINT[1]),
    Sealed("webhook_endpoint", "display_name", _ENDPOINT[0], _of_endpoint(b"name"), _ENDPOINT[1]),
    Sealed("webhook_endpoint", "secret", _ENDPOINT[0], _of_endpoint(b"secret"), _ENDPOINT[1]),
    Sealed("webhook_endpoint", "old_secret", _ENDPOINT[0], _of_endpoint(b"secret"), _ENDPOINT[1]),
    Sealed(
        "webhook_callback_secret",
        "secret",
        "callback-secret",
        _of_row("account_id"),
        ("account_id",),
    ),
    Sealed(
        "webhook_callback_secret",
        "old_secret",
        "callback-secret",
        _of_row("account_id"),
        ("account_id",),
    ),
    Sealed(
        "webhook_callback",
        "url",
        "callback-url",
        _of_row("account_id"),
        ("account_id", "generation_id"),
    ),
    Sealed("payment", "invoice_url", "payment", _of_payment(b"invoice_url"), ("account_id", "id")),
    Sealed("payment", "receipt_url", "payment", _of_payment(b"receipt_url"), ("account_id", "id")),
    Sealed("promo_code", "display_name", "promo-code", _of_row("id"), ("id",)),
    Sealed(
        "app_user",
        "email_sealed",
        people.ADDRESS,
        _of_row("user_id"),
        ("user_id",),
        Digest("email_hmac", EMAIL, _address, _FOLLOWERS),
    ),
    Sealed(
        "app_user",
        "pending_email_sealed",
        people.ADDRESS,
        _of_row("user_id"),
        ("user_id",),
        Digest("pending_email_hmac", EMAIL, _address, _FOLLOWERS),
    ),
    Sealed("app_user", "display_name_sealed", people.NAME, _of_row("user_id"), ("user_id",)),
    Sealed(
        "invitation",
        "email_sealed",
        invitation_store.ADDRESS,
        _of_row("invitation_id"),
        ("account_id", "invitation_id"),
        Digest("email_hmac", EMAIL, _address),
    ),
    Sealed("account", "name_sealed", places.NAME_PURPOSE, _of_row("account_id"), ("account_id",)),
    Sealed(
        "oauth_identity",
        "email_sealed",
        oauth.ADDRESS,
        _of_row("user_id"),
        ("provider", "subject_hmac"),
    ),
    Sealed(
        "mail",
        "sealed",
        mail_queue.PURPOSE,
        _of_row("mail_id"),
        ("mail_id",),
        Digest("email_hmac", EMAIL, _addressee, ("mail_suppression",)),
    ),
    Sealed(
        "export", "path_sealed", exports.LINK, _of_row("export_id"), ("account_id", "export_id")
    ),
)

FIXED: Final = (
    Fixed(
        "api_key",
        "secret_hmac",
        "created_at",
        f"revoked_at IS NULL AND (expires_at IS NULL OR {_UNEXPIRED})",
        ends=False,
    ),
    Fixed(
        "promo_code",
        "code_hmac",
        "created_at",
        f"disabled_at IS NULL AND (expires_at IS NULL OR {_UNEXPIRED})",
        ends=False,
    ),
    Fixed("session", "token_hmac", "created_at", _UNEXPIRED, ends=True),
    Fixed("person_token", "token_hmac", "created_at", _UNEXPIRED, ends=True),
    Fixed("invitation", "token_hmac", "created_at", _UNEXPIRED, ends=True),
    Fixed("oauth_flow", "state_hmac", "created_at", _UNEXPIRED, ends=True),
    Fixed(  # the links with which letters are stopped, as long as the mail is known
        "mail",
        "email_hmac",
        "created_at",
        "kind IN ('newsletter', 'product') AND created_at > clock_timestamp() - interval '30 days'",
        ends=True,
    ),
    Fixed(
        "idempotency",
        "key_hmac",
        "expires_at - interval '24 hours'",
        _UNEXPIRED,
        ends=True,
    ),
)
"""An old key that any of these needs is not to be dropped without a thought."""

NEEDLESS: Final[Mapping[str, str]] = {
    "asset.sha256": "no key: of an output",
    "channel_signal.seal": "minutes",
    "export.sha256": "no key: of an archive",
    "generation.fingerprint": "30 days; a retry without a key counts as new",
    "idempotency.request_hmac": "goes with key_hmac",
    "call_repeat.key_hmac": "24 hours; found under the oldest key, until that is dropped",
    "call_repeat.request_hmac": "goes with key_hmac",
    "ledger_chain.chain_sha256": "no key: a chain",
    "ledger_seal.chain_sha256": "no key: a chain",
    "ledger_seal.signature": "the public key of a dropped key is kept",
    "app_user.email_hmac": "made again with email_sealed",
    "app_user.pending_email_hmac": "made again with pending_email_sealed",
    "invitation.email_hmac": "made again with email_sealed",
    "person_token.email_hmac": "follows the person's",
    "mail_suppression.email_hmac": "follows the person's; of a stranger's address it is found no "
    "more, which sends one mail too many",
    "oauth_identity.subject_hmac": "made again when the person signs in; found by the address else",
    "oauth_flow.browser_hmac": "goes with state_hmac",
    "oauth_flow.sealed": "minutes",
    "throttle.subject_hmac": "minutes: a new count",
    "key_network.network_hmac": "days: a count",
    "policy_version.sha256": "no key: of a text",
}
"""Every other column of bytes, and why it needs no old key."""
