"""Mail by SMTP, for operators with a mail server of their own.

SMTP knows no idempotency keys: the Message-ID is the same for every try, and mail programs and
many servers show such a mail once.
"""

import asyncio
from typing import Final
from uuid import UUID

import aiosmtplib

from core.body import Secret
from core.mail.message import Message, as_email
from core.mail.transport import MailDelayed, MailRefused
from core.values import dataclass

_SECONDS: Final = 20.0
"""For one mail with its connection; some servers make strangers wait for seconds."""
_OURS: Final = frozenset((530, 534, 535, 538))
"""Replies that say our password or encryption is wrong: the operator's to mend."""


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """A mail server."""

    host: str
    port: int
    username: str
    password: Secret[str]
    use_tls: bool
    """TLS from the first byte (`smtps://`)."""
    start_tls: bool
    """TLS before anything else is said; the server must offer it."""


class Smtp:
    """A `core.mail.transport.Transport`."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings

    async def send(self, message: Message, key: UUID) -> str | None:
        """Hand it over; see Transport."""
        settings = self._settings
        try:
            async with asyncio.timeout(_SECONDS):
                await aiosmtplib.send(
                    as_email(message, key.hex),
                    sender=message.sender.address,
                    recipients=[message.to],
                    hostname=settings.host,
                    port=settings.port,
                    username=settings.username or None,
                    password=settings.password.reveal() or None,
                    use_tls=settings.use_tls,
                    start_tls=settings.start_tls,
                    timeout=_SECONDS,
                )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            raise _said(max(each.code for each in refused.recipients)) from None
        except aiosmtplib.SMTPResponseException as refused:
            raise _said(refused.code) from None
        except TimeoutError:
            raise MailDelayed("timeout") from None
        except (aiosmtplib.SMTPException, OSError):
            raise MailDelayed("unreachable") from None
        return None

    async def close(self) -> None:
        """Nothing is kept open."""


def _said(code: int) -> Exception:
    """What a reply means (RFC 5321 4.2.1): 5yz stays, but for what is ours to mend."""
    fault = f"reply_{code}"
    return MailRefused(fault) if 500 <= code < 600 and code not in _OURS else MailDelayed(fault)
