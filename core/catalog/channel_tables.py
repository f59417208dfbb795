"""Reads a `[channels.…]` table."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from core.body import Secret
from core.catalog.entries import Model, ParameterType
from core.catalog.fields import Fields
from core.catalog.source import CatalogueError
from core.model import Channel, Deadlines, Resubmit, Role

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}")
_CREDENTIAL = re.compile(r"[\x21-\x7e]{1,8192}")
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


@dataclass(frozen=True, slots=True)
class Entry:
    """A channel that was read: None where it is left out, and then the note says why."""

    model: str
    channel: Channel | None
    note: str = ""


def read_channel(name: str, fields: Fields, file: Path, around: Around) -> Entry:
    """Read one channel; raises CatalogueError. *file* is where its credential is named."""
    if not _NAME.fullmatch(name):
        raise fields.error("", "the name must be 1 to 64 of a-z 0-9 . _ -")
    model = around.models[fields.choice("model", sorted(around.models))]
    is_enabled = fields.flag("enabled", default=True)
    credential, problem = _credential(fields, file, around.env)
    if not is_enabled:
        problem = "it is disabled"
    plain = Channel(name, "", "", "", Secret(""))
    dialect = fields.choice("dialect", sorted(around.dialects))
    channel = Channel(
        name=name,
        dialect=dialect,
        upstream_model=fields.text("upstream_model"),
        base_url=_base_url(fields, around.env if not problem else None),
        credential=credential,
        priority=fields.whole("priority", plain.priority, least=0),
        weight=fields.whole("weight", plain.weight),
        region=fields.text("region", plain.region),
        resubmit=_resubmit(fields, leaves_jobs=dialect in around.job_dialects),
        bills_on_cancel=fields.flag("bills_on_cancel", default=plain.bills_on_cancel),
        bills_on_refusal=fields.flag("bills_on_refusal", default=plain.bills_on_refusal),
        unsupported=_unsupported(fields, model),
        maximum_count=fields.whole("maximum_count", plain.maximum_count),
        maximum_in_flight=fields.whole("maximum_in_flight", plain.maximum_in_flight),
        maximum_answer_bytes=fields.whole("maximum_answer_bytes", plain.maximum_answer_bytes),
        media_hosts=_media_hosts(fields),
        poll_seconds=fields.seconds("poll_seconds", plain.poll_seconds),
        sla_seconds=fields.seconds("sla_seconds", plain.sla_seconds),
        job_seconds=fields.seconds("job_seconds", plain.job_seconds),
        deadlines=_deadlines(fields.table("deadlines"), plain.deadlines),
    )
    fields.finish()
    if problem:
        return Entry(model.id, None, f"channel {name} is left out: {problem}")
    if _is_exposed(channel.base_url):
        return Entry(model.id, channel, f"channel {name} sends its credential over plain http")
    return Entry(model.id, channel)


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


def _credential(fields: Fields, file: Path, env: Mapping[str, str]) -> tuple[Secret[str], str]:
    """Read where the credential is, and it; the second part says why it is not there."""
    if not fields.has("credential"):
        raise fields.error("credential", 'is missing; add credential = { env = "NAME" }')
    place = fields.table("credential")
    has_env, has_file = place.has("env"), place.has("file")
    if has_env == has_file:
        raise fields.error("credential", 'must be { env = "NAME" } or { file = "path" }')
    name = place.text("env" if has_env else "file")
    place.finish()
    if has_env:
        value, problem = env.get(name, "").strip(), f"set {name} to its credential to use it"
    else:
        value, problem = _from_file(file.parent / name)
    if not value:
        return Secret(""), problem
    if not _CREDENTIAL.fullmatch(value):
        raise fields.error("credential", "leads to a value that cannot stand in a header; check it")
    return Secret(value), ""


def _from_file(path: Path) -> tuple[str, str]:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "", f"its credential file {path.name} cannot be read"
    return value, f"its credential file {path.name} is empty"


def _base_url(fields: Fields, env: Mapping[str, str] | None) -> str:
    """Read the URL and fill in `${NAME}`; *env* is None where the channel is not used."""
    raw = fields.text("base_url")
    if env is None:
        return ""
    missing = [name for name in _VARIABLE.findall(raw) if not env.get(name)]
    if missing:
        raise fields.error("base_url", f"needs the variable {missing[0]}; set it")
    url = _VARIABLE.sub(lambda match: env[match[1]], raw).rstrip("/")
    if not _is_base_url(url):
        raise fields.error("base_url", "must be an http(s) URL without user, query or fragment")
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


def _unsupported(fields: Fields, model: Model) -> frozenset[str]:
    """Read what the channel cannot honour; a misspelt name would let requests through."""
    known = {"partials", *model.parameters, *(f"input:{role}" for role in Role)}
    for name, schema in model.parameters.items():
        known.update(f"{name}={value}" for value in schema.values)
        if schema.type is ParameterType.BOOLEAN:
            known.update((f"{name}=true", f"{name}=false"))
        if schema.automatic is not None:
            known.add(f"{name}={schema.automatic}")
    names = fields.texts("unsupported")
    if not known.issuperset(names):
        raise fields.error(
            "unsupported",
            "each must be a parameter of the model, `name=value`, `input:role` or `partials`",
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
