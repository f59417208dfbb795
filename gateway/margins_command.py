"""`reapi margins`: what is left of prices when providers are paid, offered and in fact."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import psycopg

from billing.margins import Margin, Usage, margins, real_margins
from core.catalog.entries import Catalogue, Model
from core.catalog.loader import CatalogueError, load, shipped_files, stand_in
from core.catalog.model_tables import known_conditions
from core.catalog.schema import modes_of
from core.engine.margin_reads import usage_between
from core.errors import GatewayError
from core.model import Channel, Mode
from core.settings import Settings
from gateway.opening import start_errors
from gateway.own_database import connect
from gateway.process import ServeError
from storage.pool import storage_errors

FOUND = 1
"""The exit code when a channel costs more than it brings, or the catalogue has a mistake."""
_MICROS = 1_000_000
"""Of a dollar."""
_PATIENCE = 600.0
"""Seconds for the one statement, over a month of usage."""

Facts = dict[str, Any]
_NAMES = ("model", "channel")


def show_margins(settings: Settings, model: str = "", *, as_json: bool = False) -> int:
    """Print the margin of every case; 1 if one is below zero. All models if none is named."""
    found = _read(settings, model)
    if found is None:
        return FOUND
    catalogue, models = found
    now = datetime.now(UTC)
    rows = [
        _facts(each.id, channel.name, margin)
        for each in models
        for channel in catalogue.channels_of(each)
        for margin in margins(
            each.prices, catalogue.costs.get(channel.name, ()), _offered(each, channel), now
        )
    ]
    return _print(rows, as_json=as_json)


def show_real_margins(
    settings: Settings, days: int, model: str = "", *, as_json: bool = False
) -> int:
    """Print what each channel brought and cost; 1 if one is below zero. Raises ServeError."""
    found = _read(settings, model)
    if found is None:
        return FOUND
    catalogue, models = found
    names = {each.id for each in models}
    with start_errors():
        usage = [each for each in asyncio.run(_usage(settings, days)) if each.model in names]
    costs, now = catalogue.costs, datetime.now(UTC)
    rows = [
        _facts(name, channel, margin, count)
        for (name, channel), (margin, count) in real_margins(usage, costs, now).items()
    ]
    return _print(rows, as_json=as_json)


def _read(settings: Settings, model: str) -> tuple[Catalogue, Sequence[Model]] | None:
    """The catalogue with every channel, usable or not; None when that was told to be wrong."""
    files = [*shipped_files(), *settings.catalogue]
    try:
        catalogue = load(files, stand_in(files, settings.environment))
        return catalogue, [catalogue.model(model)] if model else list(catalogue)
    except (CatalogueError, GatewayError) as error:
        reason = "there is no such model" if isinstance(error, GatewayError) else error
        print(f"reapi: {reason}", file=sys.stderr)
        return None


async def _usage(settings: Settings, days: int) -> list[Usage]:
    async with AsyncExitStack() as stack:
        connection = await connect(settings, stack, "reapi-margins", _PATIENCE)
        with storage_errors():
            try:
                now = datetime.now(UTC)
                return await usage_between(connection, now - timedelta(days=days), now)
            except (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedTable):
                raise ServeError(
                    "the database is of another version of the gateway; serve once, then ask"
                ) from None


def _offered(model: Model, channel: Channel) -> dict[str, list[str]]:
    """The values of conditions that the channel can serve."""
    known = known_conditions(model.parameters, model.resolutions)
    known["mode"] = sorted(modes_of(model))
    return {
        name: [value for value in values if _serves(channel, name, value)]
        for name, values in known.items()
    }


def _serves(channel: Channel, name: str, value: str) -> bool:
    if name == "mode":
        variants = channel.variants
        return f"mode:{value}" not in channel.unsupported and (
            not variants or Mode(value) in variants
        )
    return f"{name}={value}" not in channel.unsupported


def _facts(model: str, channel: str, margin: Margin, count: int | None = None) -> Facts:
    percent = margin.percent
    facts: Facts = {
        "model": model,
        "channel": channel,
        "unit": margin.unit,
        "where": dict(margin.conditions),
        "price_usd": _usd(margin.price_micros),
        "cost_usd": None if margin.cost_micros is None else _usd(margin.cost_micros),
        "margin_percent": None if percent is None else _decimal(percent, 1),
        "loss": margin.is_loss,
    }
    return facts if count is None else {**facts, "generations": count}


def _print(rows: Sequence[Facts], *, as_json: bool) -> int:
    losses = sum(row["loss"] for row in rows)
    unknown = sum(row["cost_usd"] is None for row in rows)
    if as_json:
        print(json.dumps({"margins": rows, "losses": losses, "unknown": unknown}, indent=2))
    else:
        for line in _lines(rows):
            print(line)
        print(f"{len(rows)} cases: {losses} below zero, {unknown} unknown")
    return FOUND if losses else 0


def _lines(rows: Sequence[Facts]) -> Iterator[str]:
    models, channels = (max((len(row[key]) for row in rows), default=0) for key in _NAMES)
    for row in rows:
        where = " ".join(f"{name}={value}" for name, value in row["where"].items())
        cost, margin = row["cost_usd"] or "?", row["margin_percent"]
        mark = "  LOSS" if row["loss"] else ""
        count = f"  {row['generations']:>7} made" if "generations" in row else ""
        percent = "?" if margin is None else f"{margin} %"
        yield (
            f"{row['model']:<{models}}  {row['channel']:<{channels}}  {row['unit']:<9} "
            f"{row['price_usd']:>10} "
            f"{cost:>10} {percent:>9}{count}{mark}{where and f'  {where}'}"
        )


def _usd(micros: Fraction) -> str:
    return _decimal(micros / _MICROS, 6)


def _decimal(value: Fraction, digits: int) -> str:
    """Rounded to the nearest, without needless zeros."""
    scaled = round(value * 10**digits)
    whole, rest = divmod(abs(scaled), 10**digits)
    fraction = f".{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{'-' if scaled < 0 else ''}{whole}{fraction}"
