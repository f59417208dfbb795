"""Who may begin now, who waits a moment, who is turned away: fair between keys.

What is rationed is the part of a request that is this process's own work: reading, checking,
the hold, and later the storing, the charge and the answer. While it waits for a provider it
costs next to nothing and is not counted. The rules are those of systems that are trusted with
them:

- so many requests may be at work at once that none is at it for much longer than on a quiet
  process: the limit follows the measured time (as adaptive concurrency limits do; Little's law
  says that it is the throughput times the time). What comes back from a provider is always
  let in: finishing goes before beginning;
- who finds no room waits in the queue of its own key, and the keys take turns (fair queueing:
  RFC 8290 4). A key that has less than its share at work does not wait at all: who asks for
  little never waits behind one that asks for much;
- a key whose oldest request has waited too long gets no more of them in, and of a queue that
  stays much less is too long: a burst is not overload, a queue that stays is (RFC 8289 3).

Refusing costs microseconds, however many wait. Times are seconds of one monotonic clock.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

START = 32.0
"""At work at once, until it is known better."""
FEWEST = 16.0
"""However slow it is: fewer make flushes of the committer small, and each hold costlier."""
MOST = 512.0
"""However fast it is: two batches of the committer."""
TARGET = 0.06
"""How long a request may be at work, at least: on a quiet process it is a fifth of that."""
STRETCH = 3.0
"""How many times longer than on a quiet process it may be."""
LONGEST_TARGET = 0.5
"""However slow a quiet process is."""
QUIET = 3
"""So few at work tell how long it takes where nobody waits for anybody."""
STEP = 0.25
"""How far the limit moves after each request, in requests, where the time is twice or half."""
SAMPLES = 16
"""About so many requests make the average of a time."""
PATIENCE = 2.0
"""How long a key's oldest request may wait: a burst of twice the requests that are served in a
second still gets in; an image takes ten seconds or more."""
STANDING = 1.0
"""A queue that was not empty for so long is no burst."""
BRIEF = 0.5
"""How long its oldest request may wait then: enough for work to be there at any moment, and no
more, for waiting makes nothing faster. What waits also costs: memory, connections, attention."""
SLOW_READ = 0.25
"""A body or file that is not here by then comes slowly: it counts again once it is here."""
STUCK = 1.0
"""Who is at work for so long waits for a database or a bucket, and keeps nobody out."""


class _Queue(deque["Ticket"]):
    """Those of one key that wait, in order of arrival; never empty."""

    def __init__(self, first: "Ticket") -> None:
        super().__init__((first,))
        self.since = first.arrived
        """When it began."""


class _Share:
    """What one key has here. Its tickets know it, so that none of them has to look it up again."""

    __slots__ = ("tickets", "working")

    def __init__(self) -> None:
        self.tickets = 0
        """That are not over."""
        self.working = 0
        """How many of them are at work."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One request's place. `flow` is the key that it came with."""

    flow: Hashable
    share: _Share
    arrived: float
    since: float | None = None
    """When it began to be at work; None: it waits, here or for a provider."""
    spent: float = 0.0
    """How long it has been at work before."""
    is_queued: bool = False
    is_reading: bool = False
    """Whether part of the request is still on its way."""
    is_slow: bool = False
    """Whether it waited for something else meanwhile: its time says nothing."""
    is_over: bool = False


class Gate:
    """The queue before the work, and who is at it."""

    def __init__(self) -> None:
        self.limit = START
        """How many may be at work at once."""
        self._working: dict[Ticket, None] = {}
        """In the order in which they began."""
        self._shares: dict[Hashable, _Share] = {}
        """Of the keys that have a ticket."""
        self._busy = 0
        """How many of them have one at work."""
        self._queues: dict[_Share, _Queue] = {}
        """Of each key, in the order of their turns; none is empty."""
        self._time = 0.0
        """How long requests are at work now."""
        self._quiet_time = 0.0
        """The same, where nobody waited for anybody."""

    @property
    def is_idle(self) -> bool:
        """Whether nobody is at work or waits."""
        return not self._working and not self._queues

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._queues.values()))

    @property
    def working(self) -> int:
        """How many are at work."""
        return len(self._working)

    @property
    def target(self) -> float:
        """How long a request may be at work."""
        return max(TARGET, min(LONGEST_TARGET, STRETCH * self._quiet_time))

    def refuses(self, flow: Hashable, now: float) -> bool:
        """Whether a request of *flow* would be turned away."""
        share = self._shares.get(flow) if self._queues else None
        return share is not None and self._is_overdue(share, now)

    def arrive(self, flow: Hashable, now: float) -> Ticket | None:
        """Take a place, at work or in the queue; None is a refusal."""
        share = self._shares.get(flow)
        if share is None:
            share = self._shares[flow] = _Share()
        elif self._is_overdue(share, now):
            return None
        share.tickets += 1
        ticket = Ticket(flow, share, now, is_reading=True)
        has_room = not self._queues and len(self._working) < self.limit
        queue = self._queues.get(share)
        if has_room or (queue is None and self._is_owed(share)):
            self._begin(ticket, now)
            return ticket
        ticket.is_queued = True
        if queue is None:
            self._queues[share] = _Queue(ticket)
        else:
            queue.append(ticket)
        return ticket

    def wait(self, ticket: Ticket, now: float) -> Sequence[Ticket]:
        """It waits for a provider from now on; gives those who begin to work instead."""
        self._pause(ticket, now)
        return self._admit(now) if self._queues else ()

    def resume(self, ticket: Ticket, now: float) -> None:
        """It is back at work, whatever the limit."""
        ticket.is_reading = False
        if not ticket.is_over and ticket.since is None:
            self._begin(ticket, now)

    def leave(self, ticket: Ticket, now: float) -> Sequence[Ticket]:
        """It is over; gives those who begin to work. Repeating it changes nothing."""
        if ticket.is_over:
            return ()
        ticket.is_over = True
        ticket.share.tickets -= 1
        if not ticket.share.tickets:
            del self._shares[ticket.flow]
        if ticket.is_queued:
            queue = self._queues[ticket.share]
            queue.remove(ticket)
            if not queue:
                del self._queues[ticket.share]
            return ()
        self._pause(ticket, now)
        if not ticket.is_slow and ticket.spent:
            self._learn(ticket.spent)
        return self._admit(now) if self._queues else ()

    def tick(self, now: float) -> Sequence[Ticket]:
        """Leave out who waits for something else; gives those who begin to work."""
        for ticket in list(self._working):
            assert ticket.since is not None
            age = now - ticket.since
            if age < SLOW_READ:
                break
            if ticket.is_reading or age >= STUCK:
                ticket.is_slow = True
                self._pause(ticket, now)
        return self._admit(now)

    def _learn(self, spent: float) -> None:
        """Move the limit by how long a request was at work."""
        self._time += (spent - self._time) / SAMPLES
        working = len(self._working)
        if working <= QUIET and not self._queues:
            self._quiet_time += (spent - self._quiet_time) / SAMPLES
        elif self._queues or working >= self.limit - 1:
            excess = self.target / self._time - 1
            step = STEP * max(-1.0, min(1.0, excess if excess > 0 else 2 * excess))
            self.limit = max(FEWEST, min(MOST, self.limit + step))

    def _is_overdue(self, share: _Share, now: float) -> bool:
        """Whether the oldest that waits of a key has done so for too long."""
        queue = self._queues.get(share)
        if queue is None:
            return False
        patience = BRIEF if now - queue.since > STANDING else PATIENCE
        return now - queue[0].arrived > patience

    def _is_owed(self, share: _Share) -> bool:
        """Whether a key has less than its part of the limit; all parts are one limit more."""
        part = max(1.0, self.limit / (self._busy + len(self._queues)))
        return share.working < part and len(self._working) < 2 * self.limit

    def _pause(self, ticket: Ticket, now: float) -> None:
        if ticket.since is not None:
            ticket.spent += now - ticket.since
            ticket.since = None
            del self._working[ticket]
            ticket.share.working -= 1
            if not ticket.share.working:
                self._busy -= 1

    def _begin(self, ticket: Ticket, now: float) -> None:
        ticket.since = now
        self._working[ticket] = None
        if not ticket.share.working:
            self._busy += 1
        ticket.share.working += 1

    def _admit(self, now: float) -> Sequence[Ticket]:
        admitted: list[Ticket] = []
        while self._queues and len(self._working) < self.limit:
            share, queue = next(iter(self._queues.items()))
            del self._queues[share]
            ticket = queue.popleft()
            if queue:
                self._queues[share] = queue  # its next turn comes after everybody's
            ticket.is_queued = False
            self._begin(ticket, now)
            admitted.append(ticket)
        return admitted


class Strangers:
    """How many credentials that were never found good are looked at: a token bucket.

    Looking costs a keyed digest, and often a read of the database. Who was good is given back,
    so that a new key gets through unless somebody is guessing at the same time.
    """

    PER_SECOND = 100.0
    """Failures that cost less than a tenth of one core."""
    BURST = 1_000.0
    """A client with a wrong key, a scanner and a test suite are no attack."""

    def __init__(self, now: float) -> None:
        self._left = self.BURST
        self._at = now

    def may_try(self, now: float) -> bool:
        """Whether a stranger is looked at."""
        self._left = min(self.BURST, self._left + (now - self._at) * self.PER_SECOND)
        self._at = now
        return self._left >= 1.0

    def take(self) -> None:
        """One is looked at, or was no good any more."""
        self._left = max(0.0, self._left - 1.0)

    def give_back(self) -> None:
        """One that was looked at was good, or it could not be found out."""
        self._left += 1.0
