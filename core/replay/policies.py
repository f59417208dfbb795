"""The policy of a replay: what is changed about channels and rules, read from TOML's values."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from typing import Any

from core.body import Secret
from core.model import Channel, Deadlines
from core.replay.rules import Rules
from core.replay.trace import TracedChannel

Facts = Mapping[str, Any]


class PolicyError(Exception):
    """A policy file says what means nothing; names the key."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key


@dataclass(frozen=True, slots=True)
class ChannelChange:
    """What is different about one channel; None: as the trace says."""

    priority: int | None = None
    weight: int | None = None
    maximum_in_flight: int | None = None
    cost_micros: int | None = None
    disabled: bool = False
    deadlines: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplayPolicy:
    """Everything that a replay can change; without arguments, what the gateway does."""

    rules: Rules = field(default_factory=Rules)
    deadlines: Mapping[str, float] = field(default_factory=dict)
    """Of every channel."""
    channels: Mapping[str, ChannelChange] = field(default_factory=dict)

    def cost(self, channel: TracedChannel) -> int | None:
        """What a call that delivers costs; None where nobody said."""
        change = self.channels.get(channel.name)
        if change is not None and change.cost_micros is not None:
            return change.cost_micros
        return channel.cost_micros

    def applied(self, channels: Sequence[TracedChannel]) -> dict[str, tuple[Channel, ...]]:
        """The channels of each model as routing sees them; raises PolicyError."""
        known = {channel.name for channel in channels}
        for name in self.channels:
            if name not in known:
                raise PolicyError(f"channels.{name}", f"the trace has {_listed(known)}")
        found: dict[str, tuple[Channel, ...]] = {}
        for channel in channels:
            change = self.channels.get(channel.name, _SAME)
            for model in channel.models:
                others = found.setdefault(model, ())
                if not change.disabled:
                    found[model] = (*others, self._applied(channel, change))
        return found

    def _applied(self, channel: TracedChannel, change: ChannelChange) -> Channel:
        limits = {**self.deadlines, **change.deadlines}
        return Channel(
            name=channel.name,
            dialect="",
            upstream_model="",
            base_url="",
            credential=Secret(""),
            priority=_first(change.priority, channel.priority),
            weight=_first(change.weight, channel.weight),
            maximum_in_flight=_first(change.maximum_in_flight, channel.maximum_in_flight),
            resubmit=channel.resubmit,
            deadlines=replace(channel.deadlines, **limits) if limits else channel.deadlines,
        )


_SAME = ChannelChange()


def _first(changed: int | None, otherwise: int) -> int:
    return otherwise if changed is None else changed


# ---- reading


def read_policy(facts: Facts) -> ReplayPolicy:
    """Read what a TOML file says; raises PolicyError."""
    _expect(facts, "", {"rules", "deadlines", "channels"})
    changes = {}
    for name, item in _table(facts, "channels").items():
        key = f"channels.{name}"
        if not isinstance(item, Mapping):
            raise PolicyError(key, "must be a table")
        changes[name] = _change(item, key)
    rules = _values(_table(facts, "rules"), "rules", _RULES)
    return ReplayPolicy(
        rules=Rules(**rules),
        deadlines=_deadlines(_table(facts, "deadlines"), "deadlines"),
        channels=changes,
    )


_Known = Mapping[str, tuple[type, float]]
"""The type of each value, and the least."""
_RULES: _Known = {
    "maximum_attempts": (int, 1),
    "eject_after": (int, 1),
    "eject_seconds": (float, 0),
    "eject_seconds_max": (float, 0),
    "rate_minimum": (int, 1),
    "rate_limit": (float, 0),
    "retry_share": (float, 0),
    "retry_minimum": (int, 0),
    "hedging": (bool, 0),
}
_CHANGES: _Known = {
    "priority": (int, -(1 << 31)),
    "weight": (int, 1),
    "maximum_in_flight": (int, 1),
    "cost_micros": (int, 0),
    "disabled": (bool, 0),
}
_DEADLINES: _Known = {item.name: (float, 0) for item in fields(Deadlines)}
_WORDS = {int: "a whole number", float: "a number", bool: "true or false"}


def _change(item: Facts, key: str) -> ChannelChange:
    _expect(item, key, {*_CHANGES, "deadlines"})
    plain = {name: value for name, value in item.items() if name != "deadlines"}
    limits = _deadlines(_table(item, "deadlines", f"{key}.deadlines"), f"{key}.deadlines")
    return ChannelChange(**_values(plain, key, _CHANGES), deadlines=limits)


def _deadlines(facts: Facts, key: str) -> dict[str, float]:
    return {name: float(value) for name, value in _values(facts, key, _DEADLINES).items()}


def _values(facts: Facts, key: str, known: _Known) -> dict[str, Any]:
    _expect(facts, key, set(known))
    found: dict[str, Any] = {}
    for name, value in facts.items():
        wanted, least = known[name]
        kind = type(value)
        if kind is not wanted and not (wanted is float and kind is int):
            raise PolicyError(f"{key}.{name}", f"must be {_WORDS[wanted]}")
        if not value >= least:  # not a number, too
            raise PolicyError(f"{key}.{name}", f"must not be below {least}")
        found[name] = value
    return found


def _table(facts: Facts, name: str, key: str = "") -> Facts:
    found = facts.get(name, {})
    if not isinstance(found, Mapping):
        raise PolicyError(key or name, "must be a table")
    return found


def _expect(facts: Facts, key: str, known: AbstractSet[str]) -> None:
    for name in facts:
        if name not in known:
            whole = f"{key}.{name}" if key else name
            raise PolicyError(whole, f"is not known; there are {_listed(known)}")


def _listed(names: AbstractSet[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"
