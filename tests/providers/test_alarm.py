"""The one timer of an exchange, on a clock that tests move."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from core.providers.alarm import Alarm


class _Timer:
    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Clock:
    """What an alarm needs of an event loop; *early* as uvloop's timers may be."""

    def __init__(self, early: float = 0.0) -> None:
        self.now = 0.0
        self.timers: list[_Timer] = []
        self._early = early

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        self.timers.append(_Timer(when - self._early, callback))
        return self.timers[-1]

    def passes(self, to: float) -> None:
        """Let the time be *to*, and whatever is due until then happen at its moment."""
        while due := [each for each in self.timers if self._is_due(each, to)]:
            first = min(due, key=lambda each: each.at)
            first.is_cancelled = True
            self.now = max(self.now, first.at)
            first.callback()
        self.now = to

    def _is_due(self, timer: _Timer, to: float) -> bool:
        return not timer.is_cancelled and timer.at <= to


def alarm_on(clock: Clock) -> tuple[Alarm, list[float]]:
    """An alarm, and the moments at which it rang."""
    rang: list[float] = []
    loop = cast(asyncio.AbstractEventLoop, clock)
    return Alarm(loop, lambda: rang.append(clock.now)), rang


@pytest.mark.parametrize("early", [0.0, 0.0005])
def test_it_rings_once_at_its_time(early: float) -> None:
    clock = Clock(early)
    alarm, rang = alarm_on(clock)
    alarm.set(2.0)
    clock.passes(1.9)
    assert not alarm.rang
    clock.passes(9.0)

    assert alarm.rang
    assert rang == [2.0 - early]
    assert len(clock.timers) == 1


def test_it_is_moved_ahead_without_new_timers_and_rings_at_the_last_time() -> None:
    clock = Clock()
    alarm, rang = alarm_on(clock)
    for step in range(100):
        alarm.set(2.0 + step)
    assert len(clock.timers) == 1
    clock.passes(200.0)

    assert rang == [101.0]
    assert len(clock.timers) == 2


def test_it_can_be_moved_nearer() -> None:
    clock = Clock()
    alarm, rang = alarm_on(clock)
    alarm.set(100.0)
    alarm.set(3.0)
    clock.passes(200.0)

    assert rang == [3.0]


def test_it_is_silent_while_nobody_waits() -> None:
    clock = Clock()
    alarm, rang = alarm_on(clock)
    alarm.set(2.0)
    alarm.rest()
    clock.passes(10.0)
    assert rang == []
    alarm.set(12.0)
    clock.passes(20.0)

    assert rang == [12.0]


def test_it_is_silent_once_it_is_closed() -> None:
    clock = Clock()
    alarm, rang = alarm_on(clock)
    alarm.set(2.0)
    alarm.close()
    clock.passes(10.0)

    assert rang == []
