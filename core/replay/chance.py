"""Random numbers that follow from a seed alone: SplitMix64 (Steele, Lea, Flood 2014)."""

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_SCALE = 2.0**-53


def mixed(*numbers: int) -> int:
    """One number of 64 bits that depends on every bit of *numbers*."""
    state = 0
    for number in numbers:
        state = (state + number + _STEP) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


class Dice:
    """A source of random numbers in [0, 1): the same ones from the same seed."""

    __slots__ = ("_state",)

    def __init__(self, *seed: int) -> None:
        self._state = mixed(*seed)

    def __call__(self) -> float:
        """Give the next one."""
        self._state = (self._state + _STEP) & _MASK
        return (mixed(self._state) >> 11) * _SCALE
