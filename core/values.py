"""The `dataclass` of the hot path: frozen for the type checker, cheap at run time.

Use it where `@dataclass(frozen=True, slots=True)` is meant: mypy sees the standard decorator and
refuses assignments. At run time the class has slots, equality and a hash, but no guard against
assignment: the guard makes every construction three times as dear, which was an eighth of all
that a request cost (docs/benchmarks.md).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(cls: Any = None, /, *, frozen: bool = False, **options: Any) -> Any:
        """As `dataclasses.dataclass`; *frozen* gives a hash, not a guard."""
        if frozen:
            options["unsafe_hash"] = options.get("eq", True)
        return dataclasses.dataclass(cls, **options)


__all__ = ["dataclass"]
