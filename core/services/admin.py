"""AdminService: what the operator may do. The interceptor has checked the admin token."""

import os
import re
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from grpc import aio

from accounts.keys import PUBLIC_BYTES, SECRET_BYTES, make_key
from accounts.registry import NAME_LENGTH, NewKey, Registry
from accounts.security_log import OPERATOR, Action
from billing.ledger import AccountUnknown, Balance, Credit
from core.authentication import digest_of
from core.caller import current_network
from core.engine.ids import new_id
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from core.services.channels import Channels
from core.services.money import MICROS_PER_CREDIT, credits_text
from core.services.operator_words import unknown_account
from reapi.v1 import admin_service_pb2 as pb
from storage.commits import Commit, Commits, Refused

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

MAXIMUM_CREDITS = 1_000_000_000
REQUEST_ID_LENGTH = 255
_GRANT = "admin-grant"
_NOTE = "admin-grant-note"
"""Of ids that do not tell the transfer: notes outlive the account that they were of."""
_CREDITS = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,3}))?\Z")


class AdminService:
    """Serves `reapi.v1.AdminService`."""

    def __init__(
        self, registry: Registry, commits: Commits, keyring: Keyring, channels: Channels
    ) -> None:
        self._registry = registry
        self._commits = commits
        self._keyring = keyring
        self._channels = channels

    async def CreateAccount(
        self, request: pb.CreateAccountRequest, context: Context
    ) -> pb.CreateAccountResponse:
        """Make an account and its first key, which is shown only here."""
        name = request.name.strip()
        if not name:
            raise GatewayError(
                Reason.MISSING_PARAMETER, "Give the account a name.", parameter="name"
            )
        if len(name) > NAME_LENGTH or "\0" in name:
            raise GatewayError(
                Reason.INVALID_PARAMETER,
                f"A name has at most {NAME_LENGTH} characters.",
                parameter="name",
            )
        account_id = uuid4()
        text = await create_key(self._registry, self._keyring, account_id, name)
        return pb.CreateAccountResponse(id=account_id.hex, api_key=text)

    async def GrantCredits(
        self, request: pb.GrantCreditsRequest, context: Context
    ) -> pb.GrantCreditsResponse:
        """Give promotional credits; the same request_id gives them once."""
        account_id = await self._account(request.id)
        amount = _micros(request.credits)
        if not 1 <= len(request.request_id) <= REQUEST_ID_LENGTH:
            raise GatewayError(
                Reason.MISSING_PARAMETER,
                "Send a request_id of 1 to 255 characters, so that a repeat gives nothing twice.",
                parameter="request_id",
            )
        parts = (account_id.bytes, request.request_id.encode())
        digest = self._keyring.oldest(_GRANT, *parts)  # it stays the same when a key is added
        credit = Credit(UUID(bytes=digest[:16], version=4), account_id, amount)
        verdict = await self._commits.commit(Commit((credit,)))
        if isinstance(verdict, Refused) and isinstance(verdict.refusal, AccountUnknown):
            raise unknown_account()
        if isinstance(verdict, Refused):
            raise GatewayError(
                Reason.IDEMPOTENCY_MISMATCH,
                "This request_id was used for another grant.",
                parameter="request_id",
            )
        note_id = UUID(bytes=self._keyring.oldest(_NOTE, *parts)[:16], version=4)
        await self._registry.note(_granted(credit, note_id))
        balance = verdict.answers[0]
        assert isinstance(balance, Balance)
        return pb.GrantCreditsResponse(balance=credits_text(balance.posted_micros))

    async def ListChannels(
        self, request: pb.ListChannelsRequest, context: Context
    ) -> pb.ListChannelsResponse:
        """One page of the channels, with their health in this process."""
        return self._channels.page(request)

    async def GetChannel(
        self, request: pb.GetChannelRequest, context: Context
    ) -> pb.GetChannelResponse:
        """One channel."""
        return pb.GetChannelResponse(channel=self._channels.get(request.name))

    async def UpdateChannel(
        self, request: pb.UpdateChannelRequest, context: Context
    ) -> pb.UpdateChannelResponse:
        """Drain, disable, open or re-weight one."""
        return pb.UpdateChannelResponse(channel=await self._channels.update(request))

    async def _account(self, text: str) -> UUID:
        try:
            account_id = UUID(hex=text)
        except ValueError:
            account_id = UUID(int=0)
        if not await self._registry.exists(account_id):
            raise unknown_account()
        return account_id


def _granted(credit: Credit, note_id: UUID) -> Action:
    """The note of a grant; its id follows from the request, so that a repeat is noted once."""
    return Action(
        note_id,
        credit.account_id,
        "credits.grant",
        f"transactions/{credit.transfer_id.hex}",
        OPERATOR,
        network=current_network(),
        changes={"credited_micros": str(credit.amount_micros)},
    )


async def create_key(
    registry: Registry,
    keyring: Keyring,
    account_id: UUID,
    name: str,
    *,
    requests_per_minute: int = 60_000,
    concurrency: int = 2_000,
) -> str:
    """Make an account with one key; returns the key's text."""
    key = make_key(os.urandom(PUBLIC_BYTES + SECRET_BYTES))
    new = NewKey(
        uuid4(),
        key.public_id,
        digest_of(keyring, key),
        requests_per_minute=requests_per_minute,
        concurrency=concurrency,
    )
    await registry.open_account(account_id, name, new, new_id(), current_network())
    return key.render()


def _micros(text: str) -> int:
    """Credits as a decimal string, in micro-dollars; at most three places fit."""
    found = _CREDITS.match(text)
    amount = int(found[1]) * MICROS_PER_CREDIT + int((found[2] or "").ljust(3, "0")) if found else 0
    if not 0 < amount <= MAXIMUM_CREDITS * MICROS_PER_CREDIT:
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            f"credits must be a decimal string above 0 and up to {MAXIMUM_CREDITS}, "
            "with at most three decimals.",
            parameter="credits",
        )
    return amount
