"""People of tests: made in the database, put into accounts, signed in."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from accounts.browsers import Browser
from accounts.members import Actor
from accounts.people import NewPerson, create_person
from accounts.places import first_place
from accounts.roles import Role
from accounts.sessions import open_session
from core.keyring import Keyring
from core.vault import KeyringVault

KEYRING = Keyring((b"k" * 32,))
VAULT = KeyringVault(KEYRING)


@dataclass
class Somebody:
    """A person with an account of their own."""

    user_id: UUID
    account_id: UUID
    email: str

    def acting_in(self, account_id: UUID | None = None) -> Actor:
        return Actor(account_id or self.account_id, self.user_id)


@dataclass
class Notes:
    """What was noted, as it would stand in the log."""

    told: list[tuple[str, UUID | None]] = field(default_factory=list)

    async def __call__(
        self, connection: Any, action: str, resource: str, account_id: UUID | None = None
    ) -> None:
        self.told.append((action, account_id))


@asynccontextmanager
async def transaction(pool: Any) -> Any:
    async with pool.connection() as connection, connection.transaction():
        yield connection


async def somebody(pool: Any, email: str = "", *, verified: bool = True) -> Somebody:
    """A new person."""
    address, user_id = email or f"{uuid4().hex}@example.com", uuid4()
    new = NewPerson(user_id, address, email_verified=verified)
    async with transaction(pool) as connection:
        assert await create_person(connection, VAULT, new) is not None
        account_id = await first_place(connection, VAULT, user_id)
    return Somebody(user_id, account_id, address)


async def joins(pool: Any, person: Somebody, account_id: UUID, role: Role) -> UUID:
    """Put *person* into an account; which member they are."""
    member_id = uuid4()
    await run(
        pool,
        "INSERT INTO membership (account_id, user_id, role, member_id) VALUES (%s, %s, %s, %s)",
        (account_id, person.user_id, role, member_id),
    )
    return member_id


async def member_of(pool: Any, person: Somebody, account_id: UUID | None = None) -> UUID:
    found = await run(
        pool,
        "SELECT member_id FROM membership WHERE account_id = %s AND user_id = %s",
        (account_id or person.account_id, person.user_id),
    )
    id_: UUID = found[0][0]
    return id_


async def signed_in(pool: Any, person: Somebody, account_id: UUID | None = None) -> Any:
    """A session of *person*."""
    async with transaction(pool) as connection:
        return await open_session(
            connection, VAULT, person.user_id, account_id, Browser("Firefox on Linux"), "192.0.2.1"
        )


async def run(pool: Any, statement: str, values: Any = ()) -> list[Any]:
    """Run one statement; its rows, if it has any."""
    async with pool.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []


async def unknown(connection: Any, made: UUID) -> UUID | None:
    """The request never came before."""
    return None
