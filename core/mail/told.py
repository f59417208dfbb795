"""What the log and the metrics are told of mail: kinds and our own words, never whose it is."""

from typing import ClassVar

from core.log import Event
from core.values import dataclass


@dataclass(frozen=True, slots=True)
class MailSent(Event):
    """A mail is with the mail service."""

    level: ClassVar[str] = "debug"
    outcome: ClassVar[str] = "sent"
    kind: str
    tries: int


@dataclass(frozen=True, slots=True)
class MailUnsent(Event):
    """A mail was not sent; only with the outcome `later` it will be."""

    level: ClassVar[str] = "warning"
    kind: str
    outcome: str
    fault: str
    tries: int


@dataclass(frozen=True, slots=True)
class AddressSuppressed(Event):
    """An address bounced or complained: it gets hardly any mail from now on."""

    cause: str
