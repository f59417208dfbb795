"""Which channel to ask: who can serve the request at all, and who of them first.

`eligible` looks at what never changes during a request (parameters, the caller's wishes);
`choose` at what does (health, load, what was tried). Order: healthy before ejected, those
with something left of their rate limit first, then priority tier, then power of two choices
on (in flight + 1) × latency / weight. A channel whose probe is due is offered to the next
request first of all, so that it comes back even when better ones exist; requests that have
lost an attempt already are spared. When all are ejected, ejection is ignored.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import field
from enum import StrEnum

from core.errors import GatewayError, Reason
from core.model import Ask, Channel, Resubmit
from core.policy.circuit import RANK
from core.policy.credentials import Credential
from core.policy.health import Chance, Health, HealthBook, Standing
from core.values import dataclass

FULL_RETRY_SECONDS = 1.0
CLOSED_RETRY_SECONDS = 10.0
"""An operator opens a channel again by hand: retrying at once only makes load."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request relies on, in the words of `Channel.unsupported`.

    `tokens` maps each (`background`, `background=transparent`, `input:mask`, `partials`,
    `mode:video`, `input:image=3` for a third one, `input:image@video` for one in that mode,
    and `inline:video` for a file that is at no URL) to the parameter that an error names.
    """

    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    count: int = 1
    is_divisible: bool = False
    """Whether several calls may make the outputs, where none of them leaves a job."""

    @classmethod
    def of(
        cls,
        ask: Ask,
        defaults: Mapping[str, str | int | float | bool],
        *,
        is_divisible: bool = False,
    ) -> "Needs":
        """Read them off *ask*.

        A parameter's name counts if the caller gave it; its value also if it is only the
        model's default: a channel that cannot make PNG is excluded for whoever gets PNG.
        """
        tokens = {name: name for name in ask.parameters}
        for name, value in {**defaults, **ask.parameters}.items():
            tokens[f"{name}={_text(value)}"] = name
        for number, item in enumerate(ask.inputs):
            name = item.parameter or item.role
            peers = sum(other.role is item.role for other in ask.inputs[: number + 1])
            tokens[f"input:{item.role}={peers}"] = name
            tokens.setdefault(f"input:{item.role}@{ask.mode}", name)
            tokens.setdefault(f"input:{item.role}", name)
            tokens.setdefault(f"mode:{ask.mode}", name)
            if item.url is None:
                tokens.setdefault(f"inline:{item.role}", name)
        tokens.setdefault(f"mode:{ask.mode}", "prompt")
        tokens |= {name: name for name in ask.texts}
        if ask.partials:
            tokens["partials"] = "partial_count"
        return cls(tokens, ask.count, is_divisible and ask.count > 1)

    def unmet(self, channel: Channel) -> list[str]:
        """Name the parameters that *channel* cannot honour, in the order of the request."""
        names = [name for token, name in self.tokens.items() if token in channel.unsupported]
        if not self._can_make(channel):
            names.append("output_count")
        return list(dict.fromkeys(names))

    def are_met(self, channel: Channel) -> bool:
        """Whether *channel* can honour all of them."""
        return self._can_make(channel) and channel.unsupported.isdisjoint(self.tokens)

    def _can_make(self, channel: Channel) -> bool:
        return self.count <= channel.maximum_count or (
            self.is_divisible and channel.resubmit is Resubmit.DUPLICATE_OK
        )


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Preference:
    """Which channels the caller allows; an empty set allows all (semantics.md 33)."""

    only: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    is_careful: bool = False
    """Whether channels that bill for refusals come in only where no other can serve."""

    def admits(self, channel: Channel) -> bool:
        """Whether the caller allows *channel*."""
        return (
            (not self.only or channel.name in self.only)
            and channel.name not in self.excluded
            and (not self.regions or channel.region in self.regions)
        )


ANY = Preference()
"""Whoever has no wishes."""


class Why(StrEnum):
    """Why no channel can be chosen."""

    NOT_CONFIGURED = "not_configured"
    """The model has no channel: none in the catalogue, or none with a credential."""
    PREFERENCE = "preference"
    """The caller's routing excludes them all."""
    PARAMETER = "parameter"
    """No channel can honour the parameters."""
    CLOSED = "closed"
    """An operator drains or has disabled each that is left."""
    FULL = "full"
    """Each is at its maximum in flight."""
    TRIED = "tried"
    """Each was tried."""


@dataclass(frozen=True, slots=True)
class Unroutable:
    """No channel can be chosen. `parameter` is the one that excludes them all, if any."""

    why: Why
    parameter: str = ""

    def to_error(self) -> GatewayError:
        """Say so to the caller."""
        match self.why:
            case Why.FULL:
                return GatewayError(
                    Reason.OVERLOADED,
                    "Every channel of the model is at its limit; try again.",
                    retry_after=FULL_RETRY_SECONDS,
                    metadata={"resource": "channels"},
                )
            case Why.CLOSED:
                return GatewayError(
                    Reason.OVERLOADED,
                    "The operator has closed every channel that could serve the request; "
                    "try again later.",
                    retry_after=CLOSED_RETRY_SECONDS,
                    metadata={"resource": "channels"},
                )
            case Why.PARAMETER:
                message = f"No channel of the model can serve this `{self.parameter}`."
            case Why.PREFERENCE:
                message = "The `routing` of the request excludes every channel of the model."
            case Why.NOT_CONFIGURED | Why.TRIED:
                message = "No channel of the model is configured here."
        return GatewayError(Reason.NO_CHANNEL, message, parameter=self.parameter)


def eligible(
    channels: Sequence[Channel], needs: Needs, preference: Preference
) -> tuple[Channel, ...] | Unroutable:
    """Keep the *channels* that can serve the request at all; say why if none can."""
    if not channels:
        return Unroutable(Why.NOT_CONFIGURED)
    allowed = [channel for channel in channels if preference.admits(channel)]
    if not allowed:
        return Unroutable(Why.PREFERENCE, "routing")
    able = tuple([channel for channel in allowed if needs.are_met(channel)])
    if preference.is_careful:
        able = tuple([channel for channel in able if not channel.bills_on_refusal]) or able
    return able or Unroutable(Why.PARAMETER, _culprit(allowed, needs))


def _culprit(channels: Sequence[Channel], needs: Needs) -> str:
    """Name the parameter that excludes the most channels: the one to change first."""
    votes = Counter(name for channel in channels for name in needs.unmet(channel))
    return votes.most_common(1)[0][0]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one generation needs from routing.

    `key` names who it is for, in the retry budget. `ends` is when its attempts must be over
    (`deadlines.attempts_end`); None for a generation that outlives its caller.
    """

    channels: Sequence[Channel]
    operation: str
    needs: Needs = field(default_factory=Needs)
    preference: Preference = ANY
    key: str = ""
    ends: float | None = None
    able: tuple[Channel, ...] | Unroutable | None = None
    """Those of `channels` that can serve whoever has no wishes, where that is known already."""

    def eligible(self) -> tuple[Channel, ...] | Unroutable:
        """Those of its channels that can serve it at all; or why none can."""
        if self.able is not None and self.preference is ANY:
            return self.able
        return eligible(self.channels, self.needs, self.preference)


Tried = AbstractSet[str | tuple[str, str]]
"""What a generation does not ask again: channels by name, and credentials of channels."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A channel to ask, with the credential to use, and how it stood when it was chosen."""

    channel: Channel
    health: Health
    standing: Standing
    is_spent: bool = False
    """Nothing is left of its rate limit: it was chosen because others had failed or are out."""

    @property
    def ignores_ejection(self) -> bool:
        """Whether it was chosen only because nothing better is left."""
        return self.standing in (Standing.EJECTED, Standing.PROBING)


def look(channel: Channel, book: HealthBook, operation: str, now: float) -> Choice | None:
    """Give *channel* as a choice; None when it is closed or at its maximum in flight."""
    health = book.of(channel.name, operation)
    if channel.name in book.closed or health.load.in_flight >= channel.maximum_in_flight:
        return None
    credential = health.load.pick(channel, now, frozenset(), probes=False)
    return None if credential is None else _chosen((channel, health, credential), book, now)


def likely(
    channels: Sequence[Channel], book: HealthBook, operation: str, now: float
) -> list[Channel]:
    """Order the eligible *channels* that may be asked now: as they stand, then by priority."""
    found = [choice for each in channels if (choice := look(each, book, operation, now))]
    found.sort(key=lambda it: (RANK[it.standing], it.channel.priority, it.channel.name))
    return [choice.channel for choice in found]


def choose(
    channels: Sequence[Channel],
    book: HealthBook,
    operation: str,
    now: float,
    chance: Chance,
    tried: Tried = frozenset(),
    count: int = 1,
) -> Choice | Unroutable:
    """Choose among eligible *channels* outside *tried* for *count* outputs; changes nothing."""
    healthy: list[_Runner] = []
    spent: list[_Runner] = []
    due: list[_Runner] = []
    ejected: list[_Runner] = []
    why = Why.TRIED
    has_probes = bool(book.opened) and not tried
    for channel in channels:
        name = channel.name
        if name in tried:
            continue
        if name in book.closed:
            why = Why.CLOSED if why is Why.TRIED else why
            continue
        health = book.of(name, operation)
        if healthy and not has_probes and channel.priority > healthy[0][0].priority:
            continue  # whoever is healthy in a tier before it comes first
        if health.load.in_flight >= channel.maximum_in_flight:
            why = Why.FULL
            continue
        refused = _refused(channel, tried) if tried else _NONE
        credential = health.load.pick(channel, now, refused, probes=not tried)
        if credential is None:
            continue
        match health.standing_with(credential, now):
            case Standing.HEALTHY:
                fit = spent if credential.is_spent(now) else healthy
            case Standing.PROBE_DUE:
                fit = due
            case Standing.EJECTED | Standing.PROBING:
                fit = ejected
        fit.append((channel, health, credential))
    runners = (due if due and not tried else healthy) or spent or due or ejected
    if not runners:
        return Unroutable(why)
    return _chosen(_best(runners, now, chance, count), book, now)


_Runner = tuple[Channel, Health, Credential]
_NONE: frozenset[str] = frozenset()


def _refused(channel: Channel, tried: Tried) -> frozenset[str]:
    """The credentials of *channel* that this generation has tried."""
    names = channel.credentials or ("",)
    return frozenset([name for name in names if (channel.name, name) in tried])


def _chosen(runner: _Runner, book: HealthBook, now: float) -> Choice:
    channel, health, credential = runner
    channel = book.renewed(channel.using(credential.name))
    standing = health.standing_with(credential, now)
    return Choice(channel, health, standing, credential.is_spent(now))


def _best(runners: list[_Runner], now: float, chance: Chance, count: int) -> _Runner:
    """Power of two choices within the first priority tier.

    Of a tier, those come first that make all outputs in one call: inputs are paid for once, and
    one call fails less often than several (docs/decisions/0017-fan-out.md).
    """
    if len(runners) > 1:
        first = min([channel.priority for channel, _, _ in runners])
        runners = [runner for runner in runners if runner[0].priority == first]
        if count > 1:
            runners = [each for each in runners if each[0].maximum_count >= count] or runners
    if len(runners) == 1:
        return runners[0]
    one = int(chance() * len(runners))
    other = int(chance() * (len(runners) - 1))
    if other >= one:
        other += 1
    return _cheaper(runners[one], runners[other], now)


def _cheaper(one: _Runner, other: _Runner, now: float) -> _Runner:
    (channel, health, _), (other_channel, other_health, _) = one, other
    latency, other_latency = health.latency(now), other_health.latency(now)
    if latency is None or other_latency is None:
        # A channel nobody has measured is taken to be as fast as the other one.
        latency = other_latency = 1.0
    cost = (health.load.in_flight + 1) * latency * other_channel.weight
    other_cost = (other_health.load.in_flight + 1) * other_latency * channel.weight
    return one if cost <= other_cost else other


def operation_of(ask: Ask) -> str:
    """Name the operation whose health an attempt at *ask* tells about: `image.edit`."""
    return f"{ask.kind}.{'edit' if ask.inputs else 'generate'}"
