"""Two attempts at the same outputs: the second begins when the first takes long.

The first good result wins, the other attempt is cancelled at once. One charge; what the other
costs is the operator's. An attempt of which the caller has seen something has won.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import field, replace

from billing.ledger import OperatorBook
from core.engine.course import Lane, Made, Timing, Tried, Waste
from core.engine.events import AttemptStarted
from core.errors import GatewayError
from core.log import Emit, HedgeEnded
from core.policy.decisions import Attempt
from core.policy.hedging import patience
from core.values import dataclass

Once = Callable[[Lane, Attempt, Timing], Awaitable[Tried]]
"""Makes one attempt: its outcome, or GatewayError."""


@dataclass(slots=True)
class _Runner:
    attempt: Attempt
    timing: Timing
    task: "asyncio.Task[Tried]"
    is_settled: bool = False
    has_lost: bool = False
    """The caller has seen something of the other one."""


@dataclass(slots=True)
class Race:
    """One race. *note* records a failure, *discard* deletes what a late loser had copied."""

    lane: Lane
    once: Once
    note: Callable[[Lane, Tried], None]
    discard: Callable[[Made], Awaitable[None]]
    emit: Emit
    now: Callable[[], float]
    holds: Callable[[], bool] = lambda: True
    """Whether the generation is still this process's alone."""
    runners: list[_Runner] = field(default_factory=list)

    async def run(self, attempt: Attempt) -> Tried:
        """The outcome that decides; whatever else happened is on record then.

        Raises GatewayError, as attempts do.
        """
        delay = patience(attempt, self.now())
        if delay is None:
            return await self.once(self.lane, attempt, Timing(self.lane.shard))
        self.lane.claim = self._claim
        winner: Tried | None = None
        try:
            first = self._begin(attempt)
            await asyncio.wait({first.task}, timeout=delay)
            if not first.task.done() and first.timing.first_byte is None:
                self._hedge()
            winner = await self._outcome()
        finally:
            self.lane.claim = None
            await self._settle(winner)
        return winner

    def _begin(self, attempt: Attempt) -> _Runner:
        timing = Timing(self.lane.shard)
        task = asyncio.ensure_future(self.once(self.lane, attempt, timing))
        runner = _Runner(attempt, timing, task)
        self.runners.append(runner)
        return runner

    def _hedge(self) -> None:
        if self.lane.live.cancel_asked or not self.holds():
            return
        second = self.lane.failover.hedge(self.now())
        if second is not None:
            self.lane.is_hedged = True
            self.lane.live.publish(AttemptStarted(second.number, second.channel.name, ""))
            self._begin(second)

    async def _outcome(self) -> Tried:
        """The first that made something, or the last that failed.

        One that was left at the caller's wish does not end another that bills for being left.
        """
        going = list(self.runners)
        while True:
            await asyncio.wait([each.task for each in going], return_when=asyncio.FIRST_COMPLETED)
            for runner in [each for each in going if each.task.done()]:
                going.remove(runner)
                others = [each for each in going if not each.has_lost]
                if runner.has_lost or (others and _is_left(runner.task)):
                    continue
                tried = runner.task.result()
                if tried.error is None or not others:
                    return tried
                runner.is_settled = True
                self.note(self.lane, tried)
                stop = self.lane.failover.faltered(runner.attempt, tried.error, self.now())
                if stop is not None:
                    return replace(tried, stop=stop)

    def _claim(self, attempt: Attempt) -> None:
        """Cancel the other: *attempt* is about to show something to the caller."""
        for runner in self.runners:
            if runner.attempt is not attempt:
                runner.has_lost = True
                runner.task.cancel()

    async def _settle(self, winner: Tried | None) -> None:
        """End every attempt but the winner's, and book what it costs."""
        others = [
            each for each in self.runners if winner is None or each.attempt is not winner.attempt
        ]
        for runner in others:
            runner.task.cancel()
        await asyncio.gather(*[each.task for each in others], return_exceptions=True)
        for runner in others:
            if not runner.is_settled:
                await self._given_up(runner, is_beaten=winner is not None)
        if len(self.runners) > 1 and winner is not None:
            self._report(winner)

    async def _given_up(self, runner: _Runner, *, is_beaten: bool) -> None:
        lane, attempt, tried = self.lane, runner.attempt, _result(runner.task)
        if tried is not None and tried.error is not None:  # it failed in the same moment
            self.note(lane, tried)
            lane.failover.faltered(attempt, tried.error, self.now())
            return
        lane.failover.withdrawn(attempt)
        if not is_beaten:  # the generation was ended: nobody won
            return
        lane.course.leave(attempt, runner.timing, self.now())
        made = None if tried is None else tried.made
        if made is not None or attempt.channel.bills_on_cancel:
            lane.course.wastes.append(
                Waste(
                    attempt.number,
                    attempt.channel.name,
                    len(lane.indices),
                    OperatorBook.HEDGE_LOSS,
                )
            )
        if made is not None:
            await self.discard(made)

    def _report(self, winner: Tried) -> None:
        hedge = self.runners[1].attempt
        if winner.error is not None:
            outcome = "failed"
        else:
            outcome = "won" if winner.attempt is hedge else "lost"
        self.emit(HedgeEnded(hedge.channel.name, self.lane.ask.model, outcome))


def _is_left(task: "asyncio.Task[Tried]") -> bool:
    """Whether an attempt ended without a verdict of its channel."""
    return isinstance(task.exception(), GatewayError)


def _result(task: "asyncio.Task[Tried]") -> Tried | None:
    """What a task that has ended gave; None where it was cancelled or raised."""
    if task.cancelled() or task.exception() is not None:
        return None
    return task.result()
