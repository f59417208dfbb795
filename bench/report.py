"""The results as tables for people and as JSON for programs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bench.figures import MICRO, Figures, Floor, added, at_least, at_most, by_cpu, ratio
from bench.rows import WARM_SECONDS, Pace, Results, Row, Target

MEBI = 1024 * 1024
LIMITED_BELOW = 0.85
"""A proxy that used less of its core was waiting for the load's core."""
NOISY_ABOVE = 0.2
"""Of one core, used by others: requests per second are then too low, for all targets."""

_HEAD = (
    "request", "at once", "target", "per second", "of nginx", "by CPU", "p50 ms", "p99 ms",
    "added p50", "added p99", "first ms", "CPU µs", "busy", "foreign",
)  # fmt: skip


def floors(results: Results) -> list[Floor]:
    """What the first milestone asks for, beside what was measured."""
    small, nginx = (results.of("small", 64, target) for target in (Target.REAPI, Target.NGINX))
    large, large_nginx = (results.of("large", 8, target) for target in (Target.REAPI, Target.NGINX))
    one, direct = (results.of("small", 1, target) for target in (Target.REAPI, Target.UPSTREAM))
    memory = results.memory.settled
    return [
        at_least("small image, 64 at once: of nginx's", "", ratio(small, nginx), 1 / 35),
        at_most("small image, 64 at once: CPU", "µs", small.cpu_us if small else None, 750),
        at_least("1.5 MB image, 8 at once: of nginx's", "", ratio(large, large_nginx), 1 / 10),
        at_most(
            "small image, 1 at once: added p50",
            "ms",
            added(one.p50_ms if one else None, direct.p50_ms if direct else None),
            3,
        ),
        at_most("memory (PSS) at rest", "MB", None if memory is None else memory / MEBI, 150),
        at_least(
            "ledger alone, slowest case",
            "/s",
            min((pace.per_second for pace in results.ledger), default=None),
            10_000,
        ),
    ]


def report(results: Results) -> str:
    """All tables, one below the other."""
    parts = []
    if results.figures:
        parts.append(_table([_HEAD, *_rows(results)]))
    if results.faults:
        parts.append(_table([*_fault_rows(results)]))
    if results.ledger:
        parts.append(_table([*_ledger_rows(results.ledger)]))
    parts.append(_table([*_memory_rows(results)]))
    parts.append(_table([*_floor_rows(floors(results))]))
    parts.extend(_remarks(results))
    return "\n\n".join(parts)


def _rows(results: Results) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for (row, target), figures in results.figures.items():
        direct = results.figures.get((row, Target.UPSTREAM))
        nginx = results.figures.get((row, Target.NGINX))
        behind = target is not Target.UPSTREAM and direct is not None
        rows.append((
            row.title,
            str(row.connections),
            target.value,
            f"{figures.per_second:,.0f}",
            _ratio(ratio(figures, nginx)) if target is Target.REAPI else "",
            _ratio(by_cpu(figures, nginx)) if target is Target.REAPI else "",
            _number(figures.p50_ms),
            _number(figures.p99_ms),
            _number(figures.p50_ms - direct.p50_ms) if behind and direct else "",
            _number(figures.p99_ms - direct.p99_ms) if behind and direct else "",
            _number(figures.first_p50_ms),
            _number(figures.cpu_us, 0),
            _share(figures.busy),
            _share(figures.foreign),
        ))  # fmt: skip
    return rows


def _fault_rows(results: Results) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("first channel", "samples", "failed", "plain p50 ms", "added p50", "added p99")
    ]
    for name, row in results.faults.items():
        rows.append((
            name,
            str(row.samples),
            str(row.errors),
            _number(row.plain_p50_ms),
            _number(row.added_p50_ms),
            _number(row.added_p99_ms),
        ))  # fmt: skip
    return rows


def _ledger_rows(paces: Sequence[Pace]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("ledger alone, durable", "per second", "holds", "settles", "refused", "p50 ms",
         "client CPU µs", "database CPU µs"),
    ]  # fmt: skip
    for pace in paces:
        # Half a second of warming up is in the CPU, and not among what was done.
        each = pace.seconds / (pace.seconds + WARM_SECONDS) / max(1, pace.done) * MICRO
        database = pace.database_cpu
        rows.append((
            pace.case.title,
            f"{pace.per_second:,.0f}",
            f"{pace.holds:,}",
            f"{pace.settles:,}",
            f"{pace.refused:,}",
            _number(pace.p50_ms),
            _number(pace.client_cpu * each, 0),
            _number(None if database is None else database * each, 0),
        ))  # fmt: skip
    return rows


def _memory_rows(results: Results) -> list[tuple[str, ...]]:
    memory = results.memory
    return [
        ("memory of the gateway (PSS)", "MB"),
        ("when ready", _mega(memory.idle)),
        ("after the load", _mega(memory.loaded)),
        (f"{memory.settle_seconds:.0f} s later", _mega(memory.settled)),
    ]


def _floor_rows(found: Sequence[Floor]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("for information", "measured", "floor", "goal (3×)")]
    for each in found:
        sign = "≥" if each.more_is_better else "≤"
        limits = (f"{sign} {_figure(limit, each.unit)}" for limit in (each.floor, each.goal))
        rows.append((each.name, _figure(each.value, each.unit), *limits))
    return rows


def _remarks(results: Results) -> list[str]:
    remarks = []
    for (row, target), figures in results.figures.items():
        name = f"{row.title}, {row.connections} at once, {target.value}"
        if figures.errors:
            remarks.append(f"! {name}: {figures.errors} requests failed")
        if _was_waiting(row, target, figures):
            remarks.append(
                f"~ {name}: its core was {_share(figures.busy)} busy, so the other one (load, "
                "upstream) was the limit: it could do more"
            )
    noise = [figures.foreign or 0.0 for figures in results.figures.values()]
    if noise and max(noise) > NOISY_ABOVE:
        remarks.append(
            f"~ other programs used up to {_share(max(noise))} of a core meanwhile: trust CPU per "
            "request, and ratios of it, more than requests per second"
        )
    return ["\n".join(remarks)] if remarks else []


def _was_waiting(row: Row, target: Target, figures: Figures) -> bool:
    return (
        target is Target.NGINX
        and row.group in ("small", "large")
        and row.connections > 1
        and figures.busy is not None
        and figures.busy < LIMITED_BELOW
    )


def as_json(results: Results, setting: Mapping[str, object]) -> dict[str, object]:
    """The same, with every figure as measured."""
    return {
        "setting": dict(setting),
        "rows": [
            {"request": row.title, "at_once": row.connections, "target": target.value}
            | asdict(figures)
            for (row, target), figures in results.figures.items()
        ],
        "faults": {name: asdict(row) for name, row in results.faults.items()},
        "memory_pss_bytes": asdict(results.memory),
        "ledger": [
            asdict(pace) | {"per_second": pace.per_second, "title": pace.case.title}
            for pace in results.ledger
        ],
        "floors": [asdict(floor) for floor in floors(results)],
    }


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell: words to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    words = [any(cell[:1].isalpha() for cell in column[1:]) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index == 0 or is_word else cell.rjust(width)
            for index, (cell, width, is_word) in enumerate(zip(row, widths, words, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _number(value: float | None, places: int = 2) -> str:
    return "-" if value is None else f"{value:,.{places}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _ratio(value: float | None) -> str:
    return "-" if not value else f"1/{1 / value:.1f}"


def _mega(value: int | None) -> str:
    return "-" if value is None else f"{value / MEBI:.0f}"


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:,.3g} {unit}" if unit else _ratio(value)
