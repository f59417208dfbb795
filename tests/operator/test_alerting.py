"""The log hears at the moment that nobody serves a model, and that requests are refused."""

from typing import Any

from core.engine.alerting import QUIET_SECONDS, Alerting
from core.engine.channel_overlay import ChannelOverlay
from core.errors import Fault, UpstreamError
from core.log import Event, ModelDown, ModelRecovered, Overloaded
from core.policy.health import HealthBook
from core.policy.overlay import Admission, Overlay, Rule
from tests.fix_core import catalogue

OPERATION = "image.generate"
MODEL = "gpt-image-2"


class Watched:
    """An alerting over a book, an overlay and a counter that the test turns."""

    def __init__(self) -> None:
        no_pool: Any = None
        self.book, self.emitted, self.now, self.shed = HealthBook(), list[Event](), 0.0, 0
        self.overlay = ChannelOverlay(no_pool, self.book, catalogue(), [], self.emitted.append)
        self._alerting = Alerting(
            self.book, self.overlay, lambda: self.shed, self.emitted.append, lambda: self.now
        )

    @property
    def channels(self) -> list[str]:
        return [item.name for item in self.overlay.catalogue.routes[MODEL]]

    def look(self, kind: type[Event] = Event) -> list[Event]:
        """What one look tells about the model, or of overload."""
        self.emitted.clear()
        self._alerting.look()
        mine = (None, MODEL)
        return [
            e for e in self.emitted if isinstance(e, kind) and getattr(e, "model", None) in mine
        ]

    def fail(self, channel: str, operation: str = OPERATION) -> None:
        health = self.book.of(channel, operation)
        for _ in range(3):
            error = UpstreamError(Fault.SERVER_ERROR)
            health.failed(health.admit(self.now, 600), error, self.now, 0.5)

    def succeed(self, channel: str) -> None:
        health = self.book.of(channel, OPERATION)
        health.succeeded(health.admit(self.now, 600), self.now + 0.1)


def test_a_model_is_down_when_its_last_channel_is_ejected_or_closed_and_is_told_once() -> None:
    watched = Watched()
    first, *rest = watched.channels
    rules = dict.fromkeys(rest, Rule(Admission.DISABLED))
    watched.overlay.overlay = Overlay(rules)
    assert watched.look() == []
    watched.fail(first)
    assert watched.look() == [ModelDown(MODEL, len(watched.channels))]
    assert watched.look() == []

    watched.now = 100.0
    watched.succeed(first)
    assert watched.look() == [ModelRecovered(MODEL)]


def test_a_channel_that_still_serves_something_is_not_down() -> None:
    watched = Watched()
    for channel in watched.channels:
        watched.succeed(channel)
        watched.fail(channel, "image.edit")
    assert watched.look() == []


def test_an_overload_is_told_once_a_minute_with_how_many_were_refused() -> None:
    watched = Watched()
    assert watched.look(Overloaded) == []
    watched.shed = 3
    assert watched.look(Overloaded) == [Overloaded(3)]
    watched.shed, watched.now = 10, QUIET_SECONDS / 2
    assert watched.look(Overloaded) == []
    watched.now = QUIET_SECONDS
    assert watched.look(Overloaded) == [Overloaded(7)]
    watched.now = 3 * QUIET_SECONDS
    assert watched.look(Overloaded) == []
