"""Everything about mail of one process, wired: the loops, and the calls of AccountService."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from accounts.mail_store import Mails
from accounts.throttle import Throttle
from accounts.vault import Vault
from core.bot_check import BotCheck
from core.ground import CoreConfig, Ground
from core.log import Emit
from core.mail.content import Links
from core.mail.post_office import Desk, PostOffice
from core.mail.resend import Resend, ResendSettings
from core.mail.smtp import Smtp
from core.mail.telling import Telling
from core.mail.transport import Transport
from core.services.mail_calls import ContactDesk, MailCalls, MailEvents
from core.settings_mail import MailSettings
from core.values import dataclass


@dataclass(frozen=True, slots=True)
class MailRoom:
    """What the contract and the supervisor need."""

    calls: tuple[object, ...]
    loops: tuple[tuple[str, Callable[[], Awaitable[None]]], ...]


def open_mail_room(
    config: CoreConfig,
    stack: AsyncExitStack,
    ground: Ground,
    vault: Vault,
    bot_check: BotCheck,
    emit: Emit,
) -> MailRoom:
    """Open it; the stack closes it. Nothing is sent yet."""
    settings, pool = config.people.mail, ground.pool
    mails, desk = Mails(pool, vault), _desk(settings, stack)
    links = Links(config.public_url)
    office = PostOffice(mails, vault, desk, links, emit, random.random)
    contact = "" if settings is None else settings.contact
    calls: tuple[object, ...] = (
        MailCalls(pool, vault, ContactDesk(contact, Throttle(vault), bot_check)),
    )
    if settings is not None and settings.webhook_secrets:
        calls += (MailEvents(mails, settings.webhook_secrets, emit),)
    telling = Telling(pool, vault, config.keyring)
    return MailRoom(calls, (("mail", office.keep), ("mail about money", telling.keep)))


def _desk(settings: MailSettings | None, stack: AsyncExitStack) -> Desk | None:
    """The connection to the mail service; None where none is configured."""
    if settings is None:
        return None
    service = settings.service
    transport: Transport = Resend(service) if isinstance(service, ResendSettings) else Smtp(service)
    stack.push_async_callback(transport.close)
    return Desk(transport, settings.sender)
