"""What operators say about channels, laid over the catalogue.

A channel that is drained or disabled takes no new attempts (the two differ in what the operator
means by it); what it has is finished. A weight of the operator's stands for the catalogue's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum

from core.model import Channel
from core.values import dataclass


class Admission(StrEnum):
    """Whether a channel takes requests."""

    OPEN = "open"
    DRAINING = "draining"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Rule:
    """What an operator says about one channel. *weight* None means the catalogue's."""

    admission: Admission = Admission.OPEN
    weight: int | None = None


AS_WRITTEN = Rule()
"""The channel is as the catalogue says."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """The rules of the channels that differ from the catalogue, by name."""

    rules: Mapping[str, Rule] = field(default_factory=dict)

    def rule(self, channel: str) -> Rule:
        """What holds for *channel*."""
        return self.rules.get(channel, AS_WRITTEN)

    @property
    def closed(self) -> frozenset[str]:
        """The channels that take no new attempts."""
        return frozenset(
            name for name, rule in self.rules.items() if rule.admission is not Admission.OPEN
        )

    def weighted(self, channels: Sequence[Channel]) -> tuple[Channel, ...]:
        """The same *channels* with the weights that hold."""
        return tuple([self._weighted(channel) for channel in channels])

    def open(self, channels: Sequence[Channel]) -> tuple[Channel, ...]:
        """Those of *channels* that take requests, with the weights that hold."""
        closed = self.closed
        return self.weighted([channel for channel in channels if channel.name not in closed])

    def changed(self, other: "Overlay") -> list[str]:
        """The channels about which *other* says something else, by name."""
        names = sorted(self.rules.keys() | other.rules.keys())
        return [name for name in names if self.rule(name) != other.rule(name)]

    def _weighted(self, channel: Channel) -> Channel:
        weight = self.rule(channel.name).weight
        return channel if weight is None else replace(channel, weight=weight)
