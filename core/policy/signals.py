"""What processes of a gateway tell each other about channels, and what hearing it changes. Pure.

A process that hears of an ejection keeps off as if it had met the faults itself, for as long and
a little longer, and then sends a probe of its own; a recovery ends that. What it finds out itself
comes first: a channel that was just seen to work is not closed on the word of a process that
cannot reach it (`Health.hear_ejection`).
"""

from core.errors import Fault
from core.policy.circuit import JITTER
from core.policy.health import HealthBook
from core.policy.notices import Cooled, Ejected, Notice, Recovered, Warmed
from core.values import dataclass

LONGEST_SECONDS = 66.0
"""Of an ejection: what this process would give at most itself."""
HEARD_SECONDS = 3.0
"""For how long a recovery is news: who hears of it later may know better."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One change: of an operation, or of a credential (then the operation is empty)."""

    channel: str
    operation: str
    credential: str
    fault: Fault | None
    """None: it was found good again."""
    seconds: float
    """For how long it means something."""
    ejections: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is about: the newest counts."""
        return self.channel, self.operation, self.credential


def signal_of(notice: Notice) -> Signal | None:
    """What others should know of it, if anything."""
    match notice:
        case Ejected(channel, operation, fault, seconds, ejections):
            return Signal(channel, operation, "", fault, seconds, ejections)
        case Recovered(channel, operation):
            return Signal(channel, operation, "", None, HEARD_SECONDS)
        case Cooled(channel, credential, fault, seconds, ejections):
            return Signal(channel, "", credential, fault, seconds, ejections)
        case Warmed(channel, credential):
            return Signal(channel, "", credential, None, HEARD_SECONDS)
        case _:
            return None


def hear(book: HealthBook, signal: Signal, now: float, chance: float) -> None:
    """Take over what another process told; *chance* in [0, 1) keeps all from probing at once."""
    seconds = min(signal.seconds * (1 + JITTER * chance), LONGEST_SECONDS)
    until, fault = now + seconds, signal.fault
    if signal.operation:
        health = book.of(signal.channel, signal.operation)
        if fault is None:
            health.hear_recovery()
        else:
            health.hear_ejection(fault, until, signal.ejections, now)
        return
    credential = book.load_of(signal.channel).of(signal.credential)
    if fault is not None:
        credential.circuit.open_until(until, signal.ejections)
    elif credential.circuit.ejected_until is not None:
        credential.alert = None
        credential.circuit.recover()
