"""People who come back from another service, in PostgreSQL: found, made, or refused."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from accounts import oauth, people
from accounts.linking import (
    Known,
    Link,
    Refusal,
    SignUp,
    Verdict,
    whether_to_link,
    whom_to_sign_in,
)
from accounts.people import NewPerson, Person
from accounts.vault import Vault

Connection: TypeAlias = AsyncConnection[Any]


class Twice(Exception):
    """The same happened at the same time: roll back, try again, and find what the other made."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a service told of who comes back."""

    provider: str
    subject: str = field(repr=False)
    """The service's id of the person."""
    email: str = field(repr=False)
    vouched: bool
    """The service has verified that the address is the person's."""
    suffices: bool = True
    """That is enough to find the person by the address."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Who it is here."""

    user_id: UUID
    created: bool = False
    linked: bool = False
    """The identity is new here."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nobody is signed in."""

    cause: Refusal
    user_id: UUID | None
    """Whose account it was tried with, where it was somebody's."""


async def arrive(
    connection: Connection, vault: Vault, arrival: Arrival, newcomer: Callable[[], NewPerson]
) -> Arrived | Refused:
    """Find or make the person; *newcomer* is asked only for somebody new. In a transaction.

    Raises what `people.create_person` raises, and Twice.
    """
    owner = await _owner(connection, vault, arrival)
    holder = await people.find_by_email(connection, vault, arrival.email)
    verdict = whom_to_sign_in(
        owner,
        await _known(connection, arrival.provider, holder),
        vouched=arrival.vouched,
        suffices=arrival.suffices,
    )
    if isinstance(verdict, SignUp):
        made = await people.create_person(connection, vault, newcomer())
        if made is None:
            raise Twice
        await _link(connection, vault, made, arrival)
        return Arrived(made, created=True, linked=True)
    concerned = owner.user_id if owner else holder.user_id if holder else None
    return await _done(connection, vault, arrival, verdict, concerned)


async def join(
    connection: Connection, vault: Vault, arrival: Arrival, user_id: UUID
) -> Arrived | Refused:
    """Link the identity to a person who is signed in. In a transaction; raises Twice."""
    owner = await _owner(connection, vault, arrival)
    person = await _known(
        connection, arrival.provider, await people.lock(connection, vault, user_id)
    )
    if person is None:
        return Refused(Refusal.ACCOUNT_DELETING, None)
    verdict = whether_to_link(owner, person, vouched=arrival.vouched)
    return await _done(connection, vault, arrival, verdict, user_id)


async def _done(
    connection: Connection,
    vault: Vault,
    arrival: Arrival,
    verdict: Verdict,
    concerned: UUID | None,
) -> Arrived | Refused:
    if isinstance(verdict, Refusal):
        return Refused(verdict, concerned)
    assert not isinstance(verdict, SignUp)
    if isinstance(verdict, Link):
        await _link(connection, vault, verdict.user_id, arrival)
        return Arrived(verdict.user_id, linked=True)
    return Arrived(verdict.user_id)


async def _link(connection: Connection, vault: Vault, user_id: UUID, arrival: Arrival) -> None:
    identity = arrival.provider, arrival.subject
    try:
        await oauth.link(connection, vault, user_id, identity, arrival.email)
    except UniqueViolation:
        raise Twice from None


async def _owner(connection: Connection, vault: Vault, arrival: Arrival) -> Known | None:
    user_id = await oauth.owner_of(connection, vault, arrival.provider, arrival.subject)
    if user_id is None:
        return None
    person = await people.read(connection, vault, user_id)
    return await _known(connection, arrival.provider, person)


async def _known(connection: Connection, provider: str, person: Person | None) -> Known | None:
    if person is None:
        return None
    has_identity = await oauth.has_identity(connection, person.user_id, provider)
    return Known(person.user_id, person.email_verified, has_identity, person.deleting)
