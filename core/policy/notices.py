"""What happens to channels, told to whoever keeps a log of it or tells other processes."""

from collections import deque
from collections.abc import Callable

from core.errors import Fault
from core.values import dataclass

KEPT = 256
"""Notices that a reader who reads nothing is left with, the newest."""


@dataclass(frozen=True, slots=True)
class Ejected:
    """A channel will not be asked for a while."""

    channel: str
    operation: str
    fault: Fault
    seconds: float
    ejections: int = 1
    """Since the last recovery; 0: only because the provider asked for it."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A probe found the channel good again."""

    channel: str
    operation: str


@dataclass(frozen=True, slots=True)
class Cooled:
    """A credential of a channel will not be used for a while."""

    channel: str
    credential: str
    fault: Fault
    seconds: float
    ejections: int = 1


@dataclass(frozen=True, slots=True)
class Warmed:
    """A probe found a credential good again."""

    channel: str
    credential: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An operator must act: the credential is refused or the provider's balance is spent."""

    channel: str
    operation: str
    fault: Fault
    since: float
    credential: str = ""


Notice = Ejected | Recovered | Cooled | Warmed | Alert


class Notices:
    """What happened, for each who wants to know; each gets all, oldest first."""

    __slots__ = ("_readers",)

    def __init__(self) -> None:
        self._readers: list[tuple[deque[Notice], Callable[[], None]]] = []

    def add(self, notice: Notice) -> None:
        """Tell everybody; to be called within a request, so it waits for nobody."""
        for kept, wake in self._readers:
            kept.append(notice)
            wake()

    def listen(self, wake: Callable[[], None] = lambda: None) -> deque[Notice]:
        """Give the notices from now on, the newest 256 at most; *wake* is called at each."""
        kept: deque[Notice] = deque(maxlen=KEPT)
        self._readers.append((kept, wake))
        return kept
