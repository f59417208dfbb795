"""Replays a trace: the real failover machine for every request, on virtual time.

Three things happen, by time: a request comes, a call ends, a pause ends. Whoever may decide does:
`Failover` books channels and turns failures into decisions, `patience` says when to hedge. This
module only waits, as the engine does (`core.engine.attempts`, `core.engine.hedging`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

from core.errors import Fault, UpstreamError
from core.model import Channel, Resubmit
from core.policy.decisions import Attempt, Reconcile, Stop, TryAnother
from core.policy.failover import Failover, Plan
from core.policy.hedging import patience
from core.policy.polling import is_absent, search_delay
from core.replay.chance import Dice
from core.replay.policies import ReplayPolicy
from core.replay.result import Counts, Result
from core.replay.samples import Samples, limited
from core.replay.trace import Call, Request, Trace

NEVER_SERVED = 0.0
"""Seconds that a call takes of which nothing at all is known."""
_MADE_ANYHOW = frozenset({Fault.TIMEOUT, Fault.LOST, Fault.INVALID_RESPONSE})
"""Faults after which the provider may have made, and charged for, what it was asked for."""


def _search_seconds() -> float:
    """How long a search for a lost job takes that finds none."""
    elapsed, tries = 0.0, 0
    while not is_absent(tries, elapsed):
        elapsed += search_delay(tries, 0.0)
        tries += 1
    return elapsed


SEARCH_SECONDS = _search_seconds()


@dataclass(slots=True)
class _Course:
    """One request on its way."""

    index: int
    request: Request
    failover: Failover
    running: dict[int, tuple[Attempt, Call]] = field(default_factory=dict)
    """Attempts in flight by number."""
    is_hedged: bool = False


class World:
    """One replay of *trace* under *policy*. The same *seed* gives the same result.

    What a channel answers to a request depends on the seed and on nothing that the policy does:
    two policies meet the same luck, so that they can be compared.
    """

    def __init__(self, trace: Trace, policy: ReplayPolicy, samples: Samples, seed: int) -> None:
        """Raises PolicyError for channels that the trace does not have."""
        self._trace = trace
        self._channels: Mapping[str, tuple[Channel, ...]] = policy.applied(trace.channels)
        self._rules = policy.rules
        self._samples = samples
        self._seed = seed
        self.fleet = policy.rules.fleet(Dice(seed))
        """The machines that all requests share."""
        self._costs = {item.name: policy.cost(item) for item in trace.channels}
        self._bills_on_cancel = {item.name for item in trace.channels if item.bills_on_cancel}
        self._names = {item.name: number for number, item in enumerate(trace.channels)}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._now = 0.0
        self._counts = Counts()

    def run(self, progress: Callable[[int], None] = lambda _n: None) -> Result:
        """Replay every request; *progress* hears how many have come."""
        due = self._due
        for index, request in enumerate(self._trace.requests):
            while due and due[0][0] <= request.at:
                self._step()
            self._now = request.at
            self._arrive(index, request)
            progress(index + 1)
        while due:
            self._step()
        return self._counts.result(self._costs)

    def _step(self) -> None:
        self._now, _, happen = heappop(self._due)
        happen()

    def _later(self, seconds: float, happen: Callable[[], None]) -> None:
        self._order += 1  # what is due at once happens in the order in which it was planned
        heappush(self._due, (self._now + seconds, self._order, happen))

    # ---- a request

    def _arrive(self, index: int, request: Request) -> None:
        channels = self._channels.get(request.model, ())
        plan = Plan(channels, f"{request.kind}.generate")
        course = _Course(index, request, Failover(self.fleet, plan))
        self._next(course)

    def _next(self, course: _Course) -> None:
        attempt = course.failover.next_channel(self._now)
        if isinstance(attempt, Stop):
            self._fail(course, attempt)
        else:
            self._begin(course, attempt)
            if self._rules.hedging and not course.is_hedged:
                self._watch(course, attempt)

    def _begin(self, course: _Course, attempt: Attempt) -> None:
        call = limited(self._answer(course, attempt), attempt.deadlines, attempt.channel.resubmit)
        course.running[attempt.number] = (attempt, call)
        self._counts.begun(attempt)
        self._later(call.seconds, lambda: self._ended(course, attempt, call))

    def _answer(self, course: _Course, attempt: Attempt) -> Call:
        """What the channel answers: what it did answer, the first time, if that is known."""
        name, request = attempt.channel.name, course.request
        known = [call for call in request.calls if call.channel == name and not call.is_cut]
        tried = sum(cause.channel.name == name for cause in course.failover.causes)
        if tried < len(known):
            return known[tried]
        chance = Dice(self._seed, course.index, self._names[name], tried)
        drawn = self._samples.draw(name, request.model, self._now, chance)
        return drawn or Call(name, NEVER_SERVED, fault=Fault.UNREACHABLE)

    def _ended(self, course: _Course, attempt: Attempt, call: Call) -> None:
        if course.running.pop(attempt.number, None) is None:
            return  # given up meanwhile
        if call.fault is None:
            course.failover.succeeded(attempt, self._now)
            self._counts.delivered(attempt, self._now - course.request.at)
            self._end(course)
            return
        self._counts.failed(attempt, is_paid=call.fault in _MADE_ANYHOW)
        error = UpstreamError(call.fault, call.phase, retry_after=call.retry_after)
        if course.running:  # the other one of a race goes on
            stop = course.failover.faltered(attempt, error, self._now)
            if stop is not None:
                self._fail(course, stop)
            return
        self._follow(course, course.failover.failed(attempt, error, self._now))

    def _follow(self, course: _Course, decision: TryAnother | Reconcile | Stop) -> None:
        match decision:
            case Stop():
                self._fail(course, decision)
            case TryAnother(delay) if delay:
                self._later(delay, lambda: self._next(course))
            case TryAnother():
                self._next(course)
            case Reconcile():
                # A trace tells of no job that was found again: there was none.
                self._later(SEARCH_SECONDS, lambda: self._absent(course))

    def _absent(self, course: _Course) -> None:
        self._follow(course, course.failover.absent(self._now))

    def _fail(self, course: _Course, stop: Stop) -> None:
        self._counts.refused(stop.reason)
        self._end(course)

    def _end(self, course: _Course) -> None:
        """Give up what still runs."""
        for attempt, _ in course.running.values():
            course.failover.withdrawn(attempt)
            self._counts.withdrawn(attempt, is_paid=attempt.channel.name in self._bills_on_cancel)
        course.running.clear()
        course.failover.close()

    # ---- hedges

    def _watch(self, course: _Course, attempt: Attempt) -> None:
        """Hedge the attempt if its first byte has not come by then."""
        if attempt.channel.resubmit is Resubmit.RECONCILE_FIRST:
            return  # jobs are never doubled
        delay = patience(attempt, self._now)
        call = course.running[attempt.number][1]
        first = call.seconds if call.first_byte is None else call.first_byte
        if delay is not None and delay < first:
            self._later(delay, lambda: self._hedge(course, attempt))

    def _hedge(self, course: _Course, attempt: Attempt) -> None:
        if attempt.number not in course.running:
            return
        second = course.failover.hedge(self._now)
        if second is not None:
            course.is_hedged = True
            self._begin(course, second)
