"""Tokens of mails to people: each works once, for a while, for the address that it was sent to."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection

from accounts.vault import Vault

Connection: TypeAlias = AsyncConnection[Any]

_PURPOSE: Final = "person-token"
_BYTES: Final = 32
"""256 bits: nobody finds one by trying."""
_LENGTH: Final = 43
"""Characters of such a token; what is longer is not even digested."""

_INSERT = """
INSERT INTO person_token (token_hmac, user_id, purpose, email_hmac, expires_at)
VALUES (%(token)s, %(user)s, %(purpose)s, %(email)s, clock_timestamp() + %(life)s)
"""
# The row goes when it is used: who comes with the same token at the same time finds none.
_REDEEM = """
DELETE FROM person_token WHERE token_hmac = ANY(%(tokens)s) AND purpose = %(purpose)s
RETURNING user_id, email_hmac, expires_at > clock_timestamp()
"""
_FORGET = "DELETE FROM person_token WHERE user_id = %s"


class Purpose(StrEnum):
    """What a token is for; stored by these names. It is good for nothing else."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 (a purpose)


LIFE: Final[Mapping[Purpose, timedelta]] = {
    Purpose.VERIFY_EMAIL: timedelta(hours=24),
    Purpose.RESET_PASSWORD: timedelta(hours=1),
}
"""How long one works, as the contract says."""


@dataclass(frozen=True, slots=True)
class Redeemed:
    """Who had a token, and at which address, by its digest as it was stored then."""

    user_id: UUID
    email_digest: bytes = field(repr=False)


async def make(
    connection: Connection, vault: Vault, user_id: UUID, purpose: Purpose, email_digest: bytes
) -> str:
    """A token for a mail to the address of that digest; only its own digest is kept."""
    token = secrets.token_urlsafe(_BYTES)
    values = {
        "token": _digest(vault, purpose, token),
        "user": user_id,
        "purpose": purpose,
        "email": email_digest,
        "life": LIFE[purpose],
    }
    await connection.execute(_INSERT, values)
    return token


async def redeem(
    connection: Connection, vault: Vault, token: str, purpose: Purpose
) -> Redeemed | None:
    """Use *token* up; None: it is wrong, old, used, or for something else."""
    if len(token) != _LENGTH:
        return None
    tokens = vault.digests(_PURPOSE, purpose.encode(), token.encode())
    cursor = await connection.execute(_REDEEM, {"tokens": tokens, "purpose": purpose})
    row = await cursor.fetchone()
    return Redeemed(row[0], row[1]) if row is not None and row[2] else None


async def forget(connection: Connection, user_id: UUID) -> None:
    """Let no token of the person work any more."""
    await connection.execute(_FORGET, (user_id,))


def _digest(vault: Vault, purpose: Purpose, token: str) -> bytes:
    return vault.digest(_PURPOSE, purpose.encode(), token.encode())
