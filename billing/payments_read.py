"""Payments as their account sees them, with the links to invoice and receipt."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import TupleRow

from billing.known import AnyPool
from billing.payments import PaymentState
from billing.payments_sql import Sealer
from billing.stripe_objects import Origin

_COLUMNS = """
id, created_at, state, origin, product, currency, paid_micros, tax_micros, refunded_micros,
credited_micros, clawed_back_micros, customer_id, invoice_id, failure_code, invoice_url, receipt_url
"""
_GET = f"""
SELECT {_COLUMNS} FROM payment WHERE account_id = %(account)s AND id = %(id)s
"""  # noqa: S608 (a constant of ours)
_OF_REFERENCE = f"""
SELECT {_COLUMNS} FROM payment WHERE account_id = %(account)s AND reference = %(reference)s
 ORDER BY credited_micros DESC, created_at DESC LIMIT 1
"""  # noqa: S608 (likewise)
_PAGE = f"""
SELECT {_COLUMNS} FROM payment
 WHERE account_id = %(account)s
   AND (%(states)s::text[] = '{{}}' OR state = ANY (%(states)s::text[]))
   AND (%(after)s::uuid IS NULL OR (created_at, id) < (
        SELECT p.created_at, p.id FROM payment p
         WHERE p.account_id = %(account)s AND p.id = %(after)s::uuid))
 ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""  # noqa: S608 (likewise)
_INVOICE, _RECEIPT = b"invoice_url", b"receipt_url"
_FIXED: Final = 14
"""Columns before the two that are sealed."""


@dataclass(frozen=True, slots=True)
class PaymentEntry:
    """One payment. Money in millionths of its currency."""

    id: UUID
    created_at: datetime
    state: PaymentState
    origin: Origin
    product: str
    currency: str
    """As Stripe writes it: `usd`."""
    paid_micros: int
    tax_micros: int
    refunded_micros: int
    credited_micros: int
    clawed_back_micros: int
    customer: str
    invoice: str
    failure_code: str
    invoice_url: str = field(default="", repr=False)
    receipt_url: str = field(default="", repr=False)


class PaymentReads:
    """The payments of accounts. Raises what the pool and the sealer raise."""

    def __init__(self, pool: AnyPool, sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer

    async def get(self, account_id: UUID, id_: UUID) -> PaymentEntry | None:
        """One payment."""
        values = {"account": account_id, "id": id_}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_GET, values)).fetchone()
        return None if row is None else self._entry(row)

    async def of_reference(self, account_id: UUID, reference: UUID) -> PaymentEntry | None:
        """The payment that a checkout or a top-up led to; the credited one, if there are more."""
        values = {"account": account_id, "reference": reference}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_OF_REFERENCE, values)).fetchone()
        return None if row is None else self._entry(row)

    async def page(
        self, account_id: UUID, states: Sequence[PaymentState], limit: int, after: UUID | None
    ) -> Sequence[PaymentEntry]:
        """One page, newest first; of all states if *states* is empty."""
        values = {
            "account": account_id,
            "states": [state.value for state in states],
            "limit": limit,
            "after": after,
        }
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_PAGE, values)).fetchall()
        return [self._entry(row) for row in rows]

    def _entry(self, row: TupleRow) -> PaymentEntry:
        entry = PaymentEntry(*row[:_FIXED])
        return replace(
            entry,
            state=PaymentState(entry.state),
            origin=Origin(entry.origin),
            invoice_url=self._opened(row[_FIXED], entry.id, _INVOICE),
            receipt_url=self._opened(row[-1], entry.id, _RECEIPT),
        )

    def _opened(self, sealed: bytes | None, id_: UUID, column: bytes) -> str:
        return "" if sealed is None else self._sealer.open(sealed, column, id_.bytes).reveal()
