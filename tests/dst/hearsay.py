"""Two processes that tell each other of a channel: what hearing it must change, and what not."""

import random

from core.errors import Fault, Phase, UpstreamError
from core.policy.health import HealthBook
from core.policy.signals import hear, signal_of
from tests.dst.breaking import law, same_time
from tests.dst.shadow import EJECTED, HEALTHY

NETWORK = (Fault.TIMEOUT, Fault.LOST, Fault.UNREACHABLE)
"""What may be the network of who tells it."""


class Process:
    """A health book with one channel."""

    def __init__(self) -> None:
        self.book = HealthBook()
        self.health = self.book.of("channel", "image.generate")

    def fails(self, fault: Fault, now: float, times: int = 3) -> None:
        slots = [self.health.admit(now, 20.0) for _ in range(times)]
        for slot in slots:
            self.health.failed(slot, UpstreamError(fault, Phase.BODY), now, 0.5)

    def succeeds(self, now: float) -> None:
        self.health.succeeded(self.health.admit(now, 20.0), now)

    def tells(self, other: "Process", now: float, chance: float) -> None:
        for notice in self.book.drain():
            signal = signal_of(notice)
            if signal is not None:
                hear(other.book, signal, now, chance)


def judge(rng: random.Random) -> None:
    """One story; raises `Broken`."""
    one, other, now, chance = Process(), Process(), 1000.0, rng.random()
    fault = rng.choice((Fault.SERVER_ERROR, Fault.OVERLOADED, *NETWORK))
    one.fails(fault, now)
    one.tells(other, now + 0.1, chance)
    until = now + 0.1 + 30.0 * (1 + 0.1 * chance)
    same_time(other.health.ejected_until, until)
    _is_not_shortened(other, now + 5.0, until, chance)
    law(other.health.standing(until - 0.1) == EJECTED, "who has heard keeps off")

    now = until + 1.0
    other.succeeds(now)
    law(other.health.standing(now) == HEALTHY, "its own probe ends it")
    other.tells(one, now, chance)
    law(one.health.standing(now) == HEALTHY, "who hears of a recovery asks again")
    law(one.health.ejections == 0, "and has forgotten the ejections")

    since, again = rng.choice((1.0, 59.9, 60.1)), rng.choice((Fault.SERVER_ERROR, Fault.TIMEOUT))
    now += since
    one.fails(again, now)
    one.tells(other, now, chance)
    is_believed = not (fault in NETWORK and again in NETWORK and since < 60.0)
    standing = EJECTED if is_believed else HEALTHY
    law(other.health.standing(now) == standing, "what it just saw work is not closed on a word")
    _recovery_is_no_news(rng, chance)
    _turns_are_shared(chance)


def _is_not_shortened(other: Process, now: float, until: float, chance: float) -> None:
    third = Process()
    third.fails(Fault.RATE_LIMITED, now)  # of the credential, which is another matter
    third.tells(other, now, chance)
    same_time(other.health._circuit.ejected_until, until)
    other.health.hear_ejection(Fault.SERVER_ERROR, now + 1.0, 1, now)
    same_time(other.health._circuit.ejected_until, until)
    other.book.load_of("channel").of("").circuit.recover()


def _turns_are_shared(chance: float) -> None:
    """Who hears of a second ejection counts it: its own, after that, is the third."""
    one, other, now = Process(), Process(), 1000.0
    one.fails(Fault.SERVER_ERROR, now)
    one.fails(Fault.SERVER_ERROR, now + 40.0, times=1)
    one.tells(other, now + 40.0, chance)
    law(other.health.ejections == 2, "ejections are counted together")
    other.fails(Fault.SERVER_ERROR, now + 120.0, times=1)
    same_time(other.health.ejected_until, now + 180.0)


def _recovery_is_no_news(rng: random.Random, chance: float) -> None:
    """To who has not ejected it: faults on their way count."""
    one, other, now = Process(), Process(), 1000.0
    one.fails(Fault.SERVER_ERROR, now)
    slots = [other.health.admit(now, 20.0) for _ in range(3)]
    now += 40.0
    one.book.drain()
    one.succeeds(now)
    one.tells(other, now, chance)
    for slot in slots:
        other.health.failed(slot, UpstreamError(Fault.SERVER_ERROR, Phase.BODY), now, 0.5)
    law(other.health.standing(now) == EJECTED, "a recovery is no news to who has not ejected it")
