"""kill -9 at every named point where money moves: the books end right, and everything was once.

Each point kills a process of its own (tests/crashing.py) while it works for some callers; another
process lives on, takes over what is left, and hears of what Stripe has to say.
"""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from storage.embedded import EmbeddedPostgres
from tests import books
from tests.fix_fleet import Spec
from tests.fix_gateway import ROOT
from tests.fix_postgres import database, scratch_folder
from tests.job_fleet import (
    UNREACHABLE,
    JobFleet,
    Member,
    VideoModel,
    ready,
    running_job_fleet,
    videos_of,
)
from tests.patience import wait_until
from tests.prove_options import Counts

pytestmark = pytest.mark.prove

VIDEO = VideoModel("video-crashed", poll_seconds=0.5, job_seconds=300, sla_seconds=600)
IMAGE = Spec("image-crashed", ("image-crashed", "image-spare"))
STRIPE_KEY, WEBHOOK_SECRET = "sk_test_crashes", "whsec_crashes"
CALLERS = 6
SETTLED_SECONDS = 60
IMAGE_POINTS = ("after hold", "before mirror", "after mirror", "before settle", "after settle")
STREAM_POINTS = ("mid-stream",)
VIDEO_POINTS = (
    "accepted upstream, id not recorded",
    "id recorded",
    "after mirror of a hosted result",
)
WEBHOOK_POINTS = ("mid-webhook, before the commit", "mid-webhook, after the commit")
STRIPE_POINTS = ("mid-Stripe-call, before it", "mid-Stripe-call, after it")
CENTS = 1_000
MICROS = 10_000_000
"""What ten dollars buy."""


@dataclass
class World:
    """The processes, and one that lives on."""

    fleet: JobFleet
    survivor: Member

    def victims(self, points: tuple[str, ...]) -> dict[str, Member]:
        """A process for each point, all starting at the same time."""
        roles = {point: self.fleet.launch("tests.crashing", CRASH_AT=point) for point in points}
        return {point: ready(role) for point, role in roles.items()}

    def control(self, method: str, path: str, body: object = None) -> Any:
        """One of the levers of the simulated Stripe."""
        answer = self.fleet.upstreams.control.request(method, f"/_stripe{path}", json=body or {})
        answer.raise_for_status()
        return answer.json()

    def send_webhooks_to(self, member: Member) -> None:
        url = f"{member.url}/webhooks/stripe"
        self.control("PUT", "/webhook", {"url": url, "secrets": [WEBHOOK_SECRET], "hold": True})

    def assert_books_right(self) -> None:
        """At rest, of the ledger in itself, with the payments, and as anyone can verify it."""
        with self.fleet.database() as connection:
            wait_until(lambda: books.is_settled(connection), SETTLED_SECONDS)
            books.assert_right(connection)
            assert books.rows(connection, "SELECT * FROM payment_discrepancy") == []
        verified = subprocess.run(
            [sys.executable, "-m", "gateway", "verify-ledger", "--database"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **self.fleet.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with (
        scratch_folder() as folder,
        running_job_fleet(
            folder,
            database_url,
            [VIDEO],
            [IMAGE],
            STRIPE_KEY,
            REAPI_STRIPE_WEBHOOK_SECRET=WEBHOOK_SECRET,
            REAPI_PUBLIC_URL=UNREACHABLE,
        ) as fleet,
    ):
        fleet.upstreams.settings(image="tiny")
        world = World(fleet, fleet.start())
        yield world
        assert "Traceback" not in world.survivor.role.log


def is_dead(member: Member) -> bool:
    return member.role.process.poll() is not None


async def ask_for_images(member: Member, key: str, **fields: object) -> list[int]:
    """Some callers at once; the statuses of those who got an answer."""
    body = {"model": IMAGE.name, "prompt": "a lighthouse", **fields}
    headers = {"authorization": f"Bearer {key}"}
    statuses = []

    async def one(client: httpx.AsyncClient) -> None:
        with suppress(httpx.TransportError):
            answer = await client.post("/v1/images/generations", json=body, headers=headers)
            statuses.append(answer.status_code)

    async with httpx.AsyncClient(base_url=member.url, timeout=30) as client:
        await asyncio.gather(*(one(client) for _ in range(CALLERS)))
    return statuses


async def ask_for_videos(member: Member, key: str) -> None:
    """Some callers at once, who follow their jobs until the process dies."""
    async with videos_of(member, key) as videos:
        await videos.many(CALLERS, CALLERS, VIDEO.name)
        async with asyncio.timeout(30):
            while not is_dead(member):
                await asyncio.sleep(0.05)  # its end has no event to await


async def test_a_process_that_dies_at_any_point_of_a_generation_leaves_the_books_right(
    world: World, counts: Counts, figure: Any
) -> None:
    ended: Counter[str] = Counter()
    for _ in range(counts.rounds):
        victims = world.victims((*IMAGE_POINTS, *STREAM_POINTS, *VIDEO_POINTS))
        accounts = {point: world.fleet.account(world.survivor) for point in victims}
        asking = [ask_for_images(victims[name], accounts[name][1]) for name in IMAGE_POINTS]
        asking += [
            ask_for_images(victims[name], accounts[name][1], stream=True, partial_images=1)
            for name in STREAM_POINTS
        ]
        await asyncio.gather(
            *asking, *(ask_for_videos(victims[name], accounts[name][1]) for name in VIDEO_POINTS)
        )
        for point, victim in victims.items():
            wait_until(lambda: is_dead(victim), 10, lambda: f"nobody came to {point!r}")  # noqa: B023
            assert victim.role.process.returncode == -9, point
        world.assert_books_right()
        with world.fleet.database() as connection:
            for point, (account, _) in accounts.items():
                found = books.states(connection, account)
                assert found, point
                ended.update({f"{point}: {state}": count for state, count in found.items()})
                assert_each_made_once(world, connection, account)
    for name, count in sorted(ended.items()):
        figure(name, [count])
    assert not any(name.startswith("after hold: succeeded") for name in ended)
    assert ended["after settle: succeeded"] >= counts.rounds
    assert ended["id recorded: succeeded"] >= counts.rounds


def assert_each_made_once(world: World, connection: books.Connection, account: str) -> None:
    """Every job that was made is of an attempt of ours, and no attempt made two."""
    sql = "SELECT mark FROM attempt WHERE account_id = %s"
    marks = {mark for (mark,) in books.rows(connection, sql, UUID(account))}
    made = Counter(job.mark for job in world.fleet.jobs(*VIDEO.channels) if job.mark in marks)
    assert not made or max(made.values()) == 1


async def test_a_process_that_dies_in_a_webhook_of_stripe_credits_it_once(
    world: World, counts: Counts
) -> None:
    for _ in range(counts.rounds):
        for point, victim in world.victims(WEBHOOK_POINTS).items():
            account, key = world.fleet.account(world.survivor, "1")
            world.send_webhooks_to(victim)
            session = check_out(world.survivor, key, str(uuid4()))
            world.control("POST", f"/sessions/{stripe_session(world, account)}/pay", {})
            world.control("POST", "/drain", {"attempts": 1})
            wait_until(lambda: is_dead(victim), 10)  # noqa: B023
            world.send_webhooks_to(world.survivor)
            world.control("POST", "/drain")
            assert balance(world.survivor, key) == {"credits": "10001", "held": "0"}, point
            with client(world.survivor, key) as http:
                found = http.get(f"/api/v1/{session}").json()
            assert found["checkout_session"]["state"] == "STATE_PAID"
        world.assert_books_right()


async def test_a_process_that_dies_while_it_asks_stripe_opens_one_page(
    world: World, counts: Counts
) -> None:
    world.send_webhooks_to(world.survivor)
    for _ in range(counts.rounds):
        for point, victim in world.victims(STRIPE_POINTS).items():
            account, key = world.fleet.account(world.survivor, "1")
            request_id = str(uuid4())
            with pytest.raises(httpx.TransportError):
                check_out(victim, key, request_id)
            wait_until(lambda: is_dead(victim), 10)  # noqa: B023
            check_out(world.survivor, key, request_id)
            world.control("POST", f"/sessions/{stripe_session(world, account)}/pay", {})
            world.control("POST", "/drain")
            assert balance(world.survivor, key) == {"credits": "10001", "held": "0"}, point
        world.assert_books_right()


async def test_a_process_that_dies_in_a_migration_leaves_it_to_the_next_one(
    postgres_server: EmbeddedPostgres, world: World, counts: Counts
) -> None:
    for _ in range(counts.rounds):
        with contextmanager(database)(postgres_server, "template0") as url:
            dead = world.fleet.launch(
                "tests.crashing", CRASH_AT="mid-migration", REAPI_DATABASE_URL=url
            )
            assert dead.process.wait(30) == -9
            world.fleet.environment["REAPI_DATABASE_URL"], kept = (
                url,
                world.fleet.environment["REAPI_DATABASE_URL"],
            )
            member = world.fleet.start()
            account, key = world.fleet.account(member)
            assert account
            assert await ask_for_images(member, key) == [200] * CALLERS
            assert member.role.stop() == 0
            world.fleet.environment["REAPI_DATABASE_URL"] = kept


def client(member: Member, key: str) -> httpx.Client:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.Client(base_url=member.url, headers=headers, timeout=30)


def check_out(member: Member, key: str, request_id: str) -> str:
    """Ask for a page; the name of the checkout."""
    with client(member, key) as http:
        asked = {"amount_micros": str(MICROS), "request_id": request_id}
        answer = http.post("/api/v1/checkout_sessions", json=asked)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["checkout_session"]["name"])


def stripe_session(world: World, account: str) -> str:
    """The only page of an account, as Stripe has it."""
    sessions = world.control("GET", "/objects")["checkout.session"]
    (found,) = [
        each["id"] for each in sessions if UUID(each["metadata"]["reapi_account"]) == UUID(account)
    ]
    return str(found)


def balance(member: Member, key: str) -> dict[str, str]:
    with client(member, key) as http:
        found: dict[str, str] = http.get("/api/v1/balance").json()
    return found
