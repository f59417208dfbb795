"""kill -9 and SIGTERM in the middle of work: afterwards every generation has ended, once."""

import asyncio
import random
import sys
import time
from collections import Counter

import pytest

from gateway.proof.processes import descendants
from tests import books
from tests.fix_gateway import Gateway, start
from tests.patience import wait_until
from tests.processes import is_alive
from tests.traffic import traffic

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]

PRICE_MICROS = 7_000
ADOPTION_SECONDS = 15
STOP_SECONDS = 10
LATENCIES_MS = {"openai-a": 150, "openai-b": 600, "openai-c": 1_500}


class Home:
    """A state folder and the gateway that runs on it, one after another."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.chance = random.Random(seed)
        self.gateway: Gateway | None = None
        self.seen: set[int] = set()
        """Every process that was started for it."""

    def start(self):
        self.gateway = start(self.folder)
        self.seen = {self.gateway.process.pid, *descendants(self.gateway.process.pid)}
        self.gateway.settings(image="tiny")
        for channel, latency in LATENCIES_MS.items():
            self.gateway.settings_of(channel, latency_ms=latency)
        return self.gateway

    def still_alive(self):
        return {pid for pid in self.seen if is_alive(pid)}


@pytest.fixture
def home(tmp_path):
    """A state folder; whatever runs on it is killed in the end."""
    home = Home(tmp_path / "home", seed=2)
    yield home
    if home.gateway is not None and home.gateway.process.poll() is None:
        home.gateway.kill()


async def killed_in_flight(home, key, count):
    """Start *count* generations on channels of all kinds, and pull the plug; what callers saw."""
    gateway = home.gateway
    async with traffic(gateway.rest, key) as client:
        routes = [f"only={channel}" for channel in LATENCIES_MS]
        asked = [
            asyncio.create_task(client.generate(headers={"x-reapi-routing": routes[i % 3]}))
            for i in range(count)
        ]
        await asyncio.sleep(home.chance.uniform(0.05, 1.2))  # the random point: no event to await
        gateway.kill()
        replies = await asyncio.gather(*asked)
    async with asyncio.timeout(STOP_SECONDS):  # PostgreSQL and the simulator end by themselves
        while home.still_alive():
            await asyncio.sleep(0.02)
    return replies


def settled_within(gateway, seconds):
    """Wait until every generation has ended; seconds that took."""
    with gateway.database() as connection:
        connection.autocommit = True
        return wait_until(
            lambda: not books.unfinished(connection) and not books.open_holds(connection),
            seconds,
            lambda: f"{books.unfinished(connection)} generations have not ended",
        )


def assert_charged_exactly_once(gateway, account_id, replies):
    """Every image that a caller saw was charged once, and no generation twice."""
    seen = [reply.generation for reply in replies if reply.status == 200]
    with gateway.database() as connection:
        books.assert_right(connection)
        charged = books.charged(connection, account_id)
        states = books.states(connection, account_id)
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(charged), "an image was delivered and not charged"
    assert set(charged.values()) <= {PRICE_MICROS}
    assert states.get("succeeded", 0) == len(charged)
    assert set(states) <= {"succeeded", "failed"}
    return states


async def one_round(home, count, figure):
    gateway = home.start()
    account_id, key = gateway.account(str(count * 7))
    replies = await killed_in_flight(home, key, count)
    assert 0 in {reply.status for reply in replies} <= {0, 200}
    gateway = home.start()
    figure("s until all were ended after kill -9", [settled_within(gateway, ADOPTION_SECONDS)])
    states = assert_charged_exactly_once(gateway, account_id, replies)

    balance = gateway.balance(key)
    assert balance == {"credits": str(count * 7 - 7 * states.get("succeeded", 0)), "held": "0"}
    for reply in replies:
        assert reply.status == 0 or reply.has_images
    gateway.kill()
    return Counter(states)


async def test_nothing_is_lost_or_charged_twice_when_the_gateway_is_killed(home, figure):
    await one_round(home, 20, figure)


async def test_nothing_is_lost_or_charged_twice_over_many_kills(home, figure, counts):
    states = Counter()
    for _ in range(counts.rounds):
        states += await one_round(home, 100, figure)
    assert states["failed"] > 0  # killed in flight
    assert states["succeeded"] > 0  # killed after it, or about to answer
    assert "Traceback" not in home.gateway.log


async def test_sigterm_ends_everything_in_time_and_in_order(home, figure):
    gateway = home.start()
    account_id, key = gateway.account("1000")
    gateway.settings(latency_ms=1_500)
    gateway.settings_of("openai-c", latency_ms=30_000)
    async with traffic(gateway.rest, key) as client:
        short, long = (
            [
                asyncio.create_task(client.generate(headers={"x-reapi-routing": f"only={channel}"}))
                for _ in range(5)
            ]
            for channel in ("openai-a", "openai-c")
        )
        while gateway.balance(key)["held"] != "70":
            await asyncio.sleep(0.02)
        home.seen |= descendants(gateway.process.pid)
        begin = time.monotonic()
        gateway.process.terminate()
        code = await asyncio.to_thread(gateway.process.wait, STOP_SECONDS + 5)
        seconds = time.monotonic() - begin
        finished, cut_off = await asyncio.gather(asyncio.gather(*short), asyncio.gather(*long))

    figure("s until SIGTERM was obeyed with calls in flight", [seconds])
    assert code == 0
    assert seconds < STOP_SECONDS
    assert home.still_alive() == set()
    assert [reply.status for reply in finished] == [200] * 5
    assert all(reply.status != 200 for reply in cut_off)
    assert "Traceback" not in gateway.log
    assert '"Defect"' not in gateway.log

    gateway = home.start()
    settled_within(gateway, ADOPTION_SECONDS)
    states = assert_charged_exactly_once(gateway, account_id, finished)
    assert states == {"succeeded": 5, "failed": 5}
    async with traffic(gateway.rest, key) as client:
        assert (await client.generate()).status == 200
    assert gateway.stop() == 0
