"""How many mails anybody may have sent: nobody's inbox is filled from here."""

from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from accounts.people_ground import PeopleGround
from accounts.throttle import Pace
from core.caller import current_subject
from core.services.people_words import too_often

ADDRESS: Final = Pace(4, timedelta(minutes=15))
"""Mails for one reason to one address, whoever asks, signed up or not. Beyond it none is sent, and
who asks is told the same: the links of the last ones still work."""
NETWORK: Final = Pace(20, timedelta(minutes=1))
"""Calls that may send mail, from one network: an office may come at once, a script not go on."""

CHANGES: Final = Pace(3, timedelta(minutes=20))
"""Of one person's address: each mails the old one, which must always hear of it."""


class Cause(StrEnum):
    """Why a mail is asked for. Each has a count of its own: nobody uses up a person's mails for a
    new password with others.
    """

    SIGN_UP = "mail.sign_up"
    """Verifies the address, or says that it has an account already."""
    VERIFY = "mail.verify"
    """Verifies it, asked for by who is signed in."""
    CHANGE = "mail.change"
    """Verifies a new one, or says that it has an account already."""
    RESET = "mail.reset"


class MailPaces:
    """Counts, for calls that send mail to an address that anybody may type."""

    def __init__(self, ground: PeopleGround) -> None:
        self._ground = ground

    async def require_network(self) -> None:
        """Count a call from the caller's network; raises RATE_LIMIT_EXCEEDED."""
        async with self._ground.pool.connection() as connection:
            wait = await self._ground.throttle.take(
                connection, "mail.network", current_subject(), NETWORK
            )
        if wait is not None:
            raise too_often("mail", wait)

    async def may_send(self, cause: Cause, address: str) -> bool:
        """Count a mail to *address*; False: it has had enough for now."""
        return await self._wait(cause, address) is None

    async def require_address(self, cause: Cause, address: str) -> None:
        """The same for the address of who asks, who may know; raises RATE_LIMIT_EXCEEDED."""
        wait = await self._wait(cause, address)
        if wait is not None:
            raise too_often("mail", wait)

    async def require_person(self, user_id: UUID) -> None:
        """Count a change of the person's address; raises RATE_LIMIT_EXCEEDED."""
        async with self._ground.pool.connection() as connection:
            wait = await self._ground.throttle.take(
                connection, "mail.changes", user_id.hex, CHANGES
            )
        if wait is not None:
            raise too_often("mail", wait)

    async def _wait(self, cause: Cause, address: str) -> float | None:
        async with self._ground.pool.connection() as connection:
            return await self._ground.throttle.take(connection, cause, address.lower(), ADDRESS)
