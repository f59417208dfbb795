"""Which channel next, or stop: the attempts of one generation.

The machine decides and books: it chooses a channel, takes its place in health and budgets,
and turns each failure into a decision. The engine calls the channel and waits. Rules:

- at most four attempts; an untried channel that is not ejected is always allowed, one that
  is ejected and a second try of the same channel need the retry budget;
- untried channels come first, without any delay; only a second try of the same channel
  waits, with exponential back-off and jitter;
- after a fault that may have left the request working at the provider, another channel is
  asked only where a duplicate is the operator's risk (`duplicate_ok`), else `Reconcile`;
- once the caller has seen output, no other channel may answer;
- a channel that makes fewer outputs than are wanted is asked for as many as it makes, and a
  machine of its own (`branch`) finds who makes the rest (docs/decisions/0017-fan-out.md);
- a second attempt beside one that takes long (`hedge`) needs the retry budget too.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from types import TracebackType
from typing import Self

from core.errors import MEANING, Another, Fault, Reason, UpstreamError
from core.model import Channel, Deadlines, Resubmit
from core.policy.budgets import Budgets
from core.policy.deadlines import effective
from core.policy.decisions import (
    Attempt,
    Cause,
    Reconcile,
    Stop,
    TryAnother,
    asked,
    conclude,
    may_be_working,
    ran_out,
)
from core.policy.health import Chance, HealthBook, Standing
from core.policy.routing import Choice, Plan, Unroutable, choose, look
from core.values import dataclass

__all__ = [
    "Attempt",
    "Cause",
    "Failover",
    "Fleet",
    "Plan",
    "Reconcile",
    "Stop",
    "TryAnother",
]

MAXIMUM_ATTEMPTS = 4
"""Of one machine: of a generation, or of each of its parts (design.md 5)."""
SAME_CHANNEL = frozenset(
    {
        Fault.RATE_LIMITED,
        Fault.OVERLOADED,
        Fault.SERVER_ERROR,
        Fault.UNREACHABLE,
        Fault.INVALID_RESPONSE,
        Fault.LOST,
    }
)
"""Faults that may be gone a moment later (providers.md 0)."""
BACKOFF_SECONDS = 0.5
"""Before the first second try of a channel; doubles, and up to half of it is jitter."""
LONGEST_WAIT = 10.0
"""A provider that asks for more is not waited for."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What all generations of a process share. `chance` gives random numbers in [0, 1)."""

    health: HealthBook
    budgets: Budgets
    chance: Chance
    maximum_attempts: int = MAXIMUM_ATTEMPTS


@dataclass(frozen=True, slots=True)
class _Move:
    """Where to go next, and how long to wait before."""

    choice: Choice
    deadlines: Deadlines
    needs_permit: bool
    delay: float = 0.0


class Failover:
    """The attempts of one generation. Use it in a `with` block: leaving gives everything back.

    Synchronous, so that choosing and booking are one step.
    """

    def __init__(self, fleet: Fleet, plan: Plan) -> None:
        self._fleet = fleet
        self._plan = plan
        self._channels = plan.eligible()
        self._tries: dict[str, int] = {}
        self._booked: list[Attempt] = []
        self._unknown: Attempt | None = None
        self._is_committed = False
        self._is_filling = False
        self._is_closed = False
        self._stop: Stop | None = None
        self._numbers: Iterator[int] = count(1)
        self.count = plan.needs.count
        """How many outputs are to be made."""
        self.attempts = 0
        """How many were begun."""
        self.causes: list[Cause] = []
        """Why they failed, in order."""
        fleet.budgets.keys.enter(plan.key)

    def branch(self, outputs: int) -> "Failover":
        """Hand *outputs* of the outputs over to a machine of their own; this one keeps the rest.

        It goes on from before the attempts that run, numbers attempts together with this one,
        and has to be closed. Neither asks a channel that leaves a job any more.
        """
        assert 0 < outputs <= self.count
        self._leave_jobs_out()
        self.count -= outputs
        other = Failover(self._fleet, self._plan)
        other._channels, other._numbers, other.count = self._channels, self._numbers, outputs
        other.causes = list(self.causes)
        other._tries = dict(
            Counter(self._tries) - Counter(attempt.channel.name for attempt in self._booked)
        )
        other.attempts = self.attempts - len(self._booked)
        return other

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def next_channel(self, now: float) -> Attempt | Stop:
        """Book the next attempt, or say why there is none."""
        assert not self._is_closed
        assert self._unknown is None, "the fate of the last attempt must be known first"
        if self._stop is not None:
            return self._stop
        if self._is_committed:
            return self._end(Stop(Reason.STREAM_INTERRUPTED, self.attempts))
        move = self._move(now, has_waited=True)
        return self._book(move, now) if isinstance(move, _Move) else self._end(move)

    def delivered(self) -> None:
        """The caller has seen output bytes (previews count): the commit point."""
        self._is_committed = True

    def succeeded(self, attempt: Attempt, now: float) -> None:
        """The attempt delivered everything: there will be no other."""
        self._is_committed = True
        attempt.health.succeeded(attempt.slot, now)
        self._leave(attempt)

    def fell_short(self, attempt: Attempt, left: int, now: float) -> bool:
        """The attempt delivered all but *left* outputs: whether others may make these.

        Only a channel that was not tried, and only where the caller has seen nothing yet.
        """
        if self._is_committed or not self._plan.needs.is_divisible:
            self.succeeded(attempt, now)
            return False
        attempt.health.succeeded(attempt.slot, now)
        self._leave(attempt)
        self._leave_jobs_out()
        self.count, self._is_filling = left, True
        return True

    def hedge(self, now: float) -> Attempt | None:
        """Book a second attempt beside the one that runs: a healthy channel, within the budgets.

        It must make all of the outputs, and leave no job; None where there is none such.
        """
        channels = self._channels
        if isinstance(channels, Unroutable) or self._is_committed or self._is_closed:
            return None
        if self.attempts >= self._fleet.maximum_attempts:
            return None
        fitting = [
            channel
            for channel in channels
            if channel.resubmit is Resubmit.DUPLICATE_OK
            and channel.maximum_count >= self.count
            and self._is_allowed(channel)
        ]
        fleet, tried = self._fleet, self._tries.keys()
        choice = choose(fitting, fleet.health, self._plan.operation, now, fleet.chance, tried)
        if isinstance(choice, Unroutable) or choice.standing is not Standing.HEALTHY:
            return None
        if choice.is_spent:  # it would meet a rate limit, and nobody needs it
            return None
        move = self._timed(_Move(choice, choice.channel.deadlines, needs_permit=True), now)
        return self._book(move, now, is_hedge=True) if isinstance(move, _Move) else None

    def faltered(self, attempt: Attempt, error: UpstreamError, now: float) -> Stop | None:
        """Note why one of two attempts failed; Stop where the other need not go on either."""
        self._blame(attempt, error, now)
        if MEANING[error.fault].another is Another.NEVER and not self._is_committed:
            return self._end(self._concluded())
        return None

    def withdrawn(self, attempt: Attempt) -> None:
        """The attempt was given up for another, which says nothing about its channel."""
        attempt.health.released(attempt.slot)
        self._leave(attempt)

    def failed(
        self, attempt: Attempt, error: UpstreamError, now: float
    ) -> TryAnother | Reconcile | Stop:
        """Note why the attempt failed and decide what follows."""
        self._blame(attempt, error, now)
        if self._stop is not None:
            return self._stop
        another = MEANING[error.fault].another
        if another is Another.NEVER:
            return self._end(self._concluded())
        if self._is_committed:
            return self._end(Stop(Reason.STREAM_INTERRUPTED, self.attempts, error))
        if may_be_working(error) and attempt.channel.resubmit is Resubmit.RECONCILE_FIRST:
            self._unknown = attempt
            return Reconcile(attempt)
        return self._outlook(now)

    def found(self) -> None:
        """After `Reconcile`: the provider has the job, and the attempt goes on."""
        assert self._unknown is not None
        self._unknown = None

    def absent(self, now: float) -> TryAnother | Stop:
        """After `Reconcile`: the provider has no such job, or the SLA has passed."""
        assert self._unknown is not None
        self._unknown = None
        return self._outlook(now)

    def close(self) -> None:
        """Give back what is still booked, without a verdict. Repeating it changes nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        for attempt in list(self._booked):
            attempt.health.released(attempt.slot)
            self._leave(attempt)
        self._fleet.budgets.keys.leave(self._plan.key)

    def _blame(self, attempt: Attempt, error: UpstreamError, now: float) -> None:
        if ran_out(attempt, error, now):
            attempt.health.released(attempt.slot)
        else:
            attempt.health.failed(attempt.slot, error, now, self._fleet.chance())
        self._leave(attempt)
        self.causes.append(Cause(attempt.channel, error))

    def _leave_jobs_out(self) -> None:
        """Of what is made in parts, nothing is a job: a generation follows one job at most."""
        if not isinstance(self._channels, Unroutable):
            self._channels = tuple(
                [each for each in self._channels if each.resubmit is Resubmit.DUPLICATE_OK]
            )

    def _concluded(self) -> Stop:
        """Why there is no further attempt; without a cause, what was made has fallen short."""
        if self.causes:
            return conclude(self.causes, self.attempts)
        return Stop(Reason.UPSTREAM_ERROR, self.attempts)

    def _outlook(self, now: float) -> TryAnother | Stop:
        move = self._move(now)
        return TryAnother(move.delay) if isinstance(move, _Move) else self._end(move)

    def _end(self, stop: Stop) -> Stop:
        self._stop = stop
        return stop

    def _move(self, now: float, *, has_waited: bool = False) -> _Move | Stop:
        """Find the next channel; books nothing. *has_waited*: its delay is over by *now*."""
        channels = self._channels
        if isinstance(channels, Unroutable):
            return Stop(Reason.NO_CHANNEL, 0, unroutable=channels)
        if self.attempts >= self._fleet.maximum_attempts:
            return self._concluded()
        untried = self._untried(channels, now)
        if not isinstance(untried, Unroutable):
            return self._timed(untried, now)
        if self.attempts == 0:
            return Stop(untried.to_error().reason, 0, unroutable=untried)
        again = None if self._is_filling else self._same_channel(channels, now)
        if again is None:
            return self._concluded()
        return self._timed(again, now if has_waited else now + again.delay)

    def _timed(self, move: _Move, begins: float) -> _Move | Stop:
        """Cut the attempt to the caller's time, if enough of it is left when it *begins*."""
        if self._plan.ends is None:
            return move
        deadlines = effective(move.deadlines, self._plan.ends - begins)
        if deadlines is move.deadlines:
            return move
        if deadlines is not None:
            return replace(move, deadlines=deadlines)
        return self._concluded() if self.causes else Stop(Reason.DEADLINE_EXCEEDED, self.attempts)

    def _untried(self, channels: Sequence[Channel], now: float) -> _Move | Unroutable:
        """Find a channel, or a credential of one, that this generation has not tried."""
        fleet, barred = self._fleet, asked(self._tries, self.causes)
        while True:
            choice = choose(
                channels, fleet.health, self._plan.operation, now, fleet.chance, barred, self.count
            )
            if isinstance(choice, Unroutable):
                return choice
            # The very first attempt is no retry, whatever it is on.
            needs_permit = self.attempts > 0 and choice.ignores_ejection
            if not needs_permit or self._is_allowed(choice.channel):
                return _Move(choice, choice.channel.deadlines, needs_permit)
            barred.add(choice.channel.name)

    def _same_channel(self, channels: Sequence[Channel], now: float) -> _Move | None:
        """Find a second try: the best standing, the least tried, the first tier, the soonest."""
        latest = {cause.channel.name: cause.error for cause in self.causes}
        best: _Move | None = None
        best_rank: tuple[bool, int, int, float] | None = None
        for channel in channels:
            error = latest.get(channel.name)
            if error is None or error.fault not in SAME_CHANNEL or not self._is_allowed(channel):
                continue
            choice = look(channel, self._fleet.health, self._plan.operation, now)
            tries = self._tries[channel.name]
            delay = max(error.retry_after or 0.0, self._backoff(tries))
            if choice is None or delay > LONGEST_WAIT:
                continue
            rank = (choice.ignores_ejection, tries, channel.priority, delay)
            if best_rank is None or rank < best_rank:
                best_rank = rank
                best = _Move(choice, channel.deadlines, needs_permit=True, delay=delay)
        return best

    def _backoff(self, tries: int) -> float:
        full: float = BACKOFF_SECONDS * 2.0 ** (tries - 1)
        return full * (1 - self._fleet.chance() / 2)

    def _is_allowed(self, channel: Channel) -> bool:
        return self._fleet.budgets.allow(channel.name, self._plan.key)

    def _book(self, move: _Move, now: float, *, is_hedge: bool = False) -> Attempt:
        channel, health, budgets = move.choice.channel, move.choice.health, self._fleet.budgets
        permit = budgets.take(channel.name, self._plan.key) if move.needs_permit else None
        budgets.channels.enter(channel.name)
        self.attempts += 1
        self._tries[channel.name] = self._tries.get(channel.name, 0) + 1
        attempt = Attempt(
            number=next(self._numbers),
            channel=channel,
            deadlines=move.deadlines,
            standing=move.choice.standing,
            started=now,
            health=health,
            slot=health.admit(now, move.deadlines.total, channel.credential_name),
            permit=permit,
            candidates=0 if isinstance(self._channels, Unroutable) else len(self._channels),
            is_hedge=is_hedge,
        )
        self._booked.append(attempt)
        return attempt

    def _leave(self, attempt: Attempt) -> None:
        if attempt in self._booked:
            self._booked.remove(attempt)
            budgets = self._fleet.budgets
            budgets.channels.leave(attempt.channel.name)
            if attempt.permit is not None:
                budgets.give_back(attempt.permit)
