"""Which catalogues this database has seen: immutable, by hash; who pays hears before a rise."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import product

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from billing.price_notices import NOTICE, Increase, first_day, increases, is_in_time
from billing.pricing import CREDIT_MICROS, PriceRow
from core.engine.catalogue_terms import Content, changed_term
from core.model import MODES, Mode
from storage.pool import AnyPool

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('catalogue versions'))"
_ACTIVE = """
SELECT hash, content, rises, clock_timestamp() FROM catalogue_version
 ORDER BY activated_at DESC LIMIT 1
"""
# Models that were sold before the active catalogue: as they were last. Each content is read once.
_SOLD = """
WITH version AS MATERIALIZED (
    SELECT activated_at, content::jsonb -> 'models' AS models FROM catalogue_version
)
SELECT DISTINCT ON (model.id) model.id, version.models -> model.id
  FROM version CROSS JOIN unnest(%s::text[]) AS model (id)
 WHERE jsonb_array_length(COALESCE(version.models -> model.id -> 'prices', '[]')) > 0
 ORDER BY model.id, version.activated_at DESC
"""
# One that was active before becomes it again; its content stays.
_ACTIVATE = """
INSERT INTO catalogue_version (hash, content, rises, activated_at)
VALUES (%s, %s, %s, clock_timestamp())
    ON CONFLICT (hash) DO UPDATE
       SET activated_at = EXCLUDED.activated_at, rises = EXCLUDED.rises
"""
# One statement, however many they are. It comes hourly: who opened an account within the last hour
# before an increase is told after it began.
_TELL = """
INSERT INTO notice (account_id, id, expires_at, kind, subject, facts)
SELECT a.account_id, uuid_at(clock_timestamp()), x.effective_from + interval '30 days',
       'price_increase', x.subject, x.facts
  FROM (SELECT rises FROM catalogue_version ORDER BY activated_at DESC LIMIT 1) AS active
 CROSS JOIN jsonb_to_recordset(active.rises)
            AS x (subject text, facts jsonb, effective_from timestamptz)
  JOIN account a ON a.created_at < x.effective_from
 WHERE x.effective_from > clock_timestamp() - interval '2 hours'
   AND (EXISTS (SELECT FROM balance b WHERE b.account_id = a.account_id AND b.posted > 0)
        OR EXISTS (SELECT FROM api_key k
                    WHERE k.account_id = a.account_id AND k.revoked_at IS NULL))
   AND NOT EXISTS (SELECT FROM notice n
                    WHERE (n.account_id, n.kind, n.subject)
                        = (a.account_id, 'price_increase', x.subject))
    ON CONFLICT ON CONSTRAINT notice_once DO NOTHING
"""


class CatalogueChanged(Exception):
    """What callers pay by would change behind their backs."""

    def __init__(self, model: str, key: str, problem: str) -> None:
        super().__init__(f"{model}: {problem}")
        self.problem = problem
        self.model = model
        self.key = key
        """Of the model's table."""


class PriceRises(CatalogueChanged):
    """A price would rise without 14 days' notice."""

    def __init__(self, model: str, price: str, first: date) -> None:
        super().__init__(
            model,
            "prices",
            f"the amount per {price} would rise without {NOTICE.days} days' notice; keep "
            f"the row that is there and add one with an effective_from of {first} or later",
        )


class TermChanged(CatalogueChanged):
    """A model would be paid by something else than it was under its id."""

    def __init__(self, model: str, key: str) -> None:
        what = "the unit of `prices`" if key == "prices" else f"`{key}`"
        super().__init__(
            model,
            key,
            f"{what} is what callers pay by, and differs from what was active under this id; "
            f"keep it, or make a model with another id",
        )


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
    def facts(self) -> dict[str, object]:
        """What the notice says."""
        step = self.increase
        return {
            "model": self.model,
            "unit": step.unit,
            "conditions": dict(step.conditions),
            "old_micros": step.old_micros,
            "new_micros": step.new_micros,
            "per": step.per,
            "effective_from": step.effective_from.isoformat(),
        }


async def activate(
    pool: AnyPool, version: str, content: str, *, validate_only: bool = False
) -> None:
    """Make *content* (JSON, whose SHA-256 in hex is *version*) the active catalogue.

    The first of a database may have any amounts. What will cost more is announced to every
    holder in the same transaction. *validate_only*: nothing is written. Raises CatalogueChanged,
    and what the pool raises.
    """
    assert hashlib.sha256(content.encode()).hexdigest() == version
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(_ALONE)
        cursor = await connection.execute(_ACTIVE)
        active = await cursor.fetchone()
        rises: list[Announced] = []
        if active is not None:
            before, text, known, now = active
            if before == version:
                return
            new = json.loads(content)
            sold = await _sold(connection, json.loads(text), new)
            rises = [*pending(known, new, now), *announced(sold, new, now)]
        if validate_only:
            return
        await connection.execute(_ACTIVATE, (version, content, _remembered(rises)))
        await connection.execute(_TELL)


async def tell_increases(pool: AnyPool) -> None:
    """Tell holders of coming increases who were none when those were announced; call it hourly."""
    async with pool.connection() as connection:
        await connection.execute(_TELL)


async def _sold(connection: AsyncConnection[TupleRow], active: Content, new: Content) -> Content:
    """The active catalogue, and models of *new* that it has no prices of, as they were last."""
    offered = {id_: model for id_, model in active.get("models", {}).items() if model.get("prices")}
    if missing := sorted(new.get("models", {}).keys() - offered.keys()):
        offered |= await (await connection.execute(_SOLD, (missing,))).fetchall()
    return {"models": offered}


def announced(sold: Content, new: Content, now: datetime) -> list[Announced]:
    """What will cost more than in *sold*; raises CatalogueChanged if too soon, or if not by price.

    Models, and values of parameters, that are not in *sold* may cost anything.
    """
    offered, found = sold.get("models", {}), []
    for id_, model in new.get("models", {}).items():
        before = offered.get(id_)
        if before is None:
            continue
        if (key := changed_term(before, model)) is not None:
            raise TermChanged(id_, key)
        for step in _increases(before, model, now):
            if not is_in_time(step, now):
                price = " ".join([step.unit, *step.conditions.values()])
                raise PriceRises(id_, price, first_day(now))
            found.append(Announced(id_, step))
    return found


def pending(known: Sequence[Content], new: Content, now: datetime) -> Iterator[Announced]:
    """What remains, by the catalogue *new*, of increases that were announced and are to come.

    *known* are `rises` as they are stored. One may have been put off, or withdrawn.
    """
    for each in known:
        facts = each["facts"]
        model = new.get("models", {}).get(facts["model"])
        if model is None or datetime.fromisoformat(each["effective_from"]) <= now:
            continue
        unit, old = facts["unit"], [PriceRow(facts["unit"], facts["old_micros"], per=facts["per"])]
        for step in increases(old, price_rows(model), unit, facts["conditions"], now):
            if step.effective_from > now:
                yield Announced(facts["model"], step)


def _increases(before: Content, model: Content, now: datetime) -> Iterator[Increase]:
    old_rows, new_rows = price_rows(before), price_rows(model)
    for unit in sorted({row.unit for row in old_rows}):
        for facts in cases(before, [*old_rows, *new_rows]):
            yield from increases(old_rows, new_rows, unit, facts, now)


def _remembered(rises: Sequence[Announced]) -> str:
    """What `_TELL` reads, each increase once, as JSON."""
    each = {
        one.subject: {
            "subject": one.subject,
            "facts": one.facts,
            "effective_from": one.increase.effective_from.isoformat(),
        }
        for one in rises
    }
    return json.dumps(list(each.values()))


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
