"""Who begins, who waits, who is refused, on a clock made of numbers."""

import heapq
from collections import Counter, defaultdict
from itertools import count

import pytest

from core.policy import admission
from core.policy.admission import (
    BRIEF,
    FEWEST,
    MOST,
    PATIENCE,
    SLOW_READ,
    STANDING,
    START,
    STUCK,
    Gate,
    Strangers,
)


def begun(gate: Gate, flow: str, now: float = 0.0) -> admission.Ticket:
    ticket = gate.arrive(flow, now)
    assert ticket is not None
    return ticket


def full(flow: str = "greedy") -> tuple[Gate, list[admission.Ticket]]:
    gate = Gate()
    return gate, [begun(gate, flow) for _ in range(int(START))]


def test_up_to_the_limit_nobody_waits() -> None:
    gate, tickets = full()

    assert not any(ticket.is_queued for ticket in tickets)
    assert begun(gate, "greedy").is_queued


def test_who_waits_begins_when_somebody_goes_to_a_provider() -> None:
    gate, tickets = full()
    waiting = begun(gate, "greedy")

    assert gate.wait(tickets[0], 0.01) == [waiting]
    assert gate.working == START


def test_what_comes_back_from_a_provider_is_let_in_and_holds_up_beginners() -> None:
    gate, tickets = full()
    gate.wait(tickets[0], 0.01)
    begun(gate, "greedy", 0.01)
    late = begun(gate, "greedy", 0.01)
    gate.resume(tickets[0], 0.02)

    assert gate.working == START + 1
    assert gate.wait(tickets[1], 0.03) == [], "one too many was at work"
    assert gate.wait(tickets[2], 0.03) == [late]


def test_a_key_with_less_than_its_share_at_work_does_not_wait() -> None:
    gate, _ = full()
    for _ in range(100):
        begun(gate, "greedy")

    assert not begun(gate, "modest").is_queued


def test_all_shares_together_are_one_limit_more() -> None:
    gate, _ = full()
    begun(gate, "greedy")
    for number in range(1_000):
        begun(gate, f"key {number}")

    assert gate.working <= 2 * START


def test_keys_that_wait_take_turns() -> None:
    gate, tickets = full()
    for number in range(int(START)):  # until no share is left to be owed
        begun(gate, f"other {number}")
    assert gate.working == 2 * START
    for _ in range(50):
        begun(gate, "greedy")
    for _ in range(3):
        begun(gate, "modest")
    order: list[object] = []
    for ticket in list(gate._working):
        order += [next_.flow for next_ in gate.leave(ticket, 0.01)]

    assert order[:6] == ["greedy", "modest"] * 3
    assert tickets[0].is_over


def test_a_burst_waits_and_a_queue_that_stays_is_refused() -> None:
    gate, tickets = full()
    for _ in range(2_000):
        assert gate.arrive("greedy", PATIENCE) is not None

    assert not gate.refuses("greedy", PATIENCE + STANDING)
    assert gate.arrive("greedy", PATIENCE + STANDING + 0.01) is None
    assert gate.arrive("modest", PATIENCE + STANDING + 0.01) is not None
    assert tickets


def test_a_queue_that_stays_is_refused_much_earlier_only_while_its_oldest_waits_long() -> None:
    gate, tickets = full()
    gate.arrive("greedy", 0.0)
    gate.arrive("greedy", STANDING)

    assert gate.refuses("greedy", STANDING + 0.01)
    gate.leave(tickets[0], STANDING + 0.01)  # the oldest begins; the next came a moment ago
    assert not gate.refuses("greedy", STANDING + 0.02)
    assert gate.refuses("greedy", STANDING + BRIEF + 0.01)


def test_who_leaves_the_queue_is_not_admitted_later() -> None:
    gate, tickets = full()
    gone, next_ = begun(gate, "greedy"), begun(gate, "greedy")

    assert gate.leave(gone, 0.0) == ()
    assert gate.leave(tickets[0], 0.0) == [next_]
    assert gate.leave(tickets[0], 0.0) == (), "once is enough"


def test_a_slow_upload_keeps_nobody_out() -> None:
    gate, tickets = full()
    waiting = begun(gate, "greedy")
    for ticket in tickets[1:]:
        gate.resume(ticket, 0.0)  # theirs are here

    assert gate.tick(SLOW_READ - 0.01) == []
    assert gate.tick(SLOW_READ) == [waiting]
    gate.resume(tickets[0], 5.0)
    assert gate.working == START + 1


def test_a_database_that_is_away_keeps_nobody_out_for_ever() -> None:
    gate, tickets = full()
    for ticket in tickets:
        gate.resume(ticket, 0.0)
    waiting = begun(gate, "greedy")

    assert gate.tick(STUCK - 0.01) == []
    assert gate.tick(STUCK) == [waiting]


def test_everything_that_is_over_leaves_nothing_behind() -> None:
    gate, tickets = full()
    tickets += [begun(gate, f"key {number % 7}") for number in range(200)]
    for ticket in reversed(tickets):
        gate.leave(ticket, 0.1)

    assert gate.is_idle
    assert not gate._shares
    assert gate.waiting == gate.working == 0


class Server:
    """A processor that works on all requests in turn: so much work for each, twice."""

    def __init__(self, work: float, upstream: float) -> None:
        self.gate = Gate()
        self.work = work
        self.upstream = upstream
        self.served: dict[str, list[float]] = defaultdict(list)
        self.refused: Counter[str] = Counter()

    def run(self, rates: dict[str, float], seconds: float) -> None:
        """Requests of each key at its rate, by the clock."""
        number, now = count(), 0.0
        events: list[tuple[float, int, str, object]] = []
        for flow, rate in rates.items():
            for each in range(int(rate * seconds)):
                heapq.heappush(events, ((each + 0.5) / rate, next(number), "arrive", flow))
        line: list[tuple[admission.Ticket, str]] = []
        while events or line:
            while events and (not line or events[0][0] <= now):
                at, _, kind, what = heapq.heappop(events)
                now = max(now, at)
                if kind == "arrive":
                    assert isinstance(what, str)
                    ticket = self.gate.arrive(what, at)
                    if ticket is None:
                        self.refused[what] += 1
                    elif not ticket.is_queued:
                        line.append((ticket, "begin"))
                else:
                    assert isinstance(what, admission.Ticket)
                    self.gate.resume(what, now)
                    line.append((what, "end"))
            if not line:
                continue
            ticket, stage = line.pop(0)
            now += self.work / 2
            if stage == "begin":
                begin = self.gate.wait(ticket, now)
                heapq.heappush(events, (now + self.upstream, next(number), "back", ticket))
            else:
                begin = self.gate.leave(ticket, now)
                self.served[str(ticket.flow)].append(now - ticket.arrived)
            line += [(each, "begin") for each in begin]


@pytest.mark.parametrize("upstream", [0.0, 1.0])
def test_at_twice_the_capacity_everything_that_can_be_served_is(upstream: float) -> None:
    server = Server(work=0.002, upstream=upstream)
    server.run({"a": 500.0, "b": 500.0}, seconds=20)  # it can do 500 in all

    done = sum(map(len, server.served.values()))
    assert done + server.refused.total() == 20_000
    assert done >= 0.95 * 500 * 20
    assert server.refused.total() >= 0.3 * 20_000
    assert abs(len(server.served["a"]) - len(server.served["b"])) <= 0.05 * done
    assert max(map(max, server.served.values())) <= upstream + 2 * PATIENCE + 1


def test_a_greedy_key_does_not_delay_a_modest_one() -> None:
    quiet, busy = Server(work=0.002, upstream=1.0), Server(work=0.002, upstream=1.0)
    quiet.run({"modest": 20.0}, seconds=20)
    busy.run({"modest": 20.0, "greedy": 1_000.0}, seconds=20)

    assert len(quiet.served["modest"]) == len(busy.served["modest"]) == 400, "none was refused"
    found = 60  # in three seconds the limit is found
    alone, beside = (sorted(each.served["modest"][found:]) for each in (quiet, busy))
    assert beside[-4] <= 1.2 * alone[-4]


def test_the_limit_follows_the_time_that_work_takes() -> None:
    slow, fast = Server(work=0.05, upstream=0.0), Server(work=0.0002, upstream=0.0)
    slow.run({"a": 40.0}, seconds=30)
    fast.run({"a": 10_000.0}, seconds=3)

    assert slow.gate.limit == FEWEST
    assert START < fast.gate.limit <= MOST


def test_strangers_are_looked_at_until_too_many_were_no_good() -> None:
    strangers = Strangers(0.0)
    tries = 0
    while strangers.may_try(0.0):
        strangers.take()
        tries += 1

    assert tries == Strangers.BURST
    assert not strangers.may_try(0.5 / Strangers.PER_SECOND)
    assert strangers.may_try(2.0 / Strangers.PER_SECOND)


def test_strangers_whose_keys_are_good_cost_nothing() -> None:
    strangers = Strangers(0.0)
    for _ in range(10_000):
        assert strangers.may_try(0.0)
        strangers.take()
        strangers.give_back()
