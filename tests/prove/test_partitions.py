"""Gateways and their database that do not reach each other for a while, and are not told so."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
import pytest

from tests import books
from tests.fix_fleet import Spec
from tests.fix_postgres import scratch_folder
from tests.job_fleet import SECONDS, VideoModel
from tests.namespaces import why_not
from tests.partitioned import DATABASE, GATEWAYS, partitioned
from tests.prove_options import percentile

pytestmark = [pytest.mark.prove, pytest.mark.alone]

VIDEOS = VideoModel("video-apart", sla_seconds=300, job_seconds=300)
PICTURES = Spec("pictures", ("pictures",))
RUN_MS = 6_000
CUTS = [("a", DATABASE), ("b", DATABASE), ("a", "b")]
BEFORE_SECONDS = 3
AFTER_SECONDS = 7
RECOVERY_SECONDS = 5.0
PAUSE_SECONDS = 0.5
"""Between two requests of one kind at one gateway."""
LONGEST_ANSWER = 60.0
REFUSAL_SECONDS = 6.5
"""What a gateway without a database may take to say so: three of silence, and two for another
connection."""
OTHERS_SECONDS = 5.0
"""What a gateway that is not cut off may wait for locks of one that is."""
REST_SECONDS = 150
"""An unknown generation of one's own is ended after a minute."""
EXPLAINED = frozenset({"storage_unavailable", "request_not_retained", "overloaded"})
"""The last is what a bridge says of a core that it does not reach."""


@dataclass
class Asked:
    """One request, and what its caller saw. Times are monotonic."""

    gateway: str
    kind: str
    key: str = field(default_factory=lambda: str(uuid4()))
    at: float = 0.0
    ended: float = 0.0
    status: int = 0
    code: str = ""
    retry_after: str | None = None
    generation: str = ""


class Callers:
    """One customer at both gateways, all the time."""

    def __init__(self, world, key, sessions):
        self.world = world
        self.headers = {"authorization": f"Bearer {key}"}
        self.sessions = sessions
        self.asked: list[Asked] = []
        self.looks: list[Asked] = []
        self.is_over = False

    async def ask(self, one):
        """Send *one* (again)."""
        path, body = BODIES[one.kind]
        url = f"{self.world.members[one.gateway].url}{path}"
        headers = {**self.headers, "idempotency-key": one.key}
        one.at = time.monotonic()
        try:
            method = "POST" if body else "GET"
            async with self.sessions[one.gateway].request(
                method, url, json=body, headers=headers
            ) as answer:
                found = json.loads(await answer.read())
                one.status, one.retry_after = answer.status, answer.headers.get("retry-after")
                one.generation = id_of(found.get("id") or answer.headers.get("x-reapi-generation"))
                one.code = (found.get("error") or {}).get("code") or ""
        except (aiohttp.ClientError, TimeoutError) as error:
            one.status, one.code = 0, type(error).__name__
        one.ended = time.monotonic()

    async def go_on(self, gateway, kind, records):
        """Ask at a steady pace, whatever becomes of it, until it is over."""
        async with asyncio.TaskGroup() as group:
            while not self.is_over:
                one = Asked(gateway, kind)
                records.append(one)
                group.create_task(self.ask(one))
                await asyncio.sleep(PAUSE_SECONDS)

    def start(self, group):
        """Requests of every kind at every gateway."""
        for gateway in self.world.members:
            group.create_task(self.go_on(gateway, "video", self.asked))
            group.create_task(self.go_on(gateway, "image", self.asked))
            group.create_task(self.go_on(gateway, "balance", self.looks))


def id_of(name):
    """The hexadecimal digits of a generation's name."""
    return (name or "").partition("_")[2]


BODIES = {
    "video": (
        "/api/v1/videos/generations",
        {
            "model": VIDEOS.name,
            "prompt": "a fox runs",
            "duration": SECONDS,
            "resolution": "480p",
            "generate_audio": False,
        },
    ),
    "image": (
        "/v1/images/generations",
        {"model": PICTURES.name, "prompt": "a fox", "response_format": "b64_json"},
    ),
    "balance": ("/api/v1/balance", None),
}


@pytest.fixture
def here():
    reason = why_not()
    if reason:
        pytest.skip(f"NOT PROVED: partitions between machines: {reason}")


@pytest.mark.parametrize("cut", CUTS, ids="-".join)
@pytest.mark.usefixtures("here")
async def test_a_partition_loses_nothing_and_is_over_soon_after_it_ends(cut, counts, figure):
    with scratch_folder() as folder:
        async with partitioned(folder, VIDEOS, PICTURES) as world:
            world.fleet.settings_of(VIDEOS.channels[0], queue_ms=0, run_ms=RUN_MS)
            for name in GATEWAYS:
                await world.start(name)
            account, key = await asyncio.to_thread(world.account, "a")
            async with (
                world.session("a", LONGEST_ANSWER) as at_a,
                world.session("b", LONGEST_ANSWER) as at_b,
            ):
                callers = Callers(world, key, {"a": at_a, "b": at_b})
                began, healed = await cut_off(world, callers, cut, counts.cut_seconds)
                apart = set(cut) - {DATABASE} if DATABASE in cut else set()
                tell(figure, "-".join(cut), apart, callers, began, healed)
                assert_honest(callers, apart, began, healed)
                await assert_nothing_is_lost(world, callers, account)
            for member in world.members.values():
                assert "Traceback" not in member.role.log
                assert member.role.events("Defect") == []


@pytest.mark.usefixtures("here")
async def test_a_bridge_that_is_cut_off_from_its_core_says_so(counts, figure):
    with scratch_folder() as folder:
        async with partitioned(folder, VIDEOS, PICTURES) as world:
            world.fleet.settings_of(VIDEOS.channels[0], queue_ms=0, run_ms=RUN_MS)
            await world.start_apart()
            account, key = await asyncio.to_thread(world.account, "a")
            async with world.session("a", LONGEST_ANSWER) as at_a:
                callers = Callers(world, key, {"a": at_a})
                began, healed = await cut_off(world, callers, ("a", "b"), counts.cut_seconds)
                tell(figure, "bridge", {"a"}, callers, began, healed)
                assert_honest(callers, {"a"}, began, healed)
                await assert_nothing_is_lost(world, callers, account)
            assert "Traceback" not in world.members["a"].role.log


async def cut_off(world, callers, cut, seconds):
    """Cut a link for *seconds* under traffic; when it was cut, and when healed."""
    async with asyncio.TaskGroup() as group:
        callers.start(group)
        await asyncio.sleep(BEFORE_SECONDS)
        began = time.monotonic()
        world.net.cut(*cut)
        await asyncio.sleep(seconds)
        world.net.heal(*cut)
        healed = time.monotonic()
        await asyncio.sleep(AFTER_SECONDS)
        callers.is_over = True
    return began, healed


def tell(figure, name, apart, callers, began, healed):
    """Report what callers saw; *apart* are the gateways that were cut off."""
    everything = callers.asked + callers.looks
    during = [one for one in everything if began <= one.at < healed]
    for where, is_cut in (("cut off", True), ("others", False)):
        took = [one.ended - one.at for one in during if (one.gateway in apart) is is_cut]
        if took:
            figure(f"{name}: s to an answer during it, {where}", took)
    late = [one.at - healed for one in everything if one.status != 200 and one.at >= healed]
    figure(f"{name}: s after it that a request still failed", [max([0.0, *late])])
    seen = Counter((one.gateway, one.kind, one.status, one.code) for one in everything)
    print(f"\n{name}:", *sorted(seen.items()), sep="\n  ")


def assert_honest(callers, apart, began, healed):
    """Nobody heard a wrong reason; only those cut off heard any, and not for long after it."""
    for one in callers.asked + callers.looks:
        assert one.status in {200, 503}, one
        if one.status == 503:
            assert one.gateway in apart, one
            assert one.code in EXPLAINED, one
            assert one.retry_after or one.code == "request_not_retained", one
            assert one.at < healed + RECOVERY_SECONDS, one
        if one.at < began - 1 or one.at >= healed + RECOVERY_SECONDS:
            assert one.status == 200, one
        if one.gateway not in apart:
            assert one.ended - one.at < OTHERS_SECONDS, one
    looks = [one for one in callers.looks if one.gateway in apart and began <= one.at < healed]
    assert percentile([one.ended - one.at for one in looks] or [0.0], 99) <= REFUSAL_SECONDS


async def assert_nothing_is_lost(world, callers, account):
    """What was refused succeeds when it is sent again; each is charged once."""
    again = [one for one in callers.asked if one.status != 200]
    promised = {one.generation for one in callers.asked if one.status == 200}
    await asyncio.gather(*[callers.ask(one) for one in again])
    sql = "SELECT coalesce(reason, ''), count(*) FROM generation GROUP BY 1"
    with world.database() as connection:
        async with asyncio.timeout(REST_SECONDS):
            while books.unfinished(connection):
                await asyncio.sleep(0.25)
        books.assert_right(connection)
        states = books.states(connection, account)
        charged = books.charged(connection, account)
        reasons = dict(books.rows(connection, sql))
    seen = Counter((one.status, one.code) for one in again)
    print("sent again:", dict(seen), "states:", states, "reasons:", reasons)
    assert set(seen) <= {(200, ""), (503, "request_not_retained")}
    assert set(states) <= {"succeeded", "failed"}
    assert set(reasons) <= {"", "REQUEST_NOT_RETAINED"}
    assert len(charged) == states["succeeded"]
    assert promised <= set(charged), "what a caller was promised is there"
    succeeded = [one for one in callers.asked if one.status == 200]
    assert len({one.generation for one in succeeded}) == len(succeeded), "a key, a generation"
