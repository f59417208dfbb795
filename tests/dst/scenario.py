"""What a seed's world is like: drawn once, before anything runs."""

import random
from dataclasses import dataclass, field
from typing import Any

from core.model import Deadlines
from tests.dst.callers import Wish
from tests.dst.database import Outage
from tests.dst.serving import Spell

IMAGE, VIDEO = "gpt-image-2", "seedance-2.0"
FOREVER = float("inf")
SEEDS = 1 << 31
"""Seeds are below that."""

HARD = (
    "500",
    "503",
    "529",
    "429",
    "429-soon",
    "429-later",
    "429-late",
    "429-never",
    "401",
    "quota",
    "404",
)
CALLERS = ("400", "moderated")
BROKEN = ("reset", "closed", "half", "html", "empty", "garbage")
SILENT = ("hang", "hang-body", "unreachable")
PICTURE_KINDS = (
    *HARD,
    *CALLERS,
    *BROKEN,
    *SILENT,
    "refuse",
    "error-200",
    "no-images",
    "no-image",
    "fewer",
    "fewer",
    "fewer",
    "slow",
    "slow",
)
FILM_KINDS = (
    *HARD,
    *CALLERS,
    *BROKEN,
    *SILENT,
    "refuse",
    "lost",
    "lost",
    "lost",
    "unmade",
    "unmade",
    "lost-slowly",
)
STALLS = (3.0, 7.5, 8.5, 12.0, 30.0)
"""Seconds; a lease lasts 8, and is trusted for 7."""
PROFILES = ("pictures",) * 5 + ("streams",) * 3 + ("films",) * 6 + ("mixed",) * 4 + ("crowd",)


@dataclass
class Plan:
    """One world."""

    profile: str
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What is particular about each."""
    weather: dict[str, list[Spell]] = field(default_factory=dict)
    wishes: list[Wish] = field(default_factory=list)
    crashes: list[int] = field(default_factory=lambda: [0])
    """For each process at the beginning: the step that it dies at."""
    stalls: dict[int, float] = field(default_factory=dict)
    """The steps before which the first process stalls, and for how many seconds."""
    hedges: bool = False
    """Whether a second attempt begins beside a slow one."""
    patience: float = 1.0
    """How long channels are known to take, of what they take."""
    outages: list[Outage] = field(default_factory=list)
    store_away: tuple[float, float] = (0.0, 0.0)
    troubled_results: int = 0

    @property
    def is_calm(self) -> bool:
        """No process dies or stalls, and what is durable answers."""
        troubles = (self.outages, self.store_away[1], self.stalls)
        return not (any(self.crashes) or any(troubles))


def draw(rng: random.Random, begins: float) -> Plan:
    """A world that begins at *begins* on the virtual clock."""
    plan = Plan(rng.choice(PROFILES))
    plan.hedges, plan.patience = rng.random() < 0.4, rng.choice((0.3, 1.0))
    _channels(plan, rng, begins)
    _wishes(plan, rng)
    if plan.profile != "crowd":
        _troubles(plan, rng, begins)
    return plan


def _channels(plan: Plan, rng: random.Random, begins: float) -> None:
    names: list[str] = []
    if plan.profile != "films":
        names += [f"picture-{letter}" for letter in "abcde"[: rng.choice((1, 2, 2, 3, 3, 4, 5))]]
    if plan.profile in ("films", "mixed"):
        names += [f"film-{letter}" for letter in "abc"[: rng.choice((1, 2, 2, 3))]]
    tiers = rng.random() < 0.5
    most = rng.choice(((10,), (10,), (1,), (1, 2, 3, 10), (2, 10)))
    for number, name in enumerate(names):
        is_film = name.startswith("film")
        plan.channels[name] = {
            "priority": rng.choice((number, number // 2, 0)) if tiers else 0,
            "weight": rng.choice((100, 100, 50, 200)),
            "maximum_in_flight": rng.choice((1, 2, 4, 1000, 1000, 1000, 1000)),
            "maximum_count": rng.choice(most),
            "deadlines": Deadlines(connect=1, acknowledge=4, first_byte=5, idle=3, total=30),
            "bills_on_cancel": rng.random() < 0.5,
        }
        if is_film:
            plan.channels[name] |= {
                "poll_seconds": rng.choice((0.5, 2.0)),
                "job_seconds": 30.0,
                "sla_seconds": rng.choice((20.0, 60.0, 90.0)),
            }
        plan.weather[name] = _weather(rng, begins, FILM_KINDS if is_film else PICTURE_KINDS)
        if plan.hedges and not is_film and rng.random() < 0.6:
            odds = {"slow": rng.choice((40, 100)), rng.choice(PICTURE_KINDS): 30}
            plan.weather[name] = [Spell(FOREVER, odds, rng.choice((0.02, 0.1)))]


def _weather(rng: random.Random, begins: float, kinds: tuple[str, ...]) -> list[Spell]:
    seconds = rng.choice((0.02, 0.1, 0.4))
    fine = Spell(FOREVER, {}, seconds)
    match rng.randrange(6):
        case 0 | 1:
            return [fine]
        case 2 | 3:  # flaky
            odds = {rng.choice(kinds): rng.choice((10, 25, 50)) for _ in range(rng.randint(1, 3))}
            return [Spell(begins + rng.choice((5.0, 60.0, FOREVER)), odds, seconds), fine]
        case _:  # down, in one way
            bad = {rng.choice(kinds): 100}
            first = rng.choice((0.0, 0.0, 1.0))
            return [
                Spell(begins + first, {}, seconds),
                Spell(begins + first + rng.choice((2.0, 20.0, 50.0, FOREVER)), bad, seconds),
                fine,
            ]


def _wishes(plan: Plan, rng: random.Random) -> None:
    if plan.profile == "crowd":
        count, spread = rng.randint(24, 40), rng.choice((5.0, 60.0, 150.0))
    else:
        count, spread = rng.randint(1, 6), rng.choice((0.0, 0.5, 3.0, 40.0))
    for number in range(count):
        model = IMAGE
        if plan.profile == "films" or (plan.profile == "mixed" and number % 2):
            model = VIDEO
        wish = Wish(f"g{number}", model, spread * rng.random())
        if model == VIDEO:
            wish.given = {"duration": rng.choice((4, 8)), "resolution": "720p"}
        else:
            wish.count = rng.choice((1, 1, 1, 2, 3, 5, 10))
            if rng.random() < 0.5:
                wish.given = {"seed": rng.choice((0, 5, SEEDS - 2))}
            if plan.profile == "streams":
                wish.partials = rng.choice((1, 2, 3))
        wish.has_key = rng.random() < 0.4
        match rng.randrange(8):
            case 0:
                wish.cancels_after = rng.choice((0.01, 0.3, 2.0))
            case 1:
                wish.leaves_after = rng.choice((0.001, 0.05, 1.0))
        if rng.random() < 0.25:
            wish.detached = False
            wish.deadline = rng.choice((None, 0.03, 0.6, 4.0, 20.0))
        if rng.random() < 0.1:
            family = "film" if model == VIDEO else "picture"
            wish.only = frozenset(
                {rng.choice([name for name in plan.channels if name.startswith(family)])}
            )
        plan.wishes.append(wish)


def _troubles(plan: Plan, rng: random.Random, begins: float) -> None:
    """Processes that die, a database and a bucket that are away."""
    processes = rng.choice((1, 1, 2, 3))
    plan.crashes = [0] * processes
    if rng.random() < 0.5:
        plan.crashes[0] = rng.choice(
            (rng.randint(1, 60), rng.randint(1, 400), rng.randint(1, 1500))
        )
        if processes > 1 and rng.random() < 0.4:
            plan.crashes[1] = rng.randint(1, 1000)
    if rng.random() < 0.25:
        last = rng.choice((80, 80, 400))
        plan.stalls = {
            rng.randint(5, last): rng.choice(STALLS) for _ in range(rng.choice((1, 2, 4)))
        }
    match rng.randrange(10):
        case 0:
            at = begins + rng.choice((0.0, 0.1, 1.0, 3.0))
            plan.outages = [Outage(at, at + rng.choice((0.5, 3.0, 7.0, 20.0, 40.0)))]
        case 1:
            at = begins + rng.choice((0.0, 0.5, 2.0))
            plan.store_away = (at, at + rng.choice((1.0, 10.0, 200.0)))
    plan.troubled_results = rng.choice((0, 0, 0, 30))
