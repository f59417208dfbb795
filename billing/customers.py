"""Who an account is at Stripe: one customer for each, made when it first pays.

Nothing of a person is told to Stripe here: a customer carries the account's id. What its owner
types on the payment page stays there.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from billing.known import AnyPool
from billing.stripe_client import StripePayments

_KEY_SECONDS: Final = 3600
"""How long Stripe is asked under one key: a repeat makes no other customer, and an answer of 500,
which Stripe repeats under the same key, bars an account from paying for an hour at most."""


_FIND = "SELECT customer_id FROM stripe_customer WHERE account_id = %s"
_KEEP = """
INSERT INTO stripe_customer (account_id, customer_id) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""


class Customers:
    """The customers of accounts. Raises what Stripe and the pool raise."""

    def __init__(self, pool: AnyPool, stripe: StripePayments, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._stripe = stripe
        self._now = now

    async def find(self, account_id: UUID) -> str | None:
        """The customer of an account that has one."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_FIND, (account_id,))).fetchone()
        return None if row is None else str(row[0])

    async def made(self, account_id: UUID) -> str:
        """The customer of an account; made now if there is none.

        Of several that make one at once, Stripe answers the same to all, and the row says which
        one it is for ever.
        """
        if (known := await self.find(account_id)) is not None:
            return known
        hour = int(self._now().timestamp()) // _KEY_SECONDS
        new = await self._stripe.create_customer(account_id, f"customer-{account_id.hex}-{hour}")
        async with self._pool.connection() as connection:
            await connection.execute(_KEEP, (account_id, new))
        found = await self.find(account_id)
        assert found is not None
        return found
