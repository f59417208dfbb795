"""Loads the catalogue: the shipped files, with the operator's laid over them.

A later file overrides fields of models (by id) and channels (by name), adds new ones, and
switches a channel off with `enabled = false`. Lists (`prices`, `rules`, `aliases`) are
replaced whole.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType

from core.catalog.channel_tables import Around, Entry, read_channel
from core.catalog.entries import Catalogue, Model
from core.catalog.fields import Fields
from core.catalog.model_tables import read_model
from core.catalog.source import CatalogueError, Layers, Table, read
from core.model import Channel

__all__ = [
    "DIALECTS",
    "FOLDER",
    "JOB_DIALECTS",
    "Catalogue",
    "CatalogueError",
    "embedded_files",
    "load",
    "shipped_files",
]

JOB_DIALECTS = frozenset({"ark_videos"})
"""Wire protocols whose calls leave a job behind; their channels must be `reconcile_first`."""

DIALECTS = frozenset({"openai_images", "gemini_images", "ark_images"}) | JOB_DIALECTS
"""Wire protocols that a channel may name: the keys of the providers' tables."""

FOLDER = Path(__file__).parent
"""Where the shipped files are."""


def shipped_files() -> tuple[Path, ...]:
    """The catalogue of a real deployment: every model and every provider's channels."""
    return (*_models(), *sorted((FOLDER / "channels").glob("*.toml")))


def embedded_files() -> tuple[Path, ...]:
    """The catalogue of the embedded demo: the same models on simulated channels only."""
    return (*_models(), FOLDER / "embedded.toml")


def _models() -> list[Path]:
    return sorted((FOLDER / "models").glob("*.toml"))


def load(
    files: Sequence[Path],
    env: Mapping[str, str],
    dialects: Collection[str] = DIALECTS,
    job_dialects: Collection[str] = JOB_DIALECTS,
) -> Catalogue:
    """Load *files*, later over earlier; raises CatalogueError.

    Credentials, and `${NAME}` in base URLs, come from *env*. A channel whose credential is
    missing is left out, with a note.
    """
    layers = Layers([read(file) for file in files])
    top = Fields(layers, (), layers.content)
    tables = top.table("models")
    models = {id_: read_model(id_, tables.table(id_)) for id_ in sorted(tables.names())}
    aliases = _aliases(models, tables)
    tables = top.table("channels")
    around = Around(models, env, dialects, job_dialects)
    entries = {
        name: read_channel(name, tables.table(name), _credential_file(layers, name), around)
        for name in sorted(tables.names())
    }
    top.finish()
    used = {name: entry.channel for name, entry in entries.items() if entry.channel is not None}
    content = _offered(layers.content)
    return Catalogue(
        version=hashlib.sha256(content.encode()).hexdigest(),
        content=content,
        models=MappingProxyType(models),
        channels=MappingProxyType(used),
        routes=MappingProxyType(_routes(models, entries.values())),
        aliases=MappingProxyType(aliases),
        notes=tuple(entry.note for entry in entries.values() if entry.note),
    )


def _credential_file(layers: Layers, name: str) -> Path:
    """The file that names a channel's credential: relative paths start beside it."""
    return layers.file_of(("channels", name, "credential"))


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
        if entry.channel is not None:
            routes[entry.model].append(entry.channel)
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
        if key != "credential"
    }


def _as_text(value: object) -> str:
    assert isinstance(value, date), "the only values of the catalogue that JSON does not have"
    return value.isoformat()
