"""Pages of Stripe on which credits are paid: made once for each request, read as often as asked.

The row of a checkout, with the idempotency key that Stripe is asked under, is committed before
Stripe is asked. Whoever got no answer asks again under the same key and gets the same page; nobody
was ever shown another. Credits come by the one path of payments, never by a page that returned.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.rows import TupleRow

from billing.customers import Customers
from billing.known import AnyPool, Connection, Guard, Known
from billing.packs import CURRENCY, Sale, cents
from billing.stripe_client import PaymentRefused, PaymentServiceUnavailable, StripePayments
from billing.stripe_objects import CheckoutOrder, CheckoutSnapshot, Origin, Purchase

OPEN_TIME: Final = timedelta(hours=23)
"""How long a page can be paid: less than the 24 hours that Stripe allows at most."""
KEY_TIME: Final = timedelta(hours=1)
"""How long Stripe is asked under one key. It remembers a key for a day at least, with an answer
of 500 too; and a page wants half an hour of life when it is made."""
MAXIMUM_OPEN: Final = 20
"""Of one account: each is a page at Stripe, and a row here."""


_INSERT = """
INSERT INTO checkout_session (account_id, id, stripe_key, asked_at, expires_at, price_micros,
                              credited_micros, saves_card, product, display_name)
VALUES (%(account)s, %(id)s, %(key)s, %(now)s, %(expires)s, %(price)s,
        %(credited)s, %(saves_card)s, %(product)s, %(display_name)s)
"""
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('checkouts'), hashtext(%(account)s::text))"
# A page that was paid is noted in its row only when somebody reads it.
_COUNT_OPEN = """
SELECT count(*) FROM checkout_session c
 WHERE c.account_id = %(account)s AND c.state IN ('creating', 'open') AND c.expires_at > %(now)s
   AND NOT EXISTS (SELECT FROM payment p
                    WHERE p.account_id = c.account_id AND p.reference = c.id
                      AND p.credited_micros > 0)
"""
_COLUMNS = """
account_id, id, stripe_key, asked_at, expires_at, price_micros, credited_micros, saves_card, state,
product, display_name, stripe_session
"""
_STATE: Final = 8
"""Where the state stands among them."""
_GET = f"""
SELECT {_COLUMNS} FROM checkout_session WHERE account_id = %(account)s AND id = %(id)s
"""  # noqa: S608 (constants of ours)
# Only the first of several that found the old key gone makes a new one.
_RENEW = f"""
UPDATE checkout_session SET stripe_key = %(key)s, asked_at = %(now)s, expires_at = %(expires)s
 WHERE account_id = %(account)s AND id = %(id)s AND state = 'creating' AND stripe_key = %(old)s
RETURNING {_COLUMNS}
"""  # noqa: S608 (likewise)
_OPENED = """
UPDATE checkout_session SET state = 'open', stripe_session = %(session)s
 WHERE account_id = %(account)s AND id = %(id)s AND state = 'creating'
"""
# Those that may be paid yet, or were, and nothing is booked. Of one whose time is over, only the
# sweep may still hear: it has had an hour.
_PAGES = """
SELECT c.stripe_session FROM checkout_session c
 WHERE c.account_id = %(account)s AND c.state = 'open'
   AND c.expires_at > %(now)s::timestamptz - interval '1 hour'
   AND NOT EXISTS (SELECT FROM payment p
                    WHERE p.account_id = c.account_id AND p.reference = c.id
                      AND p.credited_micros > 0)
"""
_LEAVING = "SELECT FROM account WHERE account_id = %(account)s AND deleting_at IS NOT NULL"
_ENDED = """
UPDATE checkout_session SET state = %(state)s
 WHERE account_id = %(account)s AND id = %(id)s AND state = 'open'
"""


class TooManyOpen(Exception):
    """The account has MAXIMUM_OPEN pages that can be paid; nothing was made."""


class CheckoutState(StrEnum):
    """Where a checkout stands."""

    CREATING = "creating"
    OPEN = "open"
    PAID = "paid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout as its row has it."""

    account_id: UUID
    id: UUID
    stripe_key: UUID
    asked_at: datetime
    expires_at: datetime
    price_micros: int
    credited_micros: int
    saves_card: bool
    state: CheckoutState
    product: str
    display_name: str
    stripe_session: str | None

    @property
    def purchase(self) -> Purchase:
        """What Stripe is told, and tells again with the payment."""
        return Purchase(
            account_id=self.account_id,
            reference=self.id,
            origin=Origin.CHECKOUT,
            product=self.product,
            price=cents(self.price_micros),
            currency=CURRENCY.lower(),
            credited_micros=self.credited_micros,
        )


@dataclass(frozen=True, slots=True)
class Pages:
    """Where the payment page goes when it was paid, and when not."""

    success_url: str
    cancel_url: str


class Checkouts:
    """Checkouts of accounts. Raises what Stripe and the pool raise."""

    def __init__(
        self,
        pool: AnyPool,
        stripe: StripePayments,
        customers: Customers,
        now: Callable[[], datetime],
    ) -> None:
        self._pool = pool
        self._stripe = stripe
        self._customers = customers
        self._now = now

    async def begin(
        self,
        account_id: UUID,
        sale: Callable[[], Sale],
        known: Known,
        guard: Guard,
        *,
        saves_card: bool,
    ) -> Checkout:
        """Commit the row of a new checkout, or find that of the request's first time.

        *sale* is asked only for a new one. Raises TooManyOpen, and what *sale* raises.
        """
        made = uuid4()
        async with self._pool.connection() as connection, connection.transaction():
            await guard(connection)
            before = await known(connection, made)
            if before is None:
                await self._insert(connection, account_id, made, sale(), saves_card=saves_card)
            found = await _read(connection, {"account": account_id, "id": before or made})
        assert found is not None, "kept for longer than a request is remembered"
        return found

    async def open(self, checkout: Checkout, pages: Pages) -> tuple[Checkout, CheckoutSnapshot]:
        """The page of a checkout: made now, or the one that there is."""
        if checkout.stripe_session is not None:
            return checkout, await self._stripe.checkout(checkout.stripe_session)
        if self._now() - checkout.asked_at > KEY_TIME:
            checkout = await self._renewed(checkout)
        order = CheckoutOrder(
            purchase=checkout.purchase,
            customer=await self._customers.made(checkout.account_id),
            display_name=checkout.display_name,
            success_url=pages.success_url,
            cancel_url=pages.cancel_url,
            expires_at=int(checkout.expires_at.timestamp()),
            saves_card=checkout.saves_card,
        )
        snapshot = await self._stripe.create_checkout(order, f"checkout-{checkout.stripe_key.hex}")
        values = {"account": checkout.account_id, "id": checkout.id, "session": snapshot.id}
        async with self._pool.connection() as connection:
            await connection.execute(_OPENED, values)
            is_leaving = await (await connection.execute(_LEAVING, values)).fetchone() is not None
        if is_leaving:  # its pages may have been closed before this one was known
            await self._stripe.expire_checkout(snapshot.id)
            raise PaymentRefused("account_deleted")
        return replace(checkout, state=CheckoutState.OPEN, stripe_session=snapshot.id), snapshot

    async def close_all(self, account_id: UUID) -> bool:
        """Have none of an account's pages paid any more; whether that is so now.

        A page that was paid a moment ago stays paid; that money is to be booked first.
        """
        values = {"account": account_id, "now": self._now()}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_PAGES, values)).fetchall()
        try:
            return all([await self._is_closed(session) for (session,) in rows])
        except PaymentServiceUnavailable:
            return False

    async def _is_closed(self, session: str) -> bool:
        """Whether a page, of which nothing is booked, can and could not be paid."""
        try:
            await self._stripe.expire_checkout(session)
        except PaymentRefused:
            try:
                return (await self._stripe.checkout(session)).payment_status != "paid"
            except PaymentRefused:
                return True
        return True

    async def get(self, account_id: UUID, id_: UUID) -> Checkout | None:
        """A checkout of that account."""
        async with self._pool.connection() as connection:
            return await _read(connection, {"account": account_id, "id": id_})

    async def page(self, checkout: Checkout) -> CheckoutSnapshot | None:
        """What Stripe says of it now; None: it never answered that it made it."""
        if checkout.stripe_session is None:
            return None
        return await self._stripe.checkout(checkout.stripe_session)

    async def end(self, checkout: Checkout, state: CheckoutState) -> Checkout:
        """Note that it was paid and credited, or can no longer be paid."""
        values = {"account": checkout.account_id, "id": checkout.id, "state": state}
        async with self._pool.connection() as connection:
            await connection.execute(_ENDED, values)
        return replace(checkout, state=state)

    async def _insert(
        self, connection: Connection, account_id: UUID, id_: UUID, sale: Sale, *, saves_card: bool
    ) -> None:
        now = self._now()
        values = {
            "account": account_id,
            "id": id_,
            "key": uuid4(),
            "now": now,
            "expires": now + OPEN_TIME,
            "price": sale.price_micros,
            "credited": sale.credited_micros,
            "saves_card": saves_card,
            "product": sale.product,
            "display_name": sale.display_name,
        }
        await connection.execute(_ALONE, values)  # who counts at the same time waits
        row = await (await connection.execute(_COUNT_OPEN, values)).fetchone()
        if row is None or row[0] >= MAXIMUM_OPEN:
            raise TooManyOpen
        await connection.execute(_INSERT, values)

    async def _renewed(self, checkout: Checkout) -> Checkout:
        """The same under another key."""
        now = self._now()
        values = {
            "account": checkout.account_id,
            "id": checkout.id,
            "key": uuid4(),
            "now": now,
            "expires": now + OPEN_TIME,
            "old": checkout.stripe_key,
        }
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_RENEW, values)).fetchone()
            found = _checkout(row) if row is not None else await _read(connection, values)
        assert found is not None
        return found


async def _read(connection: Connection, values: dict[str, Any]) -> Checkout | None:
    row = await (await connection.execute(_GET, values)).fetchone()
    return None if row is None else _checkout(row)


def _checkout(row: TupleRow) -> Checkout:
    return replace(Checkout(*row), state=CheckoutState(row[_STATE]))
