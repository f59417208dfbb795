"""Which of the due messages are sent now, so that nobody waits for somebody else's receiver. Pure.

A receiver that hangs takes a place for 15 seconds. So each may have a few at a time, an account
a share of all, and those that failed before come after those that did not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

PER_TARGET: Final = 4
PER_ACCOUNT: Final = 16
IN_ALL: Final = 256


@dataclass(frozen=True, slots=True)
class Due:
    """A message whose time has come. *target* stands for its receiver."""

    account_id: UUID
    id: UUID
    target: UUID
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class UnderWay:
    """How many messages are being sent, by account and target."""

    counts: Mapping[tuple[UUID, UUID], int]


def choose(due: Iterable[Due], under_way: UnderWay) -> Sequence[Due]:
    """Those to be sent now; first tries first, and among these in the order given."""
    targets: Counter[UUID] = Counter()
    accounts: Counter[UUID] = Counter()
    for (account_id, target), count in under_way.counts.items():
        targets[target] += count
        accounts[account_id] += count
    room = IN_ALL - targets.total()
    chosen: list[Due] = []
    for item in sorted(due, key=lambda each: each.is_retry):
        if len(chosen) >= room:
            break
        if targets[item.target] < PER_TARGET and accounts[item.account_id] < PER_ACCOUNT:
            targets[item.target] += 1
            accounts[item.account_id] += 1
            chosen.append(item)
    return chosen
