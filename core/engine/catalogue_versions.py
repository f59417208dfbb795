"""Which catalogues this database has seen: immutable, by hash; amounts change at dates only."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from itertools import product
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from billing.pricing import CREDIT_MICROS, PriceError, PriceRow, dearest
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

AnyPool = AsyncConnectionPool[AsyncConnection[TupleRow]]
Content = Mapping[str, Any]
"""A catalogue as it is written: `{"models": {id: {"prices": [{"unit": …, "credits": …}]}}}`."""


class CatalogueChanged(Exception):
    """A price has another amount than in the active catalogue, without a future date."""

    def __init__(self, model: str, price: str) -> None:
        super().__init__(
            f"{model}: the amount per {price} differs from the active catalogue; "
            "keep the old row and add one with a future effective_from"
        )
        self.model = model
        self.price = price


async def activate(pool: AnyPool, version: str, content: str) -> None:
    """Make *content* (JSON, whose SHA-256 in hex is *version*) the active catalogue.

    The first of a database may have any amounts. Raises CatalogueChanged, and what the pool
    raises.
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
            refuse_changes(json.loads(text), json.loads(content), now)
        await connection.execute(_ACTIVATE, (version, content))


def refuse_changes(active: Content, new: Content, now: datetime) -> None:
    """Raise CatalogueChanged when something costs another amount than it did until *now*.

    Models, and values of parameters, that the active catalogue does not offer may cost anything.
    """
    offered = active.get("models", {})
    for id_, model in new.get("models", {}).items():
        before = offered.get(id_)
        if before is None:
            continue
        old_rows, new_rows = price_rows(before), price_rows(model)
        for unit in sorted({row.unit for row in old_rows}):
            for facts in cases(before, [*old_rows, *new_rows]):
                old, amount = (price(rows, unit, facts, now) for rows in (old_rows, new_rows))
                if old is not None and amount is not None and old != amount:
                    raise CatalogueChanged(id_, " ".join([unit, *facts.values()]))


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


def price(
    rows: Sequence[PriceRow], unit: str, facts: Mapping[str, str], now: datetime
) -> Fraction | None:
    """Micro-dollars per unit; None where there is no price."""
    try:
        row = dearest(rows, unit, facts, now)
    except PriceError:
        return None
    return Fraction(row.amount_micros, row.per)


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
