"""Mails to people about their sign-in, posted in the transaction that has the reason."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from psycopg import AsyncConnection

from accounts.mail_queue import Kind, Letter, post
from accounts.people import Person
from accounts.people_changes import pending_digest
from accounts.people_ground import PeopleGround
from accounts.people_tokens import Purpose, make

Connection: TypeAlias = AsyncConnection[Any]
NO_FACTS: Final[Mapping[str, str]] = MappingProxyType({})


async def ask_to_verify(connection: Connection, ground: PeopleGround, person: Person) -> None:
    """Mail a link that proves the address to sign in with."""
    token = await make(
        connection, ground.vault, person.user_id, Purpose.VERIFY_EMAIL, person.email_digest
    )
    await _send(connection, ground, person, Kind.VERIFY_EMAIL, {"token": token})


async def ask_to_verify_new(
    connection: Connection, ground: PeopleGround, person: Person, address: str
) -> None:
    """Mail a link that proves *address*, which waits and then replaces the old one."""
    digest = await pending_digest(connection, person.user_id)
    token = await make(connection, ground.vault, person.user_id, Purpose.VERIFY_EMAIL, digest)
    await _send(connection, ground, person, Kind.VERIFY_NEW_EMAIL, {"token": token}, address)


async def ask_to_reset(connection: Connection, ground: PeopleGround, person: Person) -> None:
    """Mail a link with which another password can be set."""
    token = await make(
        connection, ground.vault, person.user_id, Purpose.RESET_PASSWORD, person.email_digest
    )
    await _send(connection, ground, person, Kind.RESET_PASSWORD, {"token": token})


async def tell(
    connection: Connection,
    ground: PeopleGround,
    person: Person,
    kind: Kind,
    facts: Mapping[str, str] = NO_FACTS,
) -> None:
    """Mail what was done, to the address to sign in with."""
    await _send(connection, ground, person, kind, facts)


async def _send(
    connection: Connection,
    ground: PeopleGround,
    person: Person,
    kind: Kind,
    facts: Mapping[str, str],
    address: str = "",
) -> None:
    letter = Letter(
        ground.new_id(),
        kind,
        address or person.email,
        facts,
        name=person.display_name,
        locale=person.locale,
        user_id=person.user_id,
    )
    await post(connection, ground.vault, letter)
