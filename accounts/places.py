"""Where a person acts when they sign in: everybody has an account of their own, or is given one."""

from typing import Any, Final
from uuid import UUID, uuid4

from psycopg import AsyncConnection

from accounts.roles import Role
from accounts.vault import Vault

NAME_PURPOSE: Final = "account-name"
"""Of the sealed names of accounts; each is bound to its account's id."""
FIRST_NAME: Final = "My account"
"""Of an account until its owner calls it otherwise."""

# One at a time, so that nobody who signs in twice at once is given two accounts.
_ALONE = "SELECT true FROM app_user WHERE user_id = %(user)s FOR NO KEY UPDATE"
_FIRST = """
SELECT m.account_id FROM membership m JOIN account a USING (account_id)
 WHERE m.user_id = %(user)s AND a.deleting_at IS NULL AND a.erased_at IS NULL
 ORDER BY a.suspended_at IS NOT NULL, m.created_at, m.account_id LIMIT 1
"""
_NAME = "SELECT name, name_sealed FROM account WHERE account_id = %s"
_ACCOUNT = "INSERT INTO account (account_id, name, name_sealed) VALUES (%s, '', %s)"
_OWNER = "INSERT INTO membership (account_id, user_id, role) VALUES (%s, %s, %s)"


def account_name(vault: Vault, account_id: UUID, given: str, sealed: bytes | None) -> str:
    """What an account is called: by its people, or else by the operator."""
    return given if sealed is None else vault.open(NAME_PURPOSE, sealed, account_id.bytes)


async def first_place(connection: AsyncConnection[Any], vault: Vault, user_id: UUID) -> UUID:
    """The account that a person joined first, rather one that may spend; a new one if none."""
    await connection.execute(_ALONE, {"user": user_id})
    cursor = await connection.execute(_FIRST, {"user": user_id})
    row = await cursor.fetchone()
    if row is not None:
        found: UUID = row[0]
        return found
    return await open_own_account(connection, vault, user_id)


async def open_own_account(connection: AsyncConnection[Any], vault: Vault, user_id: UUID) -> UUID:
    """A new account that the person owns."""
    account_id = uuid4()
    name = vault.seal(NAME_PURPOSE, FIRST_NAME, account_id.bytes)
    await connection.execute(_ACCOUNT, (account_id, name))
    await connection.execute(_OWNER, (account_id, user_id, Role.OWNER))
    return account_id


async def read_account_name(
    connection: AsyncConnection[Any], vault: Vault, account_id: UUID
) -> str:
    """What the account is called; empty: there is none."""
    cursor = await connection.execute(_NAME, (account_id,))
    row = await cursor.fetchone()
    return "" if row is None else account_name(vault, account_id, *row)
