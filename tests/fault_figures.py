"""What the fault matrix has found: figures of each cell, what is wrong with them, the table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.fault_callers import Seen
from tests.fault_cells import KINDS, ROWS, TITLES, Cell, Outcome
from tests.prove_options import percentile

ADDED_MS = 20
"""What a failover may add to the time of one more upstream call, p99."""
LATE_SECONDS = 1.0
"""How long after the deadline of its phase silence must be decided."""
BEGIN, END = "<!-- fault matrix -->", "<!-- end of the fault matrix -->"


@dataclass
class Round:
    """Requests that met the fault, and healthy ones in between; milliseconds."""

    failing: list[float] = field(default_factory=list)
    """How long the broken upstream took."""
    healthy: list[float] = field(default_factory=list)
    met: list[float] = field(default_factory=list)

    def added(self, percent: float) -> float:
        """By how much a percentile is above the healthy one and the failing call."""
        usual = percentile(self.healthy, percent) + percentile(self.failing or [0.0], 50)
        return percentile(self.met, percent) - usual


@dataclass
class Figures:
    """What became of the requests of one cell."""

    cell: Cell
    seen: list[Seen] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    usual: float = 0.0
    """Seconds of a healthy request."""

    @property
    def right(self) -> int:
        """How many ended as they must."""
        if self.cell.delivers:
            return sum(one.succeeded for one in self.seen)
        return sum(one.failed for one in self.seen)

    def added(self, percent: float) -> float:
        """The median over the rounds: of a machine with others, one round says little."""
        return median(one.added(percent) for one in self.rounds)

    def late(self, percent: float) -> float:
        """Seconds after the deadline."""
        after = [one.seconds - self.usual - self.cell.deadline for one in self.seen]
        return percentile(after, percent)

    def best(self, percent: float) -> float:
        """The same of the best round: what else a busy machine does only makes it slower."""
        return min(one.added(percent) for one in self.rounds)

    def is_slow(self, *, is_quiet: bool) -> bool:
        """Whether a failover adds too much.

        On a machine with others, the best round counts, and where healthy requests take longer
        than what may be added, so may the failover.
        """
        if is_quiet:
            return self.added(99) > ADDED_MS
        usual = median(percentile(one.healthy, 99) for one in self.rounds)
        return self.best(99) > max(ADDED_MS, usual)

    def wrong(self, *, is_quiet: bool) -> list[str]:
        """What is not as promised; *is_quiet*: the machine has nothing else to do."""
        cell, found = self.cell, []
        if self.right != len(self.seen):
            others = [(one.ends, one.code) for one in self.seen if not one.succeeded]
            found.append(f"{self.right} of {len(self.seen)} ended right: {others[:3]}")
        if cell.is_timed and self.is_slow(is_quiet=is_quiet):
            found.append(f"added p99 {self.added(99):.1f} ms, best round {self.best(99):.1f} ms")
        if cell.outcome is Outcome.SEARCHED and self.late(100) > 0:
            found.append(f"found out {self.late(100):.1f} s too late")
        if cell.deadline and self.late(100) > LATE_SECONDS:
            found.append(f"decided {self.late(100):.2f} s after its deadline")
        if cell.outcome is Outcome.CUT and not all(one.previews for one in self.seen):
            found.append("the fault came before anything was seen")
        expected = {Outcome.ANOTHER: 2, Outcome.SILENT: 2, Outcome.SAME: 1}.get(cell.outcome)
        if expected and {one.attempts for one in self.seen} != {expected}:
            found.append(f"attempts {sorted({one.attempts for one in self.seen})}")
        return [f"{cell.name}: {each}" for each in found]

    def shown(self) -> str:
        """The cell of the table."""
        share = f"{100 * self.right / len(self.seen):.0f} %"
        match self.cell.outcome:
            case Outcome.ANOTHER:
                return f"{share}, {self.added(50):+.1f} / {self.added(99):+.1f} ms"
            case Outcome.SILENT:
                return f"{share}, {self.late(50):+.2f} / {self.late(99):+.2f} s after its deadline"
            case Outcome.CUT | Outcome.GIVEN_UP:
                return f"{share} one typed error, free"
            case _:
                seconds = [one.seconds - self.usual for one in self.seen]
                return f"{share}, {percentile(seconds, 50):+.1f} / {percentile(seconds, 99):+.1f} s"

    def as_json(self) -> dict[str, object]:
        """The same for programs; milliseconds."""
        if self.rounds:
            told = {"added_p50_ms": self.added(50), "added_p99_ms": self.added(99)}
        else:
            told = {"late_p50_ms": 1000 * self.late(50), "late_p99_ms": 1000 * self.late(99)}
        return {
            "fault": self.cell.row,
            "kind": self.cell.kind,
            "must": self.cell.outcome.value,
            "requests": len(self.seen),
            "as_it_must": self.right,
            **{name: round(value, 2) for name, value in told.items()},
        }


def table(found: Mapping[str, Figures]) -> str:
    """All cells as Markdown; where there is none, why."""
    lines = [
        "| fault | " + " | ".join(TITLES[kind] for kind in KINDS) + " |",
        "|---|---|---|---|---|",
    ]
    notes: list[str] = []
    for row in ROWS:
        cells = {cell.kind: cell for cell in row}
        shown = []
        for kind in KINDS:
            if kind in cells:
                shown.append(found[cells[kind].name].shown() if cells[kind].name in found else "?")
                continue
            if row.why not in notes:
                notes.append(row.why)
            shown.append(f"– ({notes.index(row.why) + 1})")
        lines.append(f"| {row.name} | " + " | ".join(shown) + " |")
    lines += ["", *(f"({number}) {why}." for number, why in enumerate(notes, 1))]
    return "\n".join(lines)


def write(file: Path, text: str) -> None:
    """Put the table between its marks, or at the end of a file without any."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    block = f"{BEGIN}\n\n{text}\n\n{END}"
    marked = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    is_marked = marked.search(before) is not None
    after = marked.sub(lambda _: block, before) if is_marked else f"{before}\n{block}\n"
    file.write_text(after, encoding="utf-8")


def all_wrong(found: Sequence[Figures], *, is_quiet: bool) -> list[str]:
    """What is not as promised, in all cells."""
    return [each for figures in found for each in figures.wrong(is_quiet=is_quiet)]
