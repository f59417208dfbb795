"""How a healthy channel behaves, turned while the simulator runs (`PUT /_settings`).

image                real (default): the size that was asked for. tiny: a valid 16 by 16 image,
                     whatever the size. bytes:N: a valid image of exactly N bytes, 2,048 to
                     67,108,864, in the format that was asked for.
latency_ms           Waited before the headers of a successful answer; default 0.
partial_interval_ms  Waited between the events of a stream, or the pieces of a sound; default 0.
requests_per_minute  The channel's rate limit, a token bucket; default 6,000,000.
limit_remaining      What every whole answer says is left of a limit, in `ratelimit-remaining` with
                     `limit_reset_s` in `ratelimit-reset`, whatever is; default null: nothing.
limit_reset_s        Default 1.

For dialects with jobs, read when a job is submitted:

queue_ms             How long a job is queued at least; default 200.
run_ms               How long it then runs; default 800.
max_running          How many jobs may run at once, the others wait queued; default 100,000. A
                     cancelled job's turn stays empty.
max_unfinished       How many jobs may be queued or running: one more is refused; default 10,000.
link_seconds         How long the links to hosted results work; default 86,400 (24 hours).
"""

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Final

from simulator.faults import MAX_DELAY_MS
from simulator.images import TINY_SIDE, Recipe
from simulator.json_object import ControlError, JsonObject, within

MIN_PADDED_BYTES: Final = 2_048
MAX_PADDED_BYTES: Final = 64 << 20
MAX_REQUESTS_PER_MINUTE: Final = 1_000_000_000
MAX_RUNNING: Final = 100_000
MAX_UNFINISHED: Final = 20_000
MAX_LINK_SECONDS: Final = 604_800

_BYTES: Final = re.compile(r"bytes:([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Knobs:
    """The settings of one channel; the module's table says what each means."""

    image: str = "real"
    latency_ms: int = 0
    partial_interval_ms: int = 0
    requests_per_minute: int = 6_000_000
    limit_remaining: int | None = None
    limit_reset_s: int = 1
    queue_ms: int = 200
    run_ms: int = 800
    max_running: int = 100_000
    max_unfinished: int = 10_000
    link_seconds: int = 86_400

    def __post_init__(self) -> None:
        """Refuse values out of range, naming the setting."""
        if self.image not in {"real", "tiny"}:
            padded = self.padded_bytes
            if padded is None or not MIN_PADDED_BYTES <= padded <= MAX_PADDED_BYTES:
                raise ControlError(
                    "image",
                    f"expected real, tiny or bytes:{MIN_PADDED_BYTES} to bytes:{MAX_PADDED_BYTES}",
                )
        within("latency_ms", self.latency_ms, 0, MAX_DELAY_MS)
        within("partial_interval_ms", self.partial_interval_ms, 0, MAX_DELAY_MS)
        within("requests_per_minute", self.requests_per_minute, 1, MAX_REQUESTS_PER_MINUTE)
        if self.limit_remaining is not None:
            within("limit_remaining", self.limit_remaining, 0, MAX_REQUESTS_PER_MINUTE)
        within("limit_reset_s", self.limit_reset_s, 0, MAX_DELAY_MS)
        within("queue_ms", self.queue_ms, 0, MAX_DELAY_MS)
        within("run_ms", self.run_ms, 0, MAX_DELAY_MS)
        within("max_running", self.max_running, 1, MAX_RUNNING)
        within("max_unfinished", self.max_unfinished, 1, MAX_UNFINISHED)
        within("link_seconds", self.link_seconds, 0, MAX_LINK_SECONDS)

    def as_json(self) -> dict[str, object]:
        """Give the settings as the controls show them."""
        return asdict(self)

    def picture(self, recipe: Recipe) -> Recipe:
        """Give *recipe*, or what `image` shows instead: tiny or padded, then without blur."""
        if self.image == "real":
            return recipe
        padded = self.padded_bytes
        return replace(
            recipe,
            width=TINY_SIDE,
            height=TINY_SIDE,
            blur=recipe.blur if padded is None else 0,
            padded_bytes=padded,
        )

    @property
    def limit_headers(self) -> dict[str, str]:
        """What is said of a limit, if anything is."""
        if self.limit_remaining is None:
            return {}
        return {
            "ratelimit-remaining": str(self.limit_remaining),
            "ratelimit-reset": str(self.limit_reset_s),
        }

    @property
    def padded_bytes(self) -> int | None:
        """The N of `bytes:N`, else None."""
        match = _BYTES.fullmatch(self.image)
        return int(match[1]) if match else None


def turn(knobs: Knobs, data: object) -> Knobs:
    """Give *knobs* with the settings of decoded JSON changed; raises ControlError."""
    given = JsonObject(data, tuple(known.name for known in fields(Knobs)))
    return Knobs(
        image=given.text("image", knobs.image),
        latency_ms=given.integer("latency_ms", knobs.latency_ms),
        partial_interval_ms=given.integer("partial_interval_ms", knobs.partial_interval_ms),
        requests_per_minute=given.integer("requests_per_minute", knobs.requests_per_minute),
        limit_remaining=given.integer("limit_remaining", knobs.limit_remaining),
        limit_reset_s=given.integer("limit_reset_s", knobs.limit_reset_s),
        queue_ms=given.integer("queue_ms", knobs.queue_ms),
        run_ms=given.integer("run_ms", knobs.run_ms),
        max_running=given.integer("max_running", knobs.max_running),
        max_unfinished=given.integer("max_unfinished", knobs.max_unfinished),
        link_seconds=given.integer("link_seconds", knobs.link_seconds),
    )
