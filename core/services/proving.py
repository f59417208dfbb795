"""What people must show before they do what cannot be undone: who they are, and their address."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from accounts import people
from accounts.passwords import TooBusy
from accounts.people import Person
from accounts.people_ground import PeopleGround
from accounts.sessions import SessionError, read_session
from accounts.throttle import Pace
from accounts.vault import Vault
from core.caller import Caller
from core.errors import GatewayError, Reason
from core.services.people_words import busy, too_often
from core.services.session_words import ended

FRESH_SECONDS: Final = 600.0
"""How long a sign-in counts as a proof of those who have no password: as the contract says."""
GUESSES: Final = Pace(10, timedelta(minutes=1))
"""Of the current password, for each person: whoever found an open browser may not try for long."""

Look: TypeAlias = Callable[[AsyncConnection[Any], Vault, UUID], Awaitable[Person | None]]

_VERIFIED = "SELECT email_verified_at IS NOT NULL FROM app_user WHERE user_id = %s"


async def require_proof(ground: PeopleGround, caller: Caller, current_password: str) -> str | None:
    """Raise REAUTHENTICATION_REQUIRED unless *caller* proves to be the person of the session.

    By the current password, or, where there is none, by having signed in a moment ago. Ask it
    before the transaction that it guards: it may wait for other passwords. Returns the hash of the
    password, for `still_proved` in that transaction.
    """
    person = None
    if caller.user_id is not None:
        async with ground.pool.connection() as connection:
            person = await people.read(connection, ground.vault, caller.user_id)
    if person is None or person.deleting:
        raise ended()
    if person.password_hash is None:
        if caller.seconds_since_proof > FRESH_SECONDS:
            raise _unproved("Sign in again: that must not be longer ago than 10 minutes.")
        return None
    if not current_password:
        raise _unproved("Give the current password.")
    who = person.user_id.hex
    async with ground.pool.connection() as connection:
        wait = await ground.throttle.take(connection, "proof", who, GUESSES)
    if wait is not None:
        raise too_often("proof", wait)
    try:
        right = await ground.passwords.is_right(current_password, person.password_hash)
    except TooBusy:
        raise busy() from None
    if not right:
        raise _unproved("The current password is another one.")
    async with ground.pool.connection() as connection:
        await ground.throttle.clear(connection, "proof", who)
    return person.password_hash


async def still_proved(
    connection: AsyncConnection[Any],
    ground: PeopleGround,
    caller: Caller,
    proved: str | None,
    look: Look = people.lock,
) -> Person:
    """The person, locked, if what `require_proof` found holds; else raises SESSION_INVALID.

    A password may have been reset meanwhile by the owner of the address, who ends all sessions.
    *look* is `people.read` where the transaction locks people later, in an order of its own.
    """
    if caller.user_id is None or caller.session_id is None:
        raise ended()
    person = await look(connection, ground.vault, caller.user_id)
    if person is None or person.deleting or person.password_hash != proved:
        raise ended()
    try:
        await read_session(connection, caller.user_id, caller.session_id)
    except SessionError:
        raise ended() from None
    return person


async def require_verified(pool: AsyncConnectionPool[Any], caller: Caller) -> None:
    """Raise EMAIL_NOT_VERIFIED for a person whose address is not proved yet; keys may pass."""
    if caller.user_id is None:
        return
    async with pool.connection() as connection:
        await require_verified_on(connection, caller)


async def require_verified_on(connection: AsyncConnection[Any], caller: Caller) -> None:
    """The same, in the transaction that it guards."""
    if caller.user_id is None:
        return
    cursor = await connection.execute(_VERIFIED, (caller.user_id,))
    row = await cursor.fetchone()
    if row is None or not row[0]:
        raise GatewayError(
            Reason.EMAIL_NOT_VERIFIED,
            "Open the link in the verification mail first, or have it sent again.",
        )


def _unproved(what: str) -> GatewayError:
    return GatewayError(Reason.REAUTHENTICATION_REQUIRED, what, parameter="current_password")
