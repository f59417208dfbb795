"""What sends mail: Resend or SMTP, behind one method."""

from typing import Protocol
from uuid import UUID

from core.mail.message import Message


class MailDelayed(Exception):
    """The mail service did not take it now: it may have, and the same key finds out."""

    def __init__(self, fault: str, retry_after: float = 0.0) -> None:
        super().__init__(fault)
        self.fault = fault
        """A word of ours."""
        self.retry_after = retry_after
        """Seconds that the service asks for; 0: it does not say."""


class MailRefused(Exception):
    """The mail service will never take it."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault
        """A word of ours."""


class Transport(Protocol):
    """Sends one mail at a time."""

    async def send(self, message: Message, key: UUID) -> str | None:
        """Hand it over under an idempotency key; the service's id of it, if it gives one.

        Raises MailDelayed and MailRefused.
        """
        ...

    async def close(self) -> None:
        """Hang up."""
        ...
