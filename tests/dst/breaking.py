"""What is said of a law that was broken."""

NEARLY = 1e-6

BROKEN: list[str] = []
"""Laws that were broken in this world: engines catch exceptions, so that raising is not enough."""


def law(is_kept: bool, said: str) -> None:
    if not is_kept:
        BROKEN.append(said)
        raise Broken(said)


class Broken(AssertionError):
    """A decision against the rules."""


def same_time(real: float | None, expected: float | None) -> None:
    if real is None or expected is None:
        law(real is expected, f"{real}, must be {expected}")
    else:
        law(abs(real - expected) < NEARLY, f"{real}, must be {expected}")
