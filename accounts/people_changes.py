"""What changes of people: their password, address, name and settings. Each in a transaction."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from accounts.addresses import address_digest
from accounts.mail_store import restore
from accounts.people import ADDRESS, NAME
from accounts.people_tokens import Redeemed
from accounts.vault import Vault

Connection: TypeAlias = AsyncConnection[Any]

_SET = """
UPDATE app_user SET password_hash = %(hash)s, password_changed_at = clock_timestamp()
 WHERE user_id = %(user)s
"""
_HASH = """
UPDATE app_user SET password_hash = %(new)s WHERE user_id = %(user)s AND password_hash = %(old)s
"""
_PENDING = """
UPDATE app_user SET pending_email_hmac = %(hmac)s, pending_email_sealed = %(sealed)s
 WHERE user_id = %(user)s
"""
_VERIFY = """
UPDATE app_user SET email_verified_at = coalesce(email_verified_at, clock_timestamp())
 WHERE user_id = %(user)s AND email_hmac = %(email)s AND deleting_at IS NULL
RETURNING true
"""
_MOVE = """
UPDATE app_user
   SET email_hmac = pending_email_hmac, email_sealed = pending_email_sealed,
       email_verified_at = clock_timestamp(),
       pending_email_hmac = NULL, pending_email_sealed = NULL
 WHERE user_id = %(user)s AND pending_email_hmac = %(email)s AND deleting_at IS NULL
RETURNING true
"""
_SETTINGS = """
UPDATE app_user
   SET display_name_sealed = CASE WHEN %(renamed)s THEN %(name)s ELSE display_name_sealed END,
       locale = coalesce(%(locale)s, locale),
       newsletter = coalesce(%(newsletter)s, newsletter),
       product_notices = coalesce(%(product_notices)s, product_notices),
       billing_notices = coalesce(%(billing_notices)s, billing_notices)
 WHERE user_id = %(user)s
"""
_PENDING_DIGEST = """
SELECT pending_email_hmac FROM app_user WHERE user_id = %s AND pending_email_hmac IS NOT NULL
"""
_FORGET_PENDING = """
UPDATE app_user SET pending_email_hmac = NULL, pending_email_sealed = NULL WHERE user_id = %s
"""
_ACCOUNT = """
SELECT account_id FROM membership WHERE user_id = %s ORDER BY created_at, account_id LIMIT 1
"""
_RIGHT = """
INSERT INTO rights_request (id, account_id, user_id, kind, done_at)
VALUES (%s, %s, %s, %s, clock_timestamp())
"""


class Proof(Enum):
    """What the token of a mail proved."""

    ADDRESS = "the address to sign in with"
    NEW_ADDRESS = "another one, which is the address from now on"
    NOTHING = "no address that the person has or wants"


@dataclass(frozen=True, slots=True)
class Settings:
    """What of a profile is to change; None: that stays."""

    display_name: str | None = field(default=None, repr=False)
    """Empty: none any more."""
    locale: str | None = None
    newsletter: bool | None = None
    product_notices: bool | None = None
    billing_notices: bool | None = None


async def set_password(connection: Connection, user_id: UUID, hash_: str) -> None:
    """Another password."""
    await connection.execute(_SET, {"user": user_id, "hash": hash_})


async def renew_hash(connection: Connection, user_id: UUID, old: str, new: str) -> None:
    """The same password, hashed with other parameters, unless it was changed meanwhile."""
    await connection.execute(_HASH, {"user": user_id, "old": old, "new": new})


async def set_pending_email(
    connection: Connection, vault: Vault, user_id: UUID, address: str
) -> None:
    """An address that the person has once it is verified."""
    values = {
        "user": user_id,
        "hmac": address_digest(vault, address),
        "sealed": vault.seal(ADDRESS, address, user_id.bytes),
    }
    await connection.execute(_PENDING, values)


async def pending_digest(connection: Connection, user_id: UUID) -> bytes:
    """The digest of the address that waits, as it is stored: what a mail to it is tied to."""
    cursor = await connection.execute(_PENDING_DIGEST, (user_id,))
    row = await cursor.fetchone()
    assert row is not None
    digest: bytes = row[0]
    return digest


async def forget_pending_email(connection: Connection, user_id: UUID) -> None:
    """The person keeps the address."""
    await connection.execute(_FORGET_PENDING, (user_id,))


async def account_of(connection: Connection, user_id: UUID) -> UUID | None:
    """Where a person reads what was done to them, who is not signed in; None: nowhere."""
    cursor = await connection.execute(_ACCOUNT, (user_id,))
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def prove_address(connection: Connection, redeemed: Redeemed) -> Proof:
    """Note that the person reads mail at the address that a token was sent to."""
    await restore(connection, redeemed.email_digest)
    values = {"user": redeemed.user_id, "email": redeemed.email_digest}
    cursor = await connection.execute(_VERIFY, values)
    if await cursor.fetchone() is not None:
        return Proof.ADDRESS
    try:
        async with connection.transaction():
            cursor = await connection.execute(_MOVE, values)
    except UniqueViolation:  # somebody else has it by now
        return Proof.NOTHING
    return Proof.NOTHING if await cursor.fetchone() is None else Proof.NEW_ADDRESS


async def change_settings(
    connection: Connection, vault: Vault, user_id: UUID, wanted: Settings
) -> None:
    """Change what is wanted."""
    name = wanted.display_name
    values = {
        "user": user_id,
        "renamed": name is not None,
        "name": vault.seal(NAME, name, user_id.bytes) if name else None,
        "locale": wanted.locale,
        "newsletter": wanted.newsletter,
        "product_notices": wanted.product_notices,
        "billing_notices": wanted.billing_notices,
    }
    await connection.execute(_SETTINGS, values)


async def note_right(
    connection: Connection, id_: UUID, account_id: UUID | None, user_id: UUID, kind: str
) -> None:
    """Log that a right was used, and granted at once: `rectification`, `objection`."""
    await connection.execute(_RIGHT, (id_, account_id, user_id, kind))
