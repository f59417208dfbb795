"""What is measured, how much of it, and what came out. Pure."""

from collections.abc import Collection, Mapping, Sequence
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
    REMOTE = "core+bridge"
    """Both processes of a remote core."""
    BRIDGE = "its bridge"
    """The same load, and the CPU of the bridge alone."""


class Way(StrEnum):
    """How a load reaches the gateway, and with what."""

    IMAGES = "images"
    GRPC = "grpc"
    VIDEO = "video"
    """A create, answered when it is accepted."""
    WATCH = "watch"
    """The events of an image that has ended, read from the rows, as a stream of its own."""
    TCP = "tcp"
    """Images, through a bridge that reaches core over TCP."""
    UNIX = "unix"
    """The same over a Unix socket."""

    @property
    def is_remote(self) -> bool:
        """Whether a bridge of its own process stands in front."""
        return self in {Way.TCP, Way.UNIX}


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of load. *shape* is None where no image is asked for."""

    group: str
    title: str
    shape: Shape | None
    connections: int
    way: Way = Way.IMAGES

    @property
    def targets(self) -> tuple[Target, ...]:
        """What it is sent to, where that is there."""
        match self.way:
            case Way.IMAGES | Way.VIDEO:
                return (Target.UPSTREAM, Target.NGINX, Target.REAPI)
            case Way.GRPC | Way.WATCH:
                return (Target.REAPI,)
            case Way.TCP | Way.UNIX:
                return (Target.REMOTE,)


ROWS = (
    Row("small", "small image", Shape.SMALL, 1),
    Row("small", "small image", Shape.SMALL, 16),
    Row("small", "small image", Shape.SMALL, 64),
    Row("large", "1.5 MB image", Shape.LARGE, 1),
    Row("large", "1.5 MB image", Shape.LARGE, 8),
    Row("stream", "image stream", Shape.STREAM, 1),
    Row("stream", "image stream", Shape.STREAM, 16),
    Row("grpc", "gRPC GetBalance", None, 1, Way.GRPC),
    Row("grpc", "gRPC GetBalance", None, 16, Way.GRPC),
    Row("video", "video create", None, 1, Way.VIDEO),
    Row("video", "video create", None, 16, Way.VIDEO),
    Row("remote", "small image, remote by TCP", Shape.SMALL, 16, Way.TCP),
    Row("remote", "small image, remote by socket", Shape.SMALL, 16, Way.UNIX),
    Row("watch", "watch of an image", None, 1, Way.WATCH),
    Row("watch", "watch of an image", None, 16, Way.WATCH),
)
GROUPS = ("small", "large", "stream", "grpc", "video", "remote", "watch", "faults", "ledger")

WARM_SECONDS = 0.5
"""Of the ledger, before what it does counts."""


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
    def look_seconds(self) -> float:
        """Between two looks at a job: the first comes at half of it, after the run."""
        return 2 * self.seconds + 4

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


@dataclass(frozen=True, slots=True)
class Case:
    """A load on the ledger alone: how many processes, over how many accounts."""

    accounts: int
    processes: int

    @property
    def title(self) -> str:
        where = "one hot account" if self.accounts == 1 else f"{self.accounts:,} accounts"
        return f"{where}, {self.processes} process{'es' if self.processes > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Pace:
    """What the processes of one case did together."""

    case: Case
    seconds: float
    holds: int
    settles: int
    refused: int
    p50_ms: float
    """Of a commit, with its wait for a batch."""
    client_cpu: float
    """Seconds, warming up included."""
    database_cpu: float | None

    @property
    def done(self) -> int:
        """Holds, settles and refusals."""
        return self.holds + self.settles + self.refused

    @property
    def per_second(self) -> float:
        return self.done / self.seconds


@dataclass(slots=True)
class Results:
    """Everything that was measured."""

    figures: dict[tuple[Row, Target], Figures] = field(default_factory=dict)
    faults: Mapping[str, Failover] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    ledger: Sequence[Pace] = ()

    def of(self, group: str, connections: int, target: Target) -> Figures | None:
        """The figures of one row, if it was measured."""
        for (row, found), figures in self.figures.items():
            if (row.group, row.connections, found) == (group, connections, target):
                return figures
        return None
