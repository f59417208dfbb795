"""Requests for every dialect of the catalogue, with a canary in every word and file they take."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.catalog.entries import Catalogue, ParameterType
from core.catalog.loader import FOLDER, embedded_channels, embedded_files, load
from core.model import Kind, Mode, Resubmit, Role
from gateway.proof.requests import Body, Maker, Plant, Tainted, as_json
from tests.matrix_asks import FIELDS, PATHS, ROLES, Wish, wishes
from tests.privacy.parrot import GOOD, WAYS
from tests.privacy.tainted_files import data_url

JOB_SECONDS = 6
"""A job whose provider says nothing but errors is given up after so long."""
BESIDE: Mapping[Mode, tuple[Role, ...]] = {Mode.IMAGE: (Role.MASK, Role.AUDIO)}
"""Files that go with those of a mode, where a model has them."""


def known() -> Catalogue:
    """The demo's catalogue, with addresses that nobody calls."""
    names = [name.upper().replace("-", "_").replace(".", "_") for name in embedded_channels()]
    env = {f"SIMULATOR_URL_{name}": "http://127.0.0.1:1" for name in names}
    return load(embedded_files(), env | {f"SIMULATOR_KEY_{name}": "sk-x" for name in names})


def chosen(catalogue: Catalogue) -> list[Wish]:
    """Of each dialect, one channel for each mode that it serves and each kind of words."""
    found: dict[tuple[Any, ...], Wish] = {}
    for wish in wishes(catalogue):
        key = (wish.channel.dialect, wish.mode, roles(wish), tuple(texts(wish)))
        found.setdefault(key, wish)
    return list(found.values())


def first_of_each(given: Sequence[Wish]) -> list[Wish]:
    """One of each dialect."""
    return list({wish.channel.dialect: wish for wish in reversed(given)}.values())


def roles(wish: Wish) -> tuple[Role, ...]:
    """What the files of a request are for."""
    beside = [
        role
        for role in BESIDE.get(wish.mode, ())
        if role in wish.model.inputs and f"input:{role}" not in wish.channel.unsupported
    ]
    return (*ROLES[wish.mode], *beside)


def texts(wish: Wish) -> list[str]:
    """The parameters that are a caller's own words."""
    return [
        name
        for name, schema in sorted(wish.model.parameters.items())
        if schema.type is ParameterType.TEXT and name not in wish.channel.unsupported
    ]


def asking(wish: Wish) -> Body:
    """A body in reAPI's dialect."""

    def body(plant: Plant) -> tuple[str, bytes]:
        fields: dict[str, Any] = {name: plant(name) for name in texts(wish)}
        for role in roles(wish):
            url = data_url(role, plant(f"input:{role}"))
            fields[FIELDS[role]] = [url] if FIELDS[role].endswith("urls") else url
        takes = wish.model.parameters
        for name, parameter in (("prompt", "prompt"), ("user", "end_user_id")):
            fields[name] = "CANARY" if parameter in takes else None
        return as_json(model=wish.model.id, **wish.parameters, **fields)(plant)

    return body


def tasks(maker: Maker, way: str, given: Sequence[Wish], title: str = "") -> Iterator[Tainted]:
    """A task for each wish, on its channel by *way*."""
    for wish in given:
        yield maker.make(
            title + name_of(way, wish),
            asking(wish),
            PATHS[wish.model.kind],
            headers={"x-reapi-routing": f"only={way}-{wish.channel.name}"},
        )


def live(maker: Maker, way: str, given: Sequence[Wish]) -> Iterator[Tainted]:
    """The same, answered while the caller waits: pictures and speech.

    What becomes of a job is often not known for long, and then nobody waits.
    """
    paths = {Kind.IMAGE: "/v1/images/generations", Kind.AUDIO: "/v1/audio/speech"}
    for wish in given:
        kind = wish.model.kind
        leaves_a_job = wish.channel.resubmit is Resubmit.RECONCILE_FIRST
        if kind not in paths or wish.mode is not Mode.TEXT or (leaves_a_job and way != GOOD):
            continue
        fields: dict[str, Any] = {"voice": "alloy", "input": "CANARY", "prompt": None, "user": None}
        body = as_json(model=wish.model.id, **(fields if kind is Kind.AUDIO else {}))
        routing = {"x-reapi-routing": f"only={way}-{wish.channel.name}"}
        yield maker.make(f"live {name_of(way, wish)}", body, paths[kind], headers=routing)


def name_of(way: str, wish: Wish) -> str:
    """What a request is called."""
    words = [*roles(wish), *texts(wish)]
    return f"{way} {wish.channel.dialect} {wish.mode} {'+'.join(words)}".strip()


# ---- the catalogue


def overlay(parrot_url: str, given: Sequence[Wish]) -> str:
    """Copies of the channels of *given*, one for each way, that are asked through the parrot."""
    tables: dict[str, Any] = {}
    for file in sorted((FOLDER / "embedded").glob("*.toml")):
        tables |= tomllib.loads(file.read_text())["channels"]
    firsts = {wish.channel.name for wish in first_of_each(given)}
    lines = []
    for name in dict.fromkeys(wish.channel.name for wish in given):
        for way in WAYS if name in firsts else (GOOD,):
            table = {**tables[name], "priority": 90, "poll_seconds": 0.2}
            if "job_seconds" in table:
                table["job_seconds"] = JOB_SECONDS if way != GOOD else 60
            for key in table.keys() & {"base_url", "side_url"}:
                _, _, path = table[key].partition("}")
                table[key] = f"{parrot_url}/{way}/{name}{path}"
            lines.append(f"[channels.{way}-{name}]")
            lines += [f"{json.dumps(key)} = {_toml(value)}" for key, value in table.items()]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value)
