"""How far a long command is, on standard error."""

import sys
from time import monotonic
from types import TracebackType
from typing import Self

_EVERY_SECONDS = 0.5
_LOOK_EVERY = 512
"""Steps between two looks at the clock."""


class Progress:
    """Counts steps and tells of them twice a second: to a terminal only, on one line."""

    def __init__(self, what: str, total: int = 0) -> None:
        """*total* 0: nobody knows how many there will be."""
        self._what = what
        self._total = total
        self._count = 0
        self._told_at = monotonic()
        self._is_told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_told:
            self._tell("\n")

    def step(self) -> None:
        """One more."""
        self._count += 1
        if self._count % _LOOK_EVERY == 0 and sys.stderr.isatty():
            now = monotonic()
            if now - self._told_at >= _EVERY_SECONDS:
                self._told_at, self._is_told = now, True
                self._tell("")

    def _tell(self, end: str) -> None:
        of = f" of {self._total:,}" if self._total else ""
        print(f"\r{self._what} {self._count:,}{of}", end=end, file=sys.stderr, flush=True)
