"""Payments in PostgreSQL: their part in a commit, and the rows as a question."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from billing.known import AnyPool
from billing.payments import UNSETTLED, Booked, Decision, PaymentRow, PaymentState, Taken
from billing.stripe_objects import EventHint, Origin

# The first look at a payment has no row to lock: its name is locked instead, as long as it takes.
_LOCK_NAMES = """
SELECT pg_advisory_xact_lock(hashtextextended(x.payment_intent, 0)) IS NULL
  FROM unnest($1::text[]) AS x (payment_intent)
"""
_READ_VERSIONS = """
SELECT p.payment_intent, p.version, p.booking_id
  FROM unnest($1::text[]) AS x (payment_intent)
  JOIN payment p ON p.payment_intent = x.payment_intent
"""
_WRITE_PAYMENT = """
INSERT INTO payment (account_id, id, reference, booking_id, created_at, booked_at, paid_micros,
                     tax_micros, refunded_micros, credited_micros, clawed_back_micros, version,
                     state, origin, product, currency, payment_intent, customer_id, invoice_id,
                     failure_code, invoice_url, receipt_url)
VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::timestamptz, statement_timestamp(),
        $6::bigint, $7::bigint, $8::bigint, $9::bigint, $10::bigint, $11::integer, $12::text,
        $13::text, $14::text, $15::text, $16::text, $17::text, $18::text, $19::text, $20::bytea,
        $21::bytea)
ON CONFLICT (account_id, id) DO UPDATE
   SET booking_id = excluded.booking_id, booked_at = excluded.booked_at,
       paid_micros = excluded.paid_micros, tax_micros = excluded.tax_micros,
       refunded_micros = excluded.refunded_micros, credited_micros = excluded.credited_micros,
       clawed_back_micros = excluded.clawed_back_micros, version = excluded.version,
       state = excluded.state, invoice_id = excluded.invoice_id,
       failure_code = excluded.failure_code,
       invoice_url = coalesce(excluded.invoice_url, payment.invoice_url),
       receipt_url = coalesce(excluded.receipt_url, payment.receipt_url)
"""
_WRITE_ADJUSTMENTS = """
INSERT INTO payment_adjustment (account_id, payment_id, transfer_id, money_micros, credits_micros,
                                step, source_id, created_at)
SELECT $1::uuid, $2::uuid, x.*, statement_timestamp()
  FROM unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::integer[], $7::text[]) AS x
"""
# Twice where the same event was sent twice at once: either look sees all that it is about.
_WRITE_EVENT = """
INSERT INTO stripe_event (event_id, applied_at, kind, payment_intent)
VALUES ($1::text, statement_timestamp(), $2::text, $3::text) ON CONFLICT DO NOTHING
"""
_COLUMNS = """
payment_intent, account_id, customer_id, reference, state, origin, product, currency,
extract(epoch FROM created_at)::bigint, paid_micros, tax_micros, refunded_micros,
credited_micros, clawed_back_micros, failure_code, invoice_id
"""
_BOOKED = f"SELECT version, {_COLUMNS} FROM payment WHERE payment_intent = %s"  # noqa: S608 (a constant of ours)
_TAKEN = """
SELECT DISTINCT ON (source_id) source_id, step, money_micros, credits_micros
  FROM payment_adjustment WHERE account_id = %s AND payment_id = %s ORDER BY source_id, step DESC
"""
_RECENT = f"""
SELECT {_COLUMNS} FROM payment WHERE created_at >= to_timestamp(%s) OR state = ANY (%s)
"""  # noqa: S608 (a constant of ours)
_CUSTOMER = "SELECT account_id FROM stripe_customer WHERE customer_id = %s"
_LEAVING = "SELECT FROM account WHERE account_id = %s AND deleting_at IS NOT NULL"
_APPLIED = "SELECT 1 FROM stripe_event WHERE event_id = %s"
_CLAIM = """
UPDATE payment_sweep SET begun_at = clock_timestamp()
 WHERE begun_at <= clock_timestamp() - make_interval(secs => %s)
RETURNING begun_at, completed_at, reviewed_at
"""
_COMPLETE = "UPDATE payment_sweep SET completed_at = %s, reviewed_at = %s"
_ADJUSTED = """
SELECT DISTINCT p.payment_intent
  FROM payment_adjustment a JOIN payment p ON (p.account_id, p.id) = (a.account_id, a.payment_id)
 WHERE a.created_at >= %s
"""
_TAKING = """
SELECT source_id FROM payment_adjustment WHERE created_at >= to_timestamp(%s)
 GROUP BY source_id HAVING max(step) %% 2 = 1
"""


class _Text(Protocol):
    def reveal(self) -> str: ...


class Sealer(Protocol):
    """Seals texts for one use (`core.sealing.Sealer`)."""

    def seal(self, text: str, *belongs_to: bytes) -> bytes:
        """The text, unreadable."""
        ...

    def open(self, sealed: bytes, *belongs_to: bytes) -> _Text:
        """What was sealed."""
        ...


@dataclass(frozen=True, slots=True)
class BookPayment:
    """The part of a commit that writes what a look at a payment decided."""

    booking_id: UUID
    """Random: what is sent again is known by it."""
    decision: Decision
    version: int
    """Of the row that it was decided over; 0: there was none."""
    event: EventHint | None = None
    """Why it was looked at; written down in the same commit."""


@dataclass(frozen=True, slots=True)
class PaymentMoved:
    """Somebody else booked a look meanwhile, perhaps a newer one: look again."""

    payment_intent: str


@dataclass(frozen=True, slots=True)
class SweepTurn:
    """A sweep that begins, and those before it; 1970 where there was none."""

    begun: datetime
    completed: datetime
    """When the last one that completed was begun."""
    reviewed: datetime
    """Likewise, of those that looked at old refunds and disputes too."""


class PaymentBook:
    """Which looks may be booked: those that nobody overtook. Pure."""

    def __init__(self, versions: dict[str, tuple[int, UUID]]) -> None:
        self._versions = versions
        self.written: list[BookPayment] = []

    def recalls(self, part: BookPayment) -> bool:
        _, booking_id = self._versions.get(part.decision.row.payment_intent, (0, None))
        return booking_id == part.booking_id

    def recall(self, part: BookPayment) -> None:
        """Nothing is answered."""

    def refusal(self, part: BookPayment) -> PaymentMoved | None:
        name = part.decision.row.payment_intent
        version, _ = self._versions.get(name, (0, None))
        return None if version == part.version else PaymentMoved(name)

    def turned_away(self, part: BookPayment, refusal: object) -> None:
        """A refused look writes nothing."""

    def take(self, part: BookPayment) -> None:
        name = part.decision.row.payment_intent
        self._versions[name] = (part.version + 1, part.booking_id)
        self.written.append(part)


class PaymentsSql:
    """The payments' part in a commit to PostgreSQL (a `storage.transaction.Participant`)."""

    parts: tuple[type, ...] = (BookPayment,)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def reads(self, parts: Sequence[BookPayment]) -> Sequence[tuple[int, str, tuple[Any, ...]]]:
        names = sorted({part.decision.row.payment_intent for part in parts})
        return [(60, _LOCK_NAMES, (names,)), (60, _READ_VERSIONS, (names,))]

    def book(self, rows: Sequence[Sequence[tuple[Any, ...]]], now_us: int) -> PaymentBook:  # noqa: ARG002 (payments know Stripe's time)
        _, found = rows
        return PaymentBook({name: (version, booking) for name, version, booking in found})

    def writes(self, book: PaymentBook) -> Sequence[tuple[str, tuple[Any, ...]]]:
        return [statement for part in book.written for statement in self._writes(part)]

    def _writes(self, part: BookPayment) -> list[tuple[str, tuple[Any, ...]]]:
        row, moves = part.decision.row, part.decision.adjustments
        writes: list[tuple[str, tuple[Any, ...]]] = [(_WRITE_PAYMENT, self._columns(part))]
        if moves:
            columns = (
                [move.transfer_id for move in moves],
                [move.money_micros for move in moves],
                [move.credits_micros for move in moves],
                [move.step for move in moves],
                [move.source_id for move in moves],
            )
            writes.append((_WRITE_ADJUSTMENTS, (row.account_id, row.payment_id, *columns)))
        if part.event is not None:
            event = part.event
            writes.append((_WRITE_EVENT, (event.id, event.kind, event.payment_intent)))
        return writes

    def _columns(self, part: BookPayment) -> tuple[Any, ...]:
        row = part.decision.row
        return (
            row.account_id,
            row.payment_id,
            row.reference,
            part.booking_id,
            row.created * 1_000_000,
            row.paid_micros,
            row.tax_micros,
            row.refunded_micros,
            row.credited_micros,
            row.clawed_back_micros,
            part.version + 1,
            row.state.value,
            row.origin.value,
            row.product,
            row.currency,
            row.payment_intent,
            row.customer,
            row.invoice,
            row.failure_code,
            self._sealed(row.invoice_url, row, b"invoice_url"),
            self._sealed(row.receipt_url, row, b"receipt_url"),
        )

    def _sealed(self, text: str, row: PaymentRow, column: bytes) -> bytes | None:
        return self._sealer.seal(text, column, row.payment_id.bytes) if text else None


class Payments:
    """What is booked, read without a lock."""

    def __init__(self, pool: AnyPool) -> None:
        self._pool = pool

    async def booked(self, payment_intent: str) -> Booked | None:
        """What is booked of a payment; its links are left out.

        Row and movements are read one after the other: if a look is booked in between, this one's
        version is no longer the row's, and what is decided over it is refused.
        """
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_BOOKED, (payment_intent,))
            found = await cursor.fetchone()
            if found is None:
                return None
            row = _row(found[1:])
            cursor = await connection.execute(_TAKEN, (row.account_id, row.payment_id))
            taken = {
                source: Taken(step, *(amounts if step % 2 else (0, 0)))
                for source, step, *amounts in await cursor.fetchall()
            }
        return Booked(row, found[0], taken)

    async def recent(self, since: int) -> Sequence[PaymentRow]:
        """Payments begun since (seconds since 1970), and those that something is to come of."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_RECENT, (since, [s.value for s in UNSETTLED]))
            return [_row(found) for found in await cursor.fetchall()]

    async def account_of(self, customer: str) -> UUID | None:
        """Whose customer of Stripe that is."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_CUSTOMER, (customer,))
            found = await cursor.fetchone()
        return None if found is None else found[0]

    async def is_leaving(self, account_id: UUID) -> bool:
        """Whether the account is being erased, or is."""
        async with self._pool.connection() as connection:
            return await (await connection.execute(_LEAVING, (account_id,))).fetchone() is not None

    async def has_applied(self, event_id: str) -> bool:
        """Whether the event was booked."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_APPLIED, (event_id,))
            return await cursor.fetchone() is not None

    async def adjusted_since(self, since: datetime) -> Sequence[str]:
        """Payments of which a refund or dispute took or gave something back since."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_ADJUSTED, (since,))
            return [found[0] for found in await cursor.fetchall()]

    async def taking_since(self, since: int) -> set[str]:
        """Refunds and disputes that took something since (seconds since 1970), and hold it."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_TAKING, (since,))
            return {found[0] for found in await cursor.fetchall()}

    async def claim_sweep(self, seconds: float) -> SweepTurn | None:
        """The caller's turn, if it is time for a sweep: one process gets it."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_CLAIM, (seconds,))
            found = await cursor.fetchone()
        return None if found is None else SweepTurn(*found)

    async def complete_sweep(self, completed: datetime, reviewed: datetime) -> None:
        """Remember when the sweep was begun that has completed, and the last review."""
        async with self._pool.connection() as connection:
            await connection.execute(_COMPLETE, (completed, reviewed))


def _row(found: Sequence[Any]) -> PaymentRow:
    intent, account, customer, reference, state, origin, *rest = found
    return PaymentRow(
        intent, account, customer, reference, PaymentState(state), Origin(origin), *rest
    )
