"""`reapi catalog`: says what is wrong with the catalogue, and what it offers."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from billing.pricing import CREDIT_MICROS, PriceRow
from core.catalog.entries import Catalogue, Model
from core.catalog.loader import CatalogueError, load, mistakes, shipped_files, stand_in
from core.errors import GatewayError
from core.model import Channel
from gateway.catalogue import brief

FOUND = 1
"""The exit code when something is wrong."""

Facts = dict[str, Any]


def check(overlays: Sequence[Path], env: Mapping[str, str]) -> int:
    """Print every mistake with its place and remedy, then what is left out; 1 if there is one."""
    files = [*shipped_files(), *overlays]
    found = mistakes(files, stand_in(files, env)) or mistakes(files, env)
    for error in found:
        print(f"error: {error}")
    if found:
        print(f"{len(found)} to mend")
        return FOUND
    catalogue = load(files, env)
    for note in brief(catalogue.notes):
        print(f"warning: {note}")
    served = sum(bool(catalogue.channels_of(model)) for model in catalogue)
    print(
        f"good: {len(catalogue)} models, {served} of them served; "
        f"{len(catalogue.channels)} channels; version {catalogue.version[:12]}"
    )
    return 0


def show(
    overlays: Sequence[Path], env: Mapping[str, str], model: str = "", *, as_json: bool = False
) -> int:
    """Print what a model costs, and its channels in order; all models if none is named."""
    files = [*shipped_files(), *overlays]
    try:
        catalogue, every = load(files, env), load(files, stand_in(files, env))
        models = [every.model(model)] if model else list(every)
    except (CatalogueError, GatewayError) as error:
        reason = "there is no such model" if isinstance(error, GatewayError) else error
        print(f"reapi: {reason}", file=sys.stderr)
        return FOUND
    facts = [_facts(each, every, catalogue) for each in models]
    if as_json:
        print(json.dumps({"version": catalogue.version, "models": facts}, indent=2))
    else:
        print("\n\n".join("\n".join(_lines(each)) for each in facts))
    return 0


def _facts(model: Model, every: Catalogue, usable: Catalogue) -> Facts:
    return {
        "id": model.id,
        "aliases": list(model.aliases),
        "kind": model.kind,
        "status": model.status,
        "prices": [_price(row) for row in model.prices],
        "channels": [_channel(channel, usable) for channel in every.channels_of(model)],
    }


def _price(row: PriceRow) -> Facts:
    return {
        "unit": row.unit,
        "credits": f"{row.amount_micros / CREDIT_MICROS:g}",
        "per": row.per,
        "where": dict(row.conditions),
    }


def _channel(channel: Channel, usable: Catalogue) -> Facts:
    return {
        "name": channel.name,
        "usable": channel.name in usable.channels,
        "dialect": channel.dialect,
        "upstream_model": channel.upstream_model,
        "region": channel.region,
        "priority": channel.priority,
        "weight": channel.weight,
        "cannot": sorted(channel.unsupported),
    }


def _lines(facts: Facts) -> Iterator[str]:
    names = ", ".join(facts["aliases"])
    yield f"{facts['id']}  {facts['kind']}, {facts['status']}{names and f'  (also {names})'}"
    for price in facts["prices"]:
        where = ", ".join(f"{name} {value}" for name, value in price["where"].items())
        per = f"{price['per']} {price['unit']}s" if price["per"] > 1 else price["unit"]
        yield f"  {price['credits']:>8} credits per {per}{where and f': {where}'}"
    for number, channel in enumerate(facts["channels"], 1):
        absent = "" if channel["usable"] else "  (no credential)"
        yield (
            f"  {number}. {channel['name']}  {channel['dialect']}: {channel['upstream_model']}, "
            f"priority {channel['priority']}, weight {channel['weight']}{absent}"
        )
        if channel["cannot"]:
            yield f"     cannot: {_folded(channel['cannot'])}"
    if not facts["channels"]:
        yield "  no channel"


def _folded(tokens: Sequence[str]) -> str:
    """Tokens of one parameter together: `duration=16|17`."""
    values: dict[str, list[str]] = {}
    for token in tokens:
        name, _, value = token.partition("=")
        values.setdefault(name, []).extend([value] if value else [])
    return ", ".join(f"{name}={'|'.join(each)}" if each else name for name, each in values.items())
