"""Which catalogues this database has seen: immutable, by hash; who pays hears before a rise."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import product
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from billing.price_notices import NOTICE, Increase, first_day, increases, is_in_time
from billing.pricing import CREDIT_MICROS, PriceRow
from core.model import MODES, Mode

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('catalogue versions'))"
_ACTIVE = """
SELECT hash, content, clock_timestamp() FROM catalogue_version ORDER BY activated_at DESC LIMIT 1
"""
# One that was active before becomes it again; its content stays.
_ACTIVATE = """
INSERT INTO catalogue_version (hash, content, activated_at) VALUES (%s, %s, clock_timestamp())
    ON CONFLICT (hash) DO UPDATE SET activated_at = EXCLUDED.activated_at
"""
# One statement, however many they are.
_ANNOUNCE = """
INSERT INTO notice (account_id, id, expires_at, kind, subject, facts)
SELECT a.account_id, uuid_at(clock_timestamp()), x.effective_from + interval '30 days',
       'price_increase', x.subject, x.facts::jsonb
  FROM account a
 CROSS JOIN unnest(%s::text[], %s::text[], %s::timestamptz[]) AS x (subject, facts, effective_from)
 WHERE EXISTS (SELECT FROM balance b WHERE b.account_id = a.account_id AND b.posted > 0)
    OR EXISTS (SELECT FROM api_key k WHERE k.account_id = a.account_id AND k.revoked_at IS NULL)
    ON CONFLICT ON CONSTRAINT notice_once DO NOTHING
"""

AnyPool = AsyncConnectionPool[AsyncConnection[TupleRow]]
Content = Mapping[str, Any]
"""A catalogue as it is written: `{"models": {id: {"prices": [{"unit": …, "credits": …}]}}}`."""


class CatalogueChanged(Exception):
    """A price would rise without 14 days' notice."""

    def __init__(self, model: str, price: str, first: date) -> None:
        super().__init__(
            f"{model}: the amount per {price} would rise without {NOTICE.days} days' notice; keep "
            f"the row that is there and add one with an effective_from of {first} or later"
        )
        self.model = model
        self.price = price
        self.first = first


@dataclass(frozen=True, slots=True)
class Announced:
    """An increase of a model's price, to be told to who holds credits or keys."""

    model: str
    increase: Increase

    @property
    def subject(self) -> str:
        """What it is about: it is told once."""
        step = self.increase
        facts = [f"{name}={value}" for name, value in sorted(step.conditions.items())]
        price = f"{step.new_micros}/{step.per}"
        return " ".join([self.model, step.unit, *facts, price, step.effective_from.isoformat()])

    @property
    def facts(self) -> str:
        """The notice, as JSON."""
        step = self.increase
        return json.dumps(
            {
                "model": self.model,
                "unit": step.unit,
                "conditions": dict(step.conditions),
                "old_micros": step.old_micros,
                "new_micros": step.new_micros,
                "per": step.per,
                "effective_from": step.effective_from.isoformat(),
            }
        )


async def activate(pool: AnyPool, version: str, content: str) -> None:
    """Make *content* (JSON, whose SHA-256 in hex is *version*) the active catalogue.

    The first of a database may have any amounts. What will cost more is announced to every
    holder in the same transaction. Raises CatalogueChanged, and what the pool raises.
    """
    assert hashlib.sha256(content.encode()).hexdigest() == version
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(_ALONE)
        cursor = await connection.execute(_ACTIVE)
        active = await cursor.fetchone()
        if active is not None:
            before, text, now = active
            if before == version:
                return
            found = announced(json.loads(text), json.loads(content), now)
            if found:
                await connection.execute(_ANNOUNCE, _columns(found))
        await connection.execute(_ACTIVATE, (version, content))


def announced(active: Content, new: Content, now: datetime) -> list[Announced]:
    """What will cost more than by the active catalogue; raises CatalogueChanged if too soon.

    Models, and values of parameters, that the active catalogue does not offer may cost anything.
    """
    offered, found = active.get("models", {}), []
    for id_, model in new.get("models", {}).items():
        before = offered.get(id_)
        if before is None:
            continue
        for step in _increases(before, model, now):
            if not is_in_time(step, now):
                price = " ".join([step.unit, *step.conditions.values()])
                raise CatalogueChanged(id_, price, first_day(now))
            found.append(Announced(id_, step))
    return found


def _increases(before: Content, model: Content, now: datetime) -> Iterator[Increase]:
    old_rows, new_rows = price_rows(before), price_rows(model)
    for unit in sorted({row.unit for row in old_rows}):
        for facts in cases(before, [*old_rows, *new_rows]):
            yield from increases(old_rows, new_rows, unit, facts, now)


def _columns(found: Sequence[Announced]) -> tuple[list[str], list[str], list[datetime]]:
    return (
        [each.subject for each in found],
        [each.facts for each in found],
        [each.increase.effective_from for each in found],
    )


def price_rows(model: Content) -> list[PriceRow]:
    """The prices of a model as it is written; the catalogue's loader has checked them."""
    return [
        PriceRow(
            unit=row["unit"],
            amount_micros=int(Fraction(row["credits"]) * CREDIT_MICROS),
            conditions=row.get("conditions", {}),
            effective_from=_moment(row.get("effective_from")),
            per=row.get("per", 1),
        )
        for row in model.get("prices", ())
    ]


def cases(model: Content, rows: Sequence[PriceRow]) -> Iterator[dict[str, str]]:
    """Everything that *rows* tell apart, without values that *model* does not offer."""
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.conditions.items():
            values.setdefault(name, set()).add(value)
    names = sorted(values)
    offered = [sorted(values[name] & _offered(model, name, values[name])) for name in names]
    for case in product(*offered):
        yield dict(zip(names, case, strict=True))


def _offered(model: Content, name: str, default: set[str]) -> set[str]:
    """The values of a condition that *model* has; *default* where it does not list them."""
    if name == "resolution" and "resolutions" in model:  # classes of its sizes, no parameter
        return set(model["resolutions"])
    if name == "mode":  # what a request starts from follows from its files
        roles = model.get("inputs", {})
        return {Mode.TEXT, *(mode for role, mode in MODES.items() if role in roles)}
    return set(model.get("parameters", {}).get(name, {}).get("values", default))


def _moment(text: str | None) -> datetime | None:
    """A date means its midnight UTC."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
