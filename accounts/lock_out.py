"""Which tries to sign in are too many: docs/decisions/0022-lock-out.md. Pure.

Nobody can be locked out by others: what is counted against an address alone slows down only those
who come from networks that the person never signed in from.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from accounts.networks import NOWHERE
from accounts.throttle import Pace


class Count(StrEnum):
    """What a try counts against."""

    NETWORK = "sign_in.network"
    """Somebody tries the addresses of many."""
    PAIR = "sign_in.pair"
    """Somebody tries one address from one network."""
    ADDRESS = "sign_in.address"
    """Many networks try one address."""


PACES: Final[Mapping[Count, Pace]] = {
    Count.NETWORK: Pace(50, timedelta(seconds=10)),
    Count.PAIR: Pace(10, timedelta(minutes=1)),
    Count.ADDRESS: Pace(20, timedelta(seconds=30)),
}
"""Of tries that fail. A school or an office is one network: fifty people may mistype there at once.
So one network makes 1,450 guesses a day at one address, and all that are not familiar make 2,900
together; the rules for passwords ask for 10^10 (OWASP ASVS 5.0, 6.1.1 and 6.3.1)."""


def counts(network: str, *, familiar: bool) -> tuple[Count, ...]:
    """What a try counts against, in this order; the first that has no room refuses it.

    *network* is where it comes from; NOWHERE is no pair, or one stranger there would keep the
    person out. *familiar*: the person signed in from the same network before.
    """
    if network == NOWHERE:
        return (Count.NETWORK, Count.ADDRESS)
    if familiar:
        return (Count.NETWORK, Count.PAIR)
    return (Count.NETWORK, Count.PAIR, Count.ADDRESS)


def subject(count: Count, address: str, network: str) -> str:
    """Whose tries are counted together."""
    match count:
        case Count.NETWORK:
            return network
        case Count.PAIR:
            return f"{address.lower()} {network}"
        case Count.ADDRESS:
            return address.lower()


def forgotten(count: Count) -> bool:
    """Whether a sign-in clears the count; else only the try that succeeded does not count.

    Whoever has one password must not thereby gain tries at those of others.
    """
    return count is Count.PAIR
