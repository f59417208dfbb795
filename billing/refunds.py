"""Refunds that the operator asks for. What they move is booked like every refund at Stripe.

The row of a refund, whose id is the idempotency key that Stripe is asked under, is committed before
Stripe is asked. Whoever got no answer asks again under the same key, and no money goes back twice.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid4

from billing.known import AnyPool, Connection, Known
from billing.payments import CENT_MICROS
from billing.stripe_client import StripePayments

Note = Callable[[Connection, "Refund"], Awaitable[None]]
"""Writes down that it was asked for, in the transaction that remembers it."""

_PAYMENT = """
SELECT account_id, payment_intent, paid_micros - refunded_micros FROM payment
 WHERE id = %(payment)s FOR NO KEY UPDATE
"""
_INSERT = """
INSERT INTO payment_refund (account_id, refund_id, payment_id, amount_micros)
VALUES (%(account)s, %(id)s, %(payment)s, %(amount)s)
"""
_READ = """
SELECT r.account_id, r.refund_id, r.payment_id, p.payment_intent, r.amount_micros, r.stripe_refund
  FROM payment_refund r JOIN payment p ON p.account_id = r.account_id AND p.id = r.payment_id
 WHERE r.account_id = %(account)s AND r.refund_id = %(id)s
"""
_ANSWERED = """
UPDATE payment_refund SET stripe_refund = %(stripe)s
 WHERE account_id = %(account)s AND refund_id = %(id)s
"""
ALL: Final = 0
"""The amount that stands for all that is left."""


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as its row has it. Money in millionths of the payment's currency."""

    account_id: UUID
    id: UUID
    payment_id: UUID
    payment_intent: str
    amount_micros: int
    stripe_refund: str | None = None


class NoSuchPayment(Exception):
    """There is no payment of that id."""


class TooMuch(Exception):
    """That much is not left of the payment, or is not whole cents; *left_micros* is."""

    def __init__(self, left_micros: int) -> None:
        super().__init__(left_micros)
        self.left_micros = left_micros


class Refunds:
    """Refunds of payments. Raises what Stripe and the pool raise."""

    def __init__(self, pool: AnyPool, stripe: StripePayments) -> None:
        self._pool = pool
        self._stripe = stripe

    async def begin(self, payment_id: UUID, amount_micros: int, known: Known, note: Note) -> Refund:
        """Commit the row of a refund, or find that of the request's first time.

        Raises NoSuchPayment and TooMuch.
        """
        made = uuid4()
        async with self._pool.connection() as connection, connection.transaction():
            cursor = await connection.execute(_PAYMENT, {"payment": payment_id})
            row = await cursor.fetchone()
            if row is None:
                raise NoSuchPayment
            account_id, payment_intent, left = row
            before = await known(connection, made)
            if before is not None:
                return await _read(connection, account_id, before)
            amount = left if amount_micros == ALL else amount_micros
            if not 0 < amount <= left or amount % CENT_MICROS:
                raise TooMuch(left)
            refund = Refund(account_id, made, payment_id, payment_intent, amount)
            values = {"account": account_id, "id": made, "payment": payment_id, "amount": amount}
            await connection.execute(_INSERT, values)
            await note(connection, refund)
        return refund

    async def make(self, refund: Refund) -> Refund:
        """Ask Stripe for it, unless Stripe has answered before."""
        if refund.stripe_refund is not None:
            return refund
        cents = refund.amount_micros // CENT_MICROS
        made = await self._stripe.refund(refund.payment_intent, cents, f"refund-{refund.id.hex}")
        values = {"account": refund.account_id, "id": refund.id, "stripe": made}
        async with self._pool.connection() as connection:
            await connection.execute(_ANSWERED, values)
        return replace(refund, stripe_refund=made)


async def _read(connection: Connection, account_id: UUID, id_: UUID) -> Refund:
    cursor = await connection.execute(_READ, {"account": account_id, "id": id_})
    row = await cursor.fetchone()
    assert row is not None, "goes with its payment"
    return Refund(*row)
