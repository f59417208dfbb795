"""Minutes of mixed traffic under random faults: nothing grows, nothing fails without a reason."""

import asyncio
import json
import os
import random
import secrets
import signal
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import pytest

from bench.processes import pss_bytes
from tests import books
from tests.fix_fleet import Spec, running_upstreams, upstream_names
from tests.fix_gateway import ROOT
from tests.fix_postgres import scratch_folder
from tests.job_fleet import Member, VideoModel, running_job_fleet
from tests.role_processes import launch, wait_until_ready
from tests.soaking import (
    CUTS,
    FILMS,
    HARD,
    IMAGES,
    JOBS,
    PATIENCE_SECONDS,
    VOICES,
    Soaker,
    Weather,
)

pytestmark = [pytest.mark.prove, pytest.mark.alone]

VIDEOS = [VideoModel(name, poll_seconds=0.5, job_seconds=15, sla_seconds=30) for name in FILMS]
PICTURES = [Spec(name, (f"{name}-a", f"{name}-b", f"{name}-c")) for name in IMAGES]
SPEAKERS = {name: (f"{name}-a", f"{name}-b") for name in VOICES}
SPEECH_FILE = ROOT / "core" / "catalog" / "models" / "gpt-4o-mini-tts.toml"
CALLERS = 16
WARM_SHARE = 1 / 3
"""Of the time, before anything is measured: caches fill, pools grow."""
LONGEST_WARM = 60
LOOK_SECONDS = 1.0
IDLE_SECONDS = 32
"""Upstreams' connections are kept for 15, and looked at every 15."""
REST_SECONDS = 120
"""The longest SLA, and a search."""
MAXIMUM_SLOPE = 4.0
"""MB a minute: what a regression over two minutes of a saw-tooth can tell from nothing."""
MAXIMUM_SLOPE_IN_CI = 30.0
MAXIMUM_GROWTH = 8 << 20
"""Bytes at rest, from after the warm-up to the end."""
OBJECTS_PER_DOING = 0.5
"""At rest, from after the warm-up to the end: caches with a bound may still fill."""
SPARE_OBJECTS = 2_000
SPARE_TASKS = 4
SPARE_DESCRIPTORS = 12
"""PostgreSQL's pools breathe: up to 16 connections."""

SPEECH_TOML = """
[channels.{name}]
model = "{model}"
dialect = "openai_speech"
upstream_model = "gpt-4o-mini-tts"
base_url = "{url}/v1"
credential = {{ env = "FLEET_KEY" }}
priority = {priority}
resubmit = "duplicate_ok"
maximum_count = 1
deadlines = {{ connect = 1, first_byte = 5, idle = 5, total = 60 }}
"""


class Looks:
    """What is seen of a process from outside, once a second."""

    def __init__(self, pid, watched):
        self.pid, self.watched = pid, watched
        self.seen = []

    async def keep(self):
        while True:
            self.seen.append((time.monotonic(), pss_bytes({self.pid}), self.descriptors()))
            await asyncio.sleep(LOOK_SECONDS)

    def descriptors(self):
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def lines(self):
        return [json.loads(line) for line in self.watched.read_text().splitlines()]

    async def at_rest(self):
        """What is alive once idle connections are closed and garbage is collected."""
        await asyncio.sleep(IDLE_SECONDS)
        before = sum("objects" in line for line in self.lines())
        os.kill(self.pid, signal.SIGUSR2)
        async with asyncio.timeout(20):
            while len(found := [each for each in self.lines() if "objects" in each]) == before:
                await asyncio.sleep(0.1)
        return {**found[-1], "pss": pss_bytes({self.pid}), "descriptors": self.descriptors()}


@pytest.fixture
def soaked(database_url):
    """A gateway that is watched, upstreams for all kinds of requests, and what they share."""
    with scratch_folder() as folder, ExitStack() as stack:
        names = [*upstream_names(PICTURES), *(each for two in SPEAKERS.values() for each in two)]
        others = stack.enter_context(contextmanager(running_upstreams)(names))
        others.settings(partial_interval_ms=20)
        overlay = folder / "others.toml"
        pictures = [model.toml(others.base_urls) for model in PICTURES]
        overlay.write_text("\n".join([*pictures, *speech(others.base_urls)]), encoding="utf-8")
        watched = folder / "watched.jsonl"
        watched.touch()
        fleet = stack.enter_context(
            running_job_fleet(
                folder,
                database_url,
                VIDEOS,
                REAPI_CATALOGUE=f"{folder / 'fleet.toml'}:{overlay}",
                WATCHED_FILE=str(watched),
            )
        )
        role = launch("serve", folder / "logs", fleet.environment, "tests.watched_gateway")
        stack.callback(lambda: role.process.poll() is None and role.kill())
        wait_until_ready(role, "rest")
        member = Member(role, f"http://127.0.0.1:{role.port('rest')}")
        yield fleet, others, member, Looks(member.pid, watched)


async def test_nothing_grows_and_nothing_fails_without_a_reason(soaked, counts, figure):
    fleet, others, member, looks = soaked
    seed = int(os.environ.get("SOAK_SEED") or secrets.randbelow(1 << 32))
    print(f"\nseed of the soak: {seed}")
    chance = random.Random(seed)
    weather = Weather(chance, targets(fleet.upstreams, others))
    _, key = fleet.account(member)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=timeout
    ) as session:
        soakers = [
            Soaker(session, member.url, key, random.Random(chance.random())) for _ in range(CALLERS)
        ]
        warm = min(LONGEST_WARM, counts.soak_seconds * WARM_SHARE)
        with fleet.database() as connection:
            await soak(weather, soakers, warm, connection)
            before = await looks.at_rest()
            doings = total(soakers)
            looking = asyncio.create_task(looks.keep())
            await soak(weather, soakers, counts.soak_seconds - warm, connection, rest=False)
            looking.cancel()
            await rested(connection)
            after = await looks.at_rest()
            judge_books(fleet, connection)
    tell(figure, looks, before, after, soakers)
    unexplained = [each for one in soakers for each in one.failures if not weather.explains(each)]
    tally = Counter((each.doing, each.outcome) for one in soakers for each in one.failures)
    print("failures:", *sorted(tally.items()), sep="\n  ")
    print("unexplained:", *unexplained[:20], sep="\n  ")
    assert unexplained == []
    assert "Traceback" not in member.role.log
    assert member.role.events("Defect") == []
    judge_growth(looks, before, after, total(soakers) - doings, is_short=counts.ci)


def speech(urls):
    """The models that speak, and their channels, as a catalogue says it."""
    text = SPEECH_FILE.read_text(encoding="utf-8")
    text = text.replace('aliases = ["gpt-4o-mini-tts-2025-12-15"]\n', "")
    for model, names in SPEAKERS.items():
        yield text.replace("models.gpt-4o-mini-tts", f"models.{model}")
        for priority, name in enumerate(names):
            yield SPEECH_TOML.format(name=name, model=model, url=urls[name], priority=priority)


def targets(jobs, others):
    """What breaks: every channel but the last one of each model."""
    return {
        **{name: (others, [*HARD, *CUTS]) for each in PICTURES for name in each.upstreams[:-1]},
        **{first: (others, HARD) for first, _ in SPEAKERS.values()},
        **{model.channels[0]: (jobs, JOBS) for model in VIDEOS},
    }


async def soak(weather, soakers, seconds, connection, *, rest=True):
    """Traffic under faults for *seconds*; then all is well, and at rest."""
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(weather.change(until))
        for soaker in soakers:
            group.create_task(soaker.go_on(until))
    if rest:
        await rested(connection)


async def rested(connection):
    async with asyncio.timeout(REST_SECONDS):
        while books.unfinished(connection):
            await asyncio.sleep(0.25)


def total(soakers):
    return sum(sum(one.done.values()) for one in soakers)


def judge_books(fleet, connection):
    """Nothing is owed, nothing is held, and every file belongs to an output that is kept."""
    books.assert_right(connection)
    sql = "SELECT state || ' ' || coalesce(fault, ''), count(*) FROM attempt GROUP BY 1 ORDER BY 2 DESC"
    print("attempts:", *books.rows(connection, sql), sep="\n  ")
    sql = (
        "SELECT g.state, g.reason, g.endpoint, a.state, a.number, count(*) FROM attempt a"
        " JOIN generation g ON g.account_id = a.account_id AND g.id = a.generation_id"
        " WHERE a.state IN ('submitting', 'submitted') GROUP BY 1, 2, 3, 4, 5"
    )
    print("attempts without an end:", *books.rows(connection, sql), sep="\n  ")
    kept = books.rows(
        connection,
        "SELECT generation_id FROM asset WHERE removed_at IS NULL AND deleted_at IS NULL",
    )
    files = [path for path in fleet.bucket.rglob("*") if path.is_file()]
    ids = Counter(id_.hex for (id_,) in kept)
    lost = [path for path in files if not any(id_ in path.name for id_ in ids)]
    assert lost == []
    assert len(files) == ids.total()


def slope(points):
    """Of the line through *points* (x, y) with the least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def tell(figure, looks, before, after, soakers):
    """Report what was seen."""
    lines = [line for line in looks.lines() if line["at"] >= looks.seen[0][0]]
    figure("soak: MB of memory (PSS)", [pss / 2**20 for _, pss, _ in looks.seen])
    figure("soak: MB a minute that it grows", [memory_slope(looks)])
    figure("soak: descriptors", [count for _, _, count in looks.seen])
    figure("soak: tasks", [line["tasks"] for line in lines])
    for name in ("pss", "objects", "tasks", "descriptors"):
        figure(
            f"soak: {name} at rest, after the warm-up and at the end", [before[name], after[name]]
        )
    done = Counter()
    for one in soakers:
        done.update(one.done)
    print("done:", dict(done))
    print("tasks at rest:", before["names"], after["names"])
    grown = Counter(after["kinds"])
    grown.subtract(before["kinds"])
    print("objects at rest that are more:", grown.most_common(12))


def memory_slope(looks):
    return slope([(at / 60, pss / 2**20) for at, pss, _ in looks.seen])


def judge_growth(looks, before, after, doings, *, is_short):
    """Nothing is more than it was."""
    assert memory_slope(looks) <= (MAXIMUM_SLOPE_IN_CI if is_short else MAXIMUM_SLOPE)
    assert after["pss"] - before["pss"] <= MAXIMUM_GROWTH
    assert after["objects"] - before["objects"] <= SPARE_OBJECTS + OBJECTS_PER_DOING * doings
    assert after["tasks"] - before["tasks"] <= SPARE_TASKS
    assert after["descriptors"] - before["descriptors"] <= SPARE_DESCRIPTORS
