"""Reads where the credentials of a channel are, and them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.body import Secret
from core.catalog.fields import Fields
from core.sealed_files import Unseal, is_sealed
from core.sealing import UnsealError

MOST = 16
"""Credentials of one channel: each has its own state in every process."""
_CREDENTIAL = re.compile(r"[\x21-\x7e]{1,8192}")
_EXAMPLE = 'credential = { env = "NAME" }'
_FORM = 'must be { env = "NAME" } or { file = "path" }'


@dataclass(frozen=True, slots=True)
class Found:
    """What is there of a channel's credentials."""

    secrets: Mapping[str, Secret[str]] = field(repr=False)
    """By where they are: `env:NAME`, `file:path`; in the order of the catalogue."""
    missing: tuple[str, ...]
    """Why each of the others is not there."""
    files: tuple[Path, ...]
    """Which files were read, or would have been."""


def read_credentials(
    fields: Fields, file: Path, env: Mapping[str, str], unseal: Unseal | None = None
) -> Found:
    """Read `credentials`, a list, or else `credential`; raises CatalogueError.

    *file* is the catalogue's: paths start beside it. *unseal* opens sealed files.
    """
    secrets: dict[str, Secret[str]] = {}
    missing: list[str] = []
    files: list[Path] = []
    for key, place in _places(fields):
        kind, name = _named(place)
        if kind == "env":
            value, problem = env.get(name, "").strip(), f"set {name} to its credential to use it"
        else:
            files.append(file.parent / name)
            value, problem = _from_file(files[-1], unseal)
        if not value:
            missing.append(problem)
        elif not _CREDENTIAL.fullmatch(value):
            raise fields.error(key, "leads to a value that cannot stand in a header; check it")
        elif f"{kind}:{name}" in secrets:
            raise fields.error(key, "names something twice; remove one")
        else:
            secrets[f"{kind}:{name}"] = Secret(value)
    return Found(secrets, tuple(missing), tuple(files))


def _places(fields: Fields) -> Iterator[tuple[str, Fields]]:
    """The tables that say where; several replace the one, which an overlay may lie over."""
    has_one = fields.has("credential")
    if fields.has("credentials"):
        places = list(fields.tables("credentials"))
        if not 1 <= len(places) <= MOST:
            raise fields.error("credentials", f"must be 1 to {MOST} of them")
        yield from (("credentials", place) for place in places)
    elif has_one:
        yield "credential", fields.table("credential")
    else:
        raise fields.error("credential", f"is missing; add {_EXAMPLE}")


def _named(place: Fields) -> tuple[str, str]:
    has_env, has_file = place.has("env"), place.has("file")
    if has_env == has_file:
        raise place.error("", _FORM)
    kind = "env" if has_env else "file"
    name = place.text(kind)
    place.finish()
    return kind, name


def _from_file(path: Path, unseal: Unseal | None) -> tuple[str, str]:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "", f"its credential file {path.name} cannot be read"
    if is_sealed(value):
        return _unsealed(path, value, unseal)
    return value, f"its credential file {path.name} is empty"


def _unsealed(path: Path, text: str, unseal: Unseal | None) -> tuple[str, str]:
    if unseal is None:
        return "", f"its credential file {path.name} is sealed: only the gateway opens it"
    try:
        value = unseal(text).reveal().strip()
    except UnsealError:
        problem = f"its credential file {path.name} is sealed under a server key that is gone"
        return "", f"{problem}: seal it again"
    return value, f"its credential file {path.name} is empty"
