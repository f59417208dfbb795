"""Invitations in PostgreSQL: sent, shown, taken back, accepted.

The address lies sealed, and the token is with whoever reads the mail only.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from accounts import member_statements as sql
from accounts import people
from accounts.addresses import address_digest, address_digests
from accounts.invitations import PURPOSE, InvitationError, Problem, redeem
from accounts.known import Connection, Known
from accounts.mail_queue import Kind, Letter, post
from accounts.members import (
    Actor,
    Member,
    MemberError,
    Note,
    read_member,
    role_of,
)
from accounts.places import read_account_name
from accounts.roles import Role, may_place
from accounts.vault import Vault

MAXIMUM: Final = 100
"""Invitations of one account that wait: whoever needs more is mailing strangers."""
ADDRESS: Final = "invitation-email"
"""Of the sealed addresses; each is bound to its invitation's id."""
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """Who is to be asked, to be what."""

    invitation_id: UUID
    """Rises with time."""
    email: str = field(repr=False)
    role: Role


@dataclass(frozen=True, slots=True)
class Invitation:
    """One that waits."""

    invitation_id: UUID
    email: str = field(repr=False)
    role: Role
    member_id: UUID
    """Who invited."""
    created_at: datetime
    expires_at: datetime


class InvitationStore:
    """The invitations of accounts. Raises InvitationError, and what the pool raises."""

    def __init__(self, pool: AsyncConnectionPool[Any], vault: Vault, note: Note) -> None:
        self._pool = pool
        self._vault = vault
        self._note = note

    async def create(self, actor: Actor, new: NewInvitation, known: Known) -> Invitation:
        """Invite, and queue the mail. Whoever is invited again gets another token."""
        async with self._pool.connection() as connection, connection.transaction():
            await _may(connection, actor, new.role)
            before = await known(connection, new.invitation_id)
            if before is not None:
                return await self._named(connection, actor.account_id, before)
            values = {
                "account": actor.account_id,
                "user": actor.user_id,
                "addresses": address_digests(self._vault, new.email),
            }
            if await _found(connection, sql.IS_MEMBER, values):
                raise InvitationError(Problem.MEMBER)
            await connection.execute(sql.REPLACE, values)
            cursor = await connection.execute(sql.COUNT, values)
            counted = await cursor.fetchone()
            if counted is not None and counted[0] >= MAXIMUM:
                raise InvitationError(Problem.TOO_MANY)
            await self._send(connection, actor, new)
            await self._note(
                connection, "invitation.create", f"invitations/{new.invitation_id.hex}"
            )
            return await self._named(connection, actor.account_id, new.invitation_id)

    async def page(self, account_id: UUID, limit: int, after: UUID | None) -> Sequence[Invitation]:
        """One page of those that wait, newest first."""
        values = {"account": account_id, "limit": limit, "after": after}
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(sql.PAGE_OF_INVITATIONS, values)
            return [self._read(row) for row in await cursor.fetchall()]

    async def revoke(self, actor: Actor, invitation_id: UUID, known: Known) -> None:
        """Take one back."""
        async with self._pool.connection() as connection, connection.transaction():
            await _may(connection, actor, None)
            if await known(connection, invitation_id) is not None:
                return
            values = {"account": actor.account_id, "invitation": invitation_id}
            cursor = await connection.execute(sql.TAKE_BACK, values)
            if cursor.rowcount == 0:
                raise InvitationError(Problem.UNKNOWN)
            await self._note(connection, "invitation.revoke", f"invitations/{invitation_id.hex}")

    async def accept(self, user_id: UUID, token: str, known: Known) -> Member:
        """Join, with the address that was verified; the place that the person has now."""
        member_id = uuid4()
        async with self._pool.connection() as connection, connection.transaction():
            before = await known(connection, member_id)
            if before is None:
                person = await people.read(connection, self._vault, user_id)
                if person is None or not person.email_verified:
                    raise InvitationError(Problem.UNUSABLE)
                account_id = await redeem(
                    connection, self._vault, token, user_id, person.email, member_id
                )
                resource = f"members/{member_id.hex}"
                await self._note(connection, "invitation.accept", resource, account_id)
            values = {"user": user_id, "member": before or member_id}
            try:
                return await read_member(connection, self._vault, sql.OF_USER, values)
            except MemberError:
                raise InvitationError(Problem.UNKNOWN) from None

    async def _send(self, connection: Connection, actor: Actor, new: NewInvitation) -> None:
        vault, token = self._vault, secrets.token_urlsafe(_TOKEN_BYTES)
        values = {
            "account": actor.account_id,
            "user": actor.user_id,
            "invitation": new.invitation_id,
            "address": address_digest(vault, new.email),
            "email": vault.seal(ADDRESS, new.email, new.invitation_id.bytes),
            "role": new.role,
            "token": vault.digest(PURPOSE, token.encode()),
        }
        await connection.execute(sql.INVITE, values)
        name = await read_account_name(connection, vault, actor.account_id)
        facts = {"token": token, "account": name, "role": str(new.role)}
        letter = Letter(uuid4(), Kind.INVITATION, new.email, facts, account_id=actor.account_id)
        await post(connection, vault, letter)

    async def _named(
        self, connection: Connection, account_id: UUID, invitation_id: UUID
    ) -> Invitation:
        values = {"account": account_id, "invitation": invitation_id}
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(sql.INVITATION, values)
            row = await cursor.fetchone()
        if row is None:
            raise InvitationError(Problem.UNKNOWN)
        return self._read(row)

    def _read(self, row: DictRow) -> Invitation:
        id_ = row["invitation_id"]
        return Invitation(
            id_,
            self._vault.open(ADDRESS, row["email_sealed"], id_.bytes),
            Role(row["role"]),
            row["member_id"],
            row["created_at"],
            row["expires_at"],
        )


async def _may(connection: Connection, actor: Actor, role: Role | None) -> None:
    """Raise InvitationError unless *actor* may ask people to be *role*."""
    try:
        mine = await role_of(connection, actor)
    except MemberError:
        raise InvitationError(Problem.NOT_PERMITTED) from None
    if not may_place(mine, None, role):
        raise InvitationError(Problem.NOT_PERMITTED)


async def _found(connection: Connection, statement: str, values: Mapping[str, Any]) -> bool:
    cursor = await connection.execute(statement, values)
    return await cursor.fetchone() is not None
