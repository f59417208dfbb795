"""What is measured, how much of it, and what came out. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bench.canned import Shape
from bench.figures import Failover, Figures


class Target(StrEnum):
    """What a load is sent to."""

    UPSTREAM = "upstream"
    """Directly: what cannot be beaten, and proof that the upstream is not the limit."""
    NGINX = "nginx"
    REAPI = "reAPI"


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of load. *shape* is None for gRPC, which has no peer here."""

    group: str
    title: str
    shape: Shape | None
    connections: int


ROWS = (
    Row("small", "small image", Shape.SMALL, 1),
    Row("small", "small image", Shape.SMALL, 16),
    Row("small", "small image", Shape.SMALL, 64),
    Row("large", "1.5 MB image", Shape.LARGE, 1),
    Row("large", "1.5 MB image", Shape.LARGE, 8),
    Row("stream", "image stream", Shape.STREAM, 1),
    Row("stream", "image stream", Shape.STREAM, 16),
    Row("grpc", "gRPC GetBalance", None, 1),
    Row("grpc", "gRPC GetBalance", None, 16),
)
GROUPS = ("small", "large", "stream", "grpc", "faults")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    groups: Collection[str]
    runs: int
    seconds: float
    settle: float
    fault_rounds: int
    hang_rounds: int

    @property
    def rows(self) -> list[Row]:
        """The loads of the groups that were asked for."""
        return [row for row in ROWS if row.group in self.groups]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the gateway's processes; None where it cannot be read."""

    idle: int | None = None
    loaded: int | None = None
    settled: int | None = None
    settle_seconds: float = 0.0


@dataclass(slots=True)
class Results:
    """Everything that was measured."""

    figures: dict[tuple[Row, Target], Figures] = field(default_factory=dict)
    faults: Mapping[str, Failover] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)

    def of(self, group: str, connections: int, target: Target) -> Figures | None:
        """The figures of one row, if it was measured."""
        for (row, found), figures in self.figures.items():
            if (row.group, row.connections, found) == (group, connections, target):
                return figures
        return None
