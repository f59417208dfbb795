"""Reads a `[channels.…]` table."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from billing.pricing import PriceRow
from core.body import Secret
from core.catalog.channel_credentials import read_credentials
from core.catalog.cost_tables import read_costs
from core.catalog.entries import Model
from core.catalog.field_rules import read_constants, read_wording, unsaid
from core.catalog.fields import Fields
from core.catalog.schema import values_of
from core.catalog.source import CatalogueError
from core.model import Channel, Deadlines, Mode, Resubmit, Role
from core.sealed_files import Unseal

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}")
_PLAIN = Channel("", "", "", "", Secret(""))
"""What fields are where a channel does not say."""
_HOST = re.compile(r"(\*\.(?=.*\.))?[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*(:[0-9]{1,5})?")
"""A host, or `*.` and a name of at least two parts; perhaps with a port."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a channel is read against."""

    models: Mapping[str, Model]
    env: Mapping[str, str]
    dialects: Collection[str]
    job_dialects: Collection[str]
    """Those of the dialects whose calls leave a job behind."""
    unseal: Unseal | None = None
    """What opens sealed files of credentials."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A channel that was read, as each of its models knows it: what it cannot honour may differ.

    Without `channels` it is left out, and then a note says why.
    """

    channels: Mapping[str, Channel]
    notes: tuple[str, ...] = ()
    credential_files: tuple[Path, ...] = ()
    """Where credentials are, or would be."""
    costs: tuple[PriceRow, ...] = ()
    """What the provider charges, as far as it is known."""


def read_channel(name: str, fields: Fields, file: Path, around: Around) -> Entry:
    """Read one channel; raises CatalogueError. *file* is where its credentials are named."""
    if not _NAME.fullmatch(name):
        raise fields.error("", "the name must be 1 to 64 of a-z 0-9 . _ -")
    models = _models(fields, around.models)
    found = read_credentials(fields, file, around.env, around.unseal)
    problem = _absence(fields) or (found.missing[0] if not found.secrets else "")
    first = next(iter(found.secrets), "")
    env = around.env if not problem else None
    unsupported, costs = _unsupported(fields, models), read_costs(fields, models)
    wording = read_wording(fields, models)
    dialect = fields.choice("dialect", sorted(around.dialects))
    channel = Channel(
        name=name,
        dialect=dialect,
        upstream_model=fields.text("upstream_model"),
        base_url=_url(fields, "base_url", env),
        credential=found.secrets[first] if first else _PLAIN.credential,
        credential_name=first,
        credentials=found.secrets,
        priority=fields.whole("priority", _PLAIN.priority, least=0),
        weight=fields.whole("weight", _PLAIN.weight),
        region=fields.text("region", _PLAIN.region),
        resubmit=_resubmit(fields, leaves_jobs=dialect in around.job_dialects),
        bills_on_cancel=fields.flag("bills_on_cancel", default=_PLAIN.bills_on_cancel),
        bills_on_refusal=fields.flag("bills_on_refusal", default=_PLAIN.bills_on_refusal),
        maximum_count=fields.whole("maximum_count", _PLAIN.maximum_count),
        maximum_in_flight=fields.whole("maximum_in_flight", _PLAIN.maximum_in_flight),
        maximum_answer_bytes=fields.whole("maximum_answer_bytes", _PLAIN.maximum_answer_bytes),
        maximum_result_bytes=fields.whole("maximum_result_bytes", _PLAIN.maximum_result_bytes),
        media_hosts=_media_hosts(fields),
        poll_seconds=fields.seconds("poll_seconds", _PLAIN.poll_seconds),
        sla_seconds=fields.seconds("sla_seconds", _PLAIN.sla_seconds),
        job_seconds=fields.seconds("job_seconds", _PLAIN.job_seconds),
        deadlines=_deadlines(fields.table("deadlines"), _PLAIN.deadlines),
        variants=wording.variants,
        fields=wording.rules,
        constants=read_constants(fields, wording.rules),
        side_url=_url(fields, "side_url", env) if fields.has("side_url") else "",
        options=_options(fields.table("options")),
    )
    fields.finish()
    if problem:
        return Entry({}, (f"channel {name} is left out: {problem}",), found.files)
    channels = {
        model.id: replace(channel, unsupported=unsupported.union(unsaid(model, wording)))
        for model in models
    }
    notes = [f"channel {name} lacks a credential: {reason}" for reason in found.missing]
    if any(_is_exposed(url) for url in (channel.base_url, channel.side_url) if url):
        notes.append(f"channel {name} sends its credential over plain http")
    return Entry(channels, tuple(notes), found.files, costs)


def _models(fields: Fields, known: Mapping[str, Model]) -> list[Model]:
    """Read which models it serves: `model`, or several in `models`."""
    has_one, has_several = fields.has("model"), fields.has("models")
    if has_one and has_several:
        raise fields.error("model", "there is `models` too; remove one of them")
    if not has_several:
        return [known[fields.choice("model", sorted(known))]]
    names = fields.texts("models")
    if not names or not known.keys() >= set(names):
        raise fields.error("models", f"each must be one of: {', '.join(sorted(known))}")
    return [known[name] for name in names]


def _absence(fields: Fields) -> str:
    """Why it is not to be used, if it is not: a channel that retired may be enabled again."""
    retired = fields.day("retired") if fields.has("retired") else None
    if fields.flag("enabled", default=retired is None):
        return ""
    if fields.has("enabled") or retired is None:
        return "it is disabled"
    return f"retired on {retired.isoformat()}; set enabled = true to use it all the same"


def _options(table: Fields) -> dict[str, str]:
    return {name: table.text(name) for name in table.names()}


def _resubmit(fields: Fields, *, leaves_jobs: bool) -> Resubmit:
    """Read the rule; it follows from the dialect, and says so where the money is at stake."""
    rule = fields.word("resubmit", Resubmit, Resubmit.DUPLICATE_OK)
    wanted = Resubmit.RECONCILE_FIRST if leaves_jobs else Resubmit.DUPLICATE_OK
    if rule is not wanted:
        raise fields.error("resubmit", f"must be {wanted} with this dialect")
    return rule


def _media_hosts(fields: Fields) -> frozenset[str]:
    hosts = fields.texts("media_hosts")
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise fields.error("media_hosts", "each must be a host in lower case or `*.` and a domain")
    return frozenset(hosts)


def _url(fields: Fields, key: str, env: Mapping[str, str] | None) -> str:
    """Read a base URL and fill in `${NAME}`; *env* is None where the channel is not used."""
    raw = fields.text(key)
    if env is None:
        return ""
    missing = [name for name in _VARIABLE.findall(raw) if not env.get(name)]
    if missing:
        raise fields.error(key, f"needs the variable {missing[0]}; set it")
    url = _VARIABLE.sub(lambda match: env[match[1]], raw).rstrip("/")
    if not _is_base_url(url):
        raise fields.error(key, "must be an http(s) URL without user, query or fragment")
    return url


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not (parts.username or parts.password or parts.query or parts.fragment)
        and url.isascii()
        and url.isprintable()
        and " " not in url
    )


def _is_exposed(url: str) -> bool:
    """Whether the credential goes in clear to another machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return False
    try:
        return not ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True


def _unsupported(fields: Fields, models: Sequence[Model]) -> frozenset[str]:
    """Read what the channel cannot honour; a misspelt name would let requests through."""
    known = {"partials", *(f"{of}:{role}" for of in ("input", "inline") for role in Role)}
    known.update(f"mode:{mode}" for mode in Mode)
    for model in models:
        for name, schema in model.parameters.items():
            known.add(name)
            known.update(
                f"{name}={value}" for value in (*schema.values, *(values_of(schema) or ()))
            )
            if schema.automatic is not None:
                known.add(f"{name}={schema.automatic}")
    names = fields.texts("unsupported")
    if not known.issuperset(names):
        raise fields.error(
            "unsupported",
            "each must be a parameter of the model, `name=value`, `input:role`, `inline:role`, "
            "`mode:…` or `partials`",
        )
    return frozenset(names)


def _deadlines(fields: Fields, plain: Deadlines) -> Deadlines:
    deadlines = Deadlines(
        connect=fields.seconds("connect", plain.connect),
        acknowledge=fields.seconds("acknowledge", plain.acknowledge),
        first_byte=fields.seconds("first_byte", plain.first_byte),
        idle=fields.seconds("idle", plain.idle),
        total=fields.seconds("total", plain.total),
    )
    fields.finish()
    return deadlines


__all__ = ["Around", "CatalogueError", "Entry", "read_channel"]
