"""Channels as the operator sees them: catalogue, overlay and health as protobuf messages."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from core.catalog.entries import Catalogue
from core.engine.channel_controls import etag_of
from core.model import Channel
from core.policy.health import Health, HealthBook, Standing
from core.policy.overlay import Admission, Overlay
from core.services.convert import timestamp
from core.values import dataclass
from reapi.v1 import admin_pb2 as pb

ADMISSIONS: Final[Mapping[Admission, pb.Channel.Admission]] = {
    Admission.OPEN: pb.Channel.ADMISSION_OPEN,
    Admission.DRAINING: pb.Channel.ADMISSION_DRAINING,
    Admission.DISABLED: pb.Channel.ADMISSION_DISABLED,
}
_STATES: Final[Mapping[Standing, pb.ChannelHealth.State]] = {
    Standing.HEALTHY: pb.ChannelHealth.STATE_HEALTHY,
    Standing.EJECTED: pb.ChannelHealth.STATE_EJECTED,
    Standing.PROBE_DUE: pb.ChannelHealth.STATE_HALF_OPEN,
    Standing.PROBING: pb.ChannelHealth.STATE_HALF_OPEN,
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A channel as the catalogue has it, used or left out."""

    name: str
    dialect: str
    models: tuple[str, ...]
    priority: int
    weight: int
    region: str
    left_out: str = ""
    """Why it is not used; empty if it is."""

    @property
    def provider(self) -> str:
        """Who runs it: dialects are called after their provider."""
        return self.dialect.partition("_")[0]


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, by the clock that health goes by and by the one on the wall."""

    monotonic: float
    wall: datetime

    def at(self, monotonic: float) -> datetime:
        """A time of the first clock, by the second."""
        return self.wall.astimezone(UTC) + timedelta(seconds=monotonic - self.monotonic)


def listed(catalogue: Catalogue) -> Mapping[str, Listed]:
    """Every channel of *catalogue* by name, in the order of names."""
    models: dict[str, list[str]] = {}
    for id_, channels in catalogue.routes.items():
        for channel in channels:
            models.setdefault(channel.name, []).append(id_)
    found = {
        name: _used(channel, sorted(models.get(name, ())))
        for name, channel in catalogue.channels.items()
    }
    for name, table in _written(catalogue.content).items():
        if name not in found:
            found[name] = _left_out(name, table, catalogue.notes)
    return {name: found[name] for name in sorted(found)}


def message(item: Listed, overlay: Overlay, book: HealthBook, now: Moment) -> pb.Channel:
    """The resource."""
    rule = overlay.rule(item.name)
    return pb.Channel(
        name=f"channels/{item.name}",
        admission=ADMISSIONS[rule.admission],
        weight=item.weight if rule.weight is None else rule.weight,
        provider=item.provider,
        dialect=item.dialect,
        models=item.models,
        priority=item.priority,
        region=item.region,
        credential_present=not item.left_out,
        health=[_health(health, now) for health in _of(book, item.name)],
        disabled_reason=item.left_out,
        etag=etag_of(rule, item.weight),
    )


def _used(channel: Channel, models: Iterable[str]) -> Listed:
    return Listed(
        channel.name,
        channel.dialect,
        tuple(models),
        channel.priority,
        channel.weight,
        channel.region,
    )


def _left_out(name: str, table: Mapping[str, Any], notes: Iterable[str]) -> Listed:
    prefix = f"channel {name} is left out: "
    reason = next((note.removeprefix(prefix) for note in notes if note.startswith(prefix)), "")
    plain = Channel.__dataclass_fields__
    return Listed(
        name,
        table["dialect"],
        tuple(sorted(table.get("models") or [table["model"]])),
        table.get("priority", plain["priority"].default),
        table.get("weight", plain["weight"].default),
        table.get("region", ""),
        reason or "it cannot be used here",
    )


def _written(content: str) -> Mapping[str, Any]:
    """The tables of channels, as they are written in the catalogue."""
    tables: Mapping[str, Any] = json.loads(content).get("channels", {}) if content else {}
    return tables


def _of(book: HealthBook, name: str) -> list[Health]:
    found = [health for health in book if health.channel == name]
    return sorted(found, key=lambda health: health.operation)


def _health(health: Health, now: Moment) -> pb.ChannelHealth:
    item = pb.ChannelHealth(
        operation=health.operation,
        state=_STATES[health.standing(now.monotonic)],
        in_flight_count=health.load.in_flight,
        last_fault=health.last_fault or "",
        consecutive_fault_count=health.consecutive,
    )
    until = health.ejected_until
    if until is not None and until > now.monotonic:
        item.eject_end_time.CopyFrom(timestamp(now.at(until)))
    latency, p95 = health.latency(now.monotonic), health.latency_p95(now.monotonic)
    if latency is not None:
        item.latency.CopyFrom(_duration(latency))
    if p95 is not None:
        item.latency_p95.CopyFrom(_duration(p95))
    permille = health.success_permille(now.monotonic)
    if permille is not None:
        item.success_permille = permille
    if latency is None and health.last_fault is None:
        item.state = pb.ChannelHealth.STATE_UNTRIED
    return item


def _duration(seconds: float) -> Duration:
    made = Duration()
    made.FromTimedelta(timedelta(seconds=seconds))
    return made
