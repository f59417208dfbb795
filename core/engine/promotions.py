"""Promotional codes: redeemed by accounts, made and stopped by the operator.

A code is known by its keyed digest. Redeeming is one commit: the redemption, the count and the
credits; how often an account may try is counted before.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg import AsyncConnection

from accounts.security_log import NOBODYS, OPERATOR, Action, note
from billing import promo_codes_sql as rows
from billing.ledger import Balance, Credit
from billing.promo_codes import CODE_BYTES, NotRedeemable, Redemption, Why, read, write
from billing.promo_codes_sql import NewPromoCode, PromoCodes, PromoRow
from core.body import Secret
from core.caller import current_network
from core.engine.ids import new_id
from core.engine.repeats import Repeats, Request
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from core.sealing import Sealer
from core.values import dataclass
from storage.commits import Commit, Commits, Refused
from storage.pool import Pool

PURPOSE: Final = "promo-code"
"""Of the digests of codes, and of the seal over what the operator calls them."""
_REFUSALS: Final = {
    Why.EXPIRED: "The code has expired.",
    Why.USED_UP: "The code was redeemed as often as it may be.",
    Why.REDEEMED: "The code was redeemed by this account before.",
}

Connection = AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A code to be made."""

    credited_micros: int
    redemption_limit: int
    expires_at: datetime | None
    display_name: Secret[str]


@dataclass(frozen=True, slots=True)
class Promotion:
    """A code as the operator sees it."""

    row: PromoRow
    display_name: Secret[str]


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a code gave."""

    transfer_id: UUID
    amount_micros: int
    balance: Balance
    created_at: datetime


class Promotions:
    """Codes of this deployment. Raises GatewayError and what pool and committer raise."""

    def __init__(self, pool: Pool, commits: Commits, keyring: Keyring) -> None:
        self._pool = pool
        self._codes = PromoCodes(pool)
        self._commits = commits
        self._keyring = keyring
        self._repeats = Repeats(keyring)
        self._sealer = Sealer(keyring, PURPOSE)

    async def begin(self, request: Request) -> UUID:
        """The transfer id of a redemption: a repeat of the request has that of its first time."""
        made = uuid4()
        async with self._pool.connection() as connection, connection.transaction():
            return await self._repeats.found(connection, request, made) or made

    async def redeem(self, account_id: UUID, typed: Secret[str], transfer_id: UUID) -> Redeemed:
        """Give the account what the code gives."""
        seconds = await self._codes.attempt(account_id)
        if seconds is not None:
            raise GatewayError(
                Reason.RATE_LIMIT_EXCEEDED,
                f"More than {rows.TRIES} codes were tried within a minute.",
                retry_after=seconds,
                metadata={"limit": "promo_codes"},
            )
        code = read(typed.reveal())
        found = None if code is None else await self._codes.find(self._digests(code))
        if found is None:
            raise no_code()
        promo_id, amount = found
        redemption = Redemption(account_id, promo_id, transfer_id)
        credit = Credit(transfer_id, account_id, amount, is_promotion=True)
        verdict = await self._commits.commit(Commit((redemption, credit)))
        if isinstance(verdict, Refused):
            raise _refused(verdict.refusal)
        balance = verdict.answers[1]
        assert isinstance(balance, Balance)
        moment = await self._codes.moment(account_id, transfer_id)
        return Redeemed(transfer_id, amount, balance, moment)

    async def create(self, request: Request, wanted: Wanted) -> tuple[Promotion, Secret[str]]:
        """Make a code and show it, once: a repeat gives an empty one."""
        id_, text = new_id(), write(os.urandom(CODE_BYTES))
        code = read(text)
        assert code is not None
        new = NewPromoCode(
            id_,
            wanted.expires_at,
            wanted.credited_micros,
            wanted.redemption_limit,
            self._keyring.mac(PURPOSE, code.encode()),
            self._sealer.seal(wanted.display_name.reveal(), id_.bytes),
        )
        async with self._pool.connection() as connection, connection.transaction():
            before = await self._repeats.found(connection, request, id_)
            if before is not None:
                known = await rows.get(connection, before)
                assert known is not None, "codes are never deleted"
                return self._promotion(known), Secret("")
            row = await rows.insert(connection, new)
            changes = {
                "credited_micros": str(new.credited_micros),
                "redemption_limit": str(new.redemption_limit),
            }
            await _note(connection, "promo_code.create", id_, changes)
        return self._promotion(row), Secret(text)

    async def page(self, limit: int, after: UUID | None) -> Sequence[Promotion]:
        """One page, newest first."""
        return [self._promotion(row) for row in await self._codes.page(limit, after)]

    async def disable(self, request: Request, id_: UUID) -> Promotion:
        """Stop a code; what it gave stays."""
        async with self._pool.connection() as connection, connection.transaction():
            before = await self._repeats.found(connection, request, id_)
            row = await rows.disable(connection, id_)
            if row is None:
                raise no_code()
            if before is None:
                await _note(connection, "promo_code.disable", id_, {})
        return self._promotion(row)

    def _digests(self, code: str) -> Sequence[bytes]:
        return self._keyring.candidates(PURPOSE, code.encode())

    def _promotion(self, row: PromoRow) -> Promotion:
        return Promotion(row, self._sealer.open(row.display_name, row.id.bytes))


def no_code() -> GatewayError:
    """The one answer for a code that there is not, or not any more."""
    return GatewayError(Reason.NOT_FOUND, "No such code.", metadata={"resource": "promo_code"})


def _refused(refusal: object) -> GatewayError:
    why = refusal.why if isinstance(refusal, NotRedeemable) else Why.REDEEMED
    if why is Why.UNKNOWN:
        return no_code()
    return GatewayError(
        Reason.CONFLICT, _REFUSALS[why], metadata={"resource": "promo_code", "cause": why}
    )


async def _note(connection: Connection, action: str, id_: UUID, changes: dict[str, str]) -> None:
    """Write it into the audit log."""
    target = f"promo_codes/{id_.hex}"
    network = current_network()
    done = Action(new_id(), NOBODYS, action, target, OPERATOR, network=network, changes=changes)
    await note(connection, done)
