"""The loop that sends mail: claims what is due, composes it, hands it over, and forgets it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from accounts.letter import Kind, Letter
from accounts.mail_rules import UNSUPPRESSED, is_hopeless, is_wanted, pause_seconds
from accounts.mail_store import Mails, Queued
from accounts.unsubscribing import unsubscribe_token
from accounts.vault import Vault
from core.log import Emit
from core.mail.content import Links
from core.mail.message import Sender, UnfitLetter, compose
from core.mail.told import MailSent, MailUnsent
from core.mail.transport import MailDelayed, MailRefused, Transport
from core.sealing import UnsealError
from storage.pool import StorageUnavailable

LOOK_SECONDS: Final = 1.0
"""Between two looks for mail: somebody waits for a link."""
AT_ONCE: Final = 2
"""Mails that one process hands over at a time: Resend takes two requests a second by default."""
LONGEST_REST_SECONDS: Final = 60.0
"""For which nothing at all is sent when the mail service asks for it: a quota that is spent for the
day must not keep everything from being looked at."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What mails are sent with."""

    transport: Transport
    sender: Sender


class PostOffice:
    """Sends the mail of the queue. Without a *desk* it is thrown away, and the log says so.

    *chance* gives numbers from 0 to 1.
    """

    def __init__(
        self,
        mails: Mails,
        vault: Vault,
        desk: Desk | None,
        links: Links,
        emit: Emit,
        chance: Callable[[], float],
    ) -> None:
        self._mails = mails
        self._vault = vault
        self._desk = desk
        self._links = links
        self._emit = emit
        self._chance = chance

    async def keep(self) -> None:
        """Send for ever; without a database it is done later."""
        while True:
            rest = 0.0
            with suppress(StorageUnavailable):
                rest = await self.run()
            await asyncio.sleep(max(rest, LOOK_SECONDS))

    async def run(self) -> float:
        """Send what is due; for how many seconds the mail service wants to be left alone."""
        while found := await self._mails.claim(AT_ONCE):
            ends = await asyncio.gather(*map(self._end, found), return_exceptions=True)
            for end in ends:
                if isinstance(end, BaseException):
                    raise end
            rest = max(end for end in ends if not isinstance(end, BaseException))
            if rest:
                return rest
        return 0.0

    async def _end(self, item: Queued) -> float:
        """Bring one mail to its end, or nearer to it; how long the service wants to be left."""
        if self._desk is None:
            return await self._given_up(item, "unsent", "not_configured")
        try:
            letter = self._mails.opened(item)
        except UnsealError:
            return await self._given_up(item, "refused", "key_is_gone")
        turned_down = await self._turned_down(item, letter)
        if turned_down:
            return await self._given_up(item, turned_down, turned_down)
        stop = "" if item.user_id is None else unsubscribe_token(self._vault, item.user_id)
        try:
            message = compose(letter, self._desk.sender, self._links, stop)
            provider_id = await self._desk.transport.send(message, item.id)
        except UnfitLetter:
            return await self._given_up(item, "refused", "unfit_letter")
        except MailRefused as refused:
            return await self._given_up(item, "refused", refused.fault)
        except MailDelayed as delayed:
            return await self._later(item, delayed)
        await self._mails.sent(item, provider_id)
        self._emit(MailSent(item.kind, item.tries))
        return 0.0

    async def _turned_down(self, item: Queued, letter: Letter) -> str:
        """Why it is not sent at all; empty: it is."""
        if item.user_id is not None:
            if item.wishes is None:
                return "" if item.kind is Kind.ACCOUNT_ERASED else "person_is_gone"
            if not is_wanted(item.kind, item.wishes):
                return "unwanted"
        if item.kind not in UNSUPPRESSED and await self._mails.is_suppressed(letter.to):
            return "suppressed"
        return ""

    async def _given_up(self, item: Queued, outcome: str, fault: str) -> float:
        await self._mails.give_up(item, fault)
        self._emit(MailUnsent(item.kind, outcome, fault, item.tries))
        return 0.0

    async def _later(self, item: Queued, delayed: MailDelayed) -> float:
        pause = pause_seconds(item.tries, self._chance(), delayed.retry_after)
        if is_hopeless(item.asked_seconds, pause):
            return await self._given_up(item, "expired", delayed.fault)
        await self._mails.later(item, delayed.fault, pause)
        self._emit(MailUnsent(item.kind, "later", delayed.fault, item.tries))
        return min(delayed.retry_after, LONGEST_REST_SECONDS)
