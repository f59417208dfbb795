"""Loads the catalogue: the shipped files, with the operator's laid over them.

A later file overrides fields of models (by id) and channels (by name), adds new ones, and
switches a channel off with `enabled = false`. Lists (`prices`, `rules`, `aliases`) are
replaced whole.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType

from billing.packs import Offer
from core import providers
from core.catalog.channel_tables import Around, Entry, read_channel
from core.catalog.credit_tables import read_offer
from core.catalog.entries import Catalogue, Model
from core.catalog.fields import Fields
from core.catalog.model_tables import read_model
from core.catalog.source import CatalogueError, Layers, Table, read
from core.model import Channel
from core.sealed_files import Unseal

__all__ = [
    "DIALECTS",
    "FOLDER",
    "JOB_DIALECTS",
    "Catalogue",
    "CatalogueError",
    "embedded_channels",
    "embedded_files",
    "load",
    "mistakes",
    "shipped_files",
    "stand_in",
]

JOB_DIALECTS = frozenset(providers.JOB_DIALECTS)
"""Wire protocols whose calls leave a job behind; their channels must be `reconcile_first`."""

DIALECTS = frozenset(providers.DIALECTS) | JOB_DIALECTS
"""Wire protocols that a channel may name: the keys of the providers' tables."""

_OF_ONE = frozenset({"aliases"})
"""What a model that is like another does not have from it."""

_NAMED = re.compile(r'\benv\s*=\s*"([^"]+)"|\$\{([^}]+)\}')
_STANDS_IN = "http://localhost"
"""Both a credential and a part of a URL."""

FOLDER = Path(__file__).parent
"""Where the shipped files are."""


def shipped_files() -> tuple[Path, ...]:
    """The catalogue of a real deployment: every model and every provider's channels."""
    return (*_sold(), *sorted((FOLDER / "channels").glob("*.toml")))


def embedded_files() -> tuple[Path, ...]:
    """The catalogue of the embedded demo: the same models on simulated channels only."""
    return (*_sold(), *_embedded())


def embedded_channels() -> dict[str, str]:
    """The dialect of each channel of the embedded demo: what its simulator must speak."""
    layers = Layers([read(file) for file in _embedded()])
    tables = Fields(layers, (), layers.content).table("channels")
    return {name: tables.table(name).text("dialect") for name in sorted(tables.names())}


def _embedded() -> list[Path]:
    return sorted((FOLDER / "embedded").glob("*.toml"))


def _sold() -> list[Path]:
    """What is on offer whoever serves it: credits, and models."""
    return [FOLDER / "credits.toml", *sorted((FOLDER / "models").glob("*.toml"))]


def load(
    files: Sequence[Path],
    env: Mapping[str, str],
    dialects: Collection[str] = DIALECTS,
    job_dialects: Collection[str] = JOB_DIALECTS,
    unseal: Unseal | None = None,
) -> Catalogue:
    """Load *files*, later over earlier; raises CatalogueError.

    Credentials, and `${NAME}` in base URLs, come from *env*. A channel whose credential is
    missing is left out, with a note. *unseal* opens sealed files of credentials.
    """
    layers = Layers([read(file) for file in files])
    layers.inherit("models", _OF_ONE)
    models = _models_of(layers, _refuse)
    aliases = _aliases(models, _tables(layers, "models"))
    offer = _offer(layers)
    entries = _entries(layers, Around(models, env, dialects, job_dialects, unseal), _refuse)
    used = {
        name: next(iter(entry.channels.values()))
        for name, entry in entries.items()
        if entry.channels
    }
    content = _offered(layers.content)
    return Catalogue(
        version=hashlib.sha256(content.encode()).hexdigest(),
        content=content,
        models=MappingProxyType(models),
        channels=MappingProxyType(used),
        routes=MappingProxyType(_routes(models, entries.values())),
        aliases=MappingProxyType(aliases),
        notes=tuple(note for entry in entries.values() for note in entry.notes),
        credential_files=tuple(
            {file: None for entry in entries.values() for file in entry.credential_files}
        ),
        offer=offer,
        costs=MappingProxyType({name: entry.costs for name, entry in entries.items()}),
    )


def mistakes(files: Sequence[Path], env: Mapping[str, str]) -> list[CatalogueError]:
    """Everything that `load` would refuse, one after the other: of models, or else of channels."""
    found: list[CatalogueError] = []
    try:
        layers = Layers([read(file) for file in files])
        layers.inherit("models", _OF_ONE)
        models = _models_of(layers, found.append)
        if not found:
            _aliases(models, _tables(layers, "models"))
            _offer(layers)
            _entries(layers, Around(models, env, DIALECTS, JOB_DIALECTS), found.append)
    except CatalogueError as error:
        found.append(error)
    return found


def stand_in(files: Sequence[Path], env: Mapping[str, str]) -> dict[str, str]:
    """An environment with which every channel is read, whether it can be used or not."""
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    named = {name for text in texts for found in _NAMED.findall(text) for name in found if name}
    return dict.fromkeys(named, _STANDS_IN) | {name: text for name, text in env.items() if text}


Report = Callable[[CatalogueError], None]
"""What to do about a mistake; it may raise it."""


def _refuse(error: CatalogueError) -> None:
    raise error


def _tables(layers: Layers, kind: str) -> Fields:
    top = Fields(layers, (), layers.content)
    names = ("models", "channels", "credit_packs", "custom_amounts")
    tables = {name: top.table(name) for name in names}
    top.finish()
    return tables[kind]


def _offer(layers: Layers) -> Offer:
    return read_offer(_tables(layers, "credit_packs"), _tables(layers, "custom_amounts"))


def _models_of(layers: Layers, report: Report) -> dict[str, Model]:
    tables, models = _tables(layers, "models"), {}
    for id_ in sorted(tables.names()):
        try:
            models[id_] = read_model(id_, tables.table(id_))
        except CatalogueError as error:
            report(error)
    return models


def _entries(layers: Layers, around: Around, report: Report) -> dict[str, Entry]:
    tables, entries = _tables(layers, "channels"), {}
    for name in sorted(tables.names()):
        try:
            table = tables.table(name)
            entries[name] = read_channel(name, table, _credential_file(layers, table, name), around)
        except CatalogueError as error:
            report(error)
    return entries


def _credential_file(layers: Layers, table: Fields, name: str) -> Path:
    """The file that names a channel's credentials: relative paths start beside it."""
    key = "credentials" if table.has("credentials") else "credential"
    return layers.file_of(("channels", name, key))


def _aliases(models: Mapping[str, Model], tables: Fields) -> dict[str, str]:
    owners: dict[str, str] = {}
    for model in models.values():
        for alias in model.aliases:
            if alias in models or alias in owners:
                raise tables.table(model.id).error(
                    "aliases", "an alias is also the name of another model; remove it"
                )
            owners[alias] = model.id
    return owners


def _routes(
    models: Mapping[str, Model], entries: Iterable[Entry]
) -> dict[str, tuple[Channel, ...]]:
    routes: dict[str, list[Channel]] = {id_: [] for id_ in models}
    for entry in entries:
        for id_, channel in entry.channels.items():
            routes[id_].append(channel)
    return {
        id_: tuple(sorted(channels, key=lambda channel: (channel.priority, channel.name)))
        for id_, channels in routes.items()
    }


def _offered(content: Table) -> str:
    """What is offered, without credentials, as JSON.

    Before `${NAME}` is filled in: the demo's catalogue does not change with its ports.
    """
    return json.dumps(_without_credentials(content), sort_keys=True, default=_as_text)


def _without_credentials(content: Mapping[str, object]) -> dict[str, object]:
    return {
        key: _without_credentials(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if key not in ("credential", "credentials")
    }


def _as_text(value: object) -> str:
    assert isinstance(value, date), "the only values of the catalogue that JSON does not have"
    return value.isoformat()
