"""Invitations, as tokens: who has one of a mail joins the account, with the address it went to."""

from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg import AsyncConnection

from accounts.addresses import address_digests
from accounts.vault import Vault

PURPOSE: Final = "invitation"
"""Of digests of tokens."""

# The row goes when it is used: who comes with the same token at the same time finds none.
_USE = """
DELETE FROM invitation i USING account a
 WHERE a.account_id = i.account_id AND i.token_hmac = ANY(%(tokens)s)
   AND i.email_hmac = ANY(%(addresses)s) AND i.expires_at > clock_timestamp()
   AND a.deleting_at IS NULL AND a.erased_at IS NULL
RETURNING i.account_id, i.role
"""
_JOIN = """
INSERT INTO membership (account_id, user_id, role, member_id)
VALUES (%(account)s, %(user)s, %(role)s, %(member)s)
    ON CONFLICT ON CONSTRAINT membership_pkey DO NOTHING
RETURNING true
"""


class Problem(StrEnum):
    """Why somebody cannot be invited or join."""

    UNUSABLE = "used, too old, never one, or for another address"
    MEMBER = "is a member"
    UNKNOWN = "unknown"
    NOT_PERMITTED = "not permitted"
    TOO_MANY = "too many"


class InvitationError(Exception):
    """They cannot; nothing was changed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


async def redeem(
    connection: AsyncConnection[Any],
    vault: Vault,
    token: str,
    user_id: UUID,
    email: str,
    member_id: UUID | None = None,
) -> UUID:
    """Make the person a member of the account that *token* names; which one.

    *email* is the person's address: whoever asks knows that it is theirs, or learns it from the
    token, which was mailed there and nowhere else. Must run in a transaction that ends without a
    trace where InvitationError is raised.
    """
    values = {
        "tokens": vault.digests(PURPOSE, token.encode()),
        "addresses": address_digests(vault, email),
    }
    cursor = await connection.execute(_USE, values)
    row = await cursor.fetchone()
    if row is None:
        raise InvitationError(Problem.UNUSABLE)
    account_id: UUID = row[0]
    place = {
        "account": account_id,
        "user": user_id,
        "role": row[1],
        "member": member_id or uuid4(),
    }
    cursor = await connection.execute(_JOIN, place)
    if await cursor.fetchone() is None:
        raise InvitationError(Problem.MEMBER)
    return account_id
