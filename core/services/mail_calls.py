"""AccountService: stopping letters, the contact form, and what the mail service posts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias

from grpc import aio

from accounts.addresses import is_address
from accounts.mail_queue import Kind, Letter, post
from accounts.mail_store import Mails
from accounts.throttle import Pace, Throttle
from accounts.unsubscribing import person_of, unsubscribe
from accounts.vault import Vault
from core.body import Secret
from core.bot_check import BotCheck
from core.caller import current_network, current_subject
from core.engine.ids import new_id
from core.errors import GatewayError, Reason
from core.log import Emit
from core.mail.posted import BadSignature, Posted, verified
from core.mail.told import AddressSuppressed
from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_LONGEST_NAME: Final = 100
_LONGEST_SUBJECT: Final = 200
_LONGEST_TEXT: Final = 10_000
"""Characters, all three as the contract says."""
_LARGEST_EVENT: Final = 256 * 1024
"""Bytes, likewise; events are 1 KiB."""
BY_ADDRESS: Final = Pace(3, timedelta(minutes=20))
"""How often one address may write: a question, what was forgotten in it, and thanks."""
BY_NETWORK: Final = Pace(5, timedelta(minutes=10))
"""How often one network may: several people of an office."""

_LOG_CONTACT = """
INSERT INTO rights_request (id, kind, done_at) VALUES (%s, 'contact', clock_timestamp())
"""


@dataclass(frozen=True, slots=True)
class ContactDesk:
    """What the contact form needs."""

    address: str
    """Where it goes; empty: there is none."""
    throttle: Throttle
    bot_check: BotCheck


class MailCalls:
    """Serves Unsubscribe and SendContactMessage. Neither needs a credential."""

    def __init__(self, pool: Pool, vault: Vault, desk: ContactDesk) -> None:
        self._pool = pool
        self._vault = vault
        self._desk = desk

    async def Unsubscribe(
        self, request: pb.UnsubscribeRequest, context: Context
    ) -> pb.UnsubscribeResponse:
        """Stop all letters to whoever the token names; again and again, if need be."""
        user_id = person_of(self._vault, request.token)
        if user_id is None:
            raise GatewayError(
                Reason.TOKEN_INVALID,
                "The link is not one of ours, or incomplete. Copy all of it.",
                parameter="token",
            )
        async with self._pool.connection() as connection, connection.transaction():
            await unsubscribe(connection, user_id, new_id(), new_id())
        return pb.UnsubscribeResponse()

    async def SendContactMessage(
        self, request: pb.SendContactMessageRequest, context: Context
    ) -> pb.SendContactMessageResponse:
        """Mail the operator; nothing of it stays here."""
        desk = self._desk
        if not desk.address:
            raise GatewayError(
                Reason.ENDPOINT_NOT_AVAILABLE,
                "This deployment has no contact form.",
                metadata={"endpoint": "AccountService.SendContactMessage"},
            )
        _check(request)
        await desk.bot_check.check(request.bot_check_token, current_network())
        await self._pace("contact.address", request.email.lower(), BY_ADDRESS)
        await self._pace("contact.network", current_subject(), BY_NETWORK)
        facts = {
            "email": request.email,
            "display_name": request.display_name,
            "subject": request.subject,
            "text": request.text,
        }
        letter = Letter(new_id(), Kind.CONTACT, desk.address, facts)
        async with self._pool.connection() as connection, connection.transaction():
            await post(connection, self._vault, letter)
            await connection.execute(_LOG_CONTACT, (new_id(),))
        return pb.SendContactMessageResponse()

    async def _pace(self, what: str, who: str, pace: Pace) -> None:
        async with self._pool.connection() as connection:
            seconds = await self._desk.throttle.take(connection, what, who, pace)
        if seconds is not None:
            raise GatewayError(
                Reason.RATE_LIMIT_EXCEEDED,
                "Too many messages; try again later.",
                retry_after=seconds,
                metadata={"limit": "contact_messages"},
            )


class MailEvents:
    """Serves IngestMailEvent, where the mail service signs events."""

    def __init__(
        self,
        mails: Mails,
        secrets: Sequence[Secret[str]],
        emit: Emit,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._mails = mails
        self._secrets = secrets
        self._emit = emit
        self._now = now

    async def IngestMailEvent(
        self, request: pb.IngestMailEventRequest, context: Context
    ) -> pb.IngestMailEventResponse:
        """Suppress the address of a mail that came back; the same event again changes nothing."""
        if len(request.payload) > _LARGEST_EVENT:
            raise GatewayError(Reason.REQUEST_TOO_LARGE, "The event is too large.")
        posted = Posted(request.payload, request.event_id, request.signed_at, request.signature)
        try:
            returned = verified(posted, self._secrets, self._now())
        except BadSignature:
            raise GatewayError(
                Reason.INVALID_PARAMETER,
                "The signature does not fit the event, or is too old.",
                parameter="signature",
            ) from None
        if returned is not None:
            is_ours = await self._mails.suppress(returned.provider_id, returned.cause)
            if is_ours:
                self._emit(AddressSuppressed(returned.cause))
        return pb.IngestMailEventResponse()


def _check(request: pb.SendContactMessageRequest) -> None:
    if not is_address(request.email):
        raise _unfit("email", "must be an e-mail address")
    if len(request.display_name) > _LONGEST_NAME:
        raise _unfit("display_name", f"may have at most {_LONGEST_NAME} characters")
    if len(request.subject) > _LONGEST_SUBJECT:
        raise _unfit("subject", f"may have at most {_LONGEST_SUBJECT} characters")
    if not request.text.strip():
        raise GatewayError(Reason.MISSING_PARAMETER, "text must be set.", parameter="text")
    if len(request.text) > _LONGEST_TEXT:
        raise _unfit("text", f"may have at most {_LONGEST_TEXT} characters")


def _unfit(name: str, what: str) -> GatewayError:
    return GatewayError(Reason.INVALID_PARAMETER, f"{name} {what}.", parameter=name)
