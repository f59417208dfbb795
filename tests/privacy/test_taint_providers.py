"""Every provider's dialect, a real bucket and real receivers: nothing of a request comes to rest.

The providers repeat what they hear in every answer, and so do the receivers of webhooks.
"""

import asyncio
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests import books
from tests.fix_gateway import running
from tests.fix_s3 import environment_of
from tests.privacy import tainted_channels as channels
from tests.privacy.canaries import Canaries
from tests.privacy.echoing import echoing_receiver
from tests.privacy.parrot import GOOD, STATUSES, WAYS, parrot
from tests.privacy.sinks import Watcher, search, search_bucket, search_simulator
from tests.privacy.tainted_rest import Maker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

AT_ONCE = 24
PATIENCE = 60
POLL_SECONDS = 0.1
JOB_FAILS = {"kind": "job_fails"}


class Customer:
    """An account, what it was answered, and where a canary stood that has no business there."""

    def __init__(self, gateway, canaries):
        self.gateway = gateway
        self.canaries = canaries
        self.account, self.key = gateway.account("10000000")
        self.maker = Maker(canaries, self.key)
        self.statuses = {}
        """What became of each request: the status of the task, or of HTTP."""
        self.strangers = {}
        self.names = []

    async def ask(self, requests, *, tasks):
        """Make the requests; what tasks say later must be free of everything that was sent."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(client, request):
            async with gate:
                answer = await client.request(
                    request.method, request.path, headers=request.headers, content=request.content
                )
                self.compare(request.name, answer, request.own)
                self.statuses[request.name] = answer.status_code
                if tasks and answer.status_code == 200:
                    await self.follow(client, request.name, answer.json()["id"])

        async with httpx.AsyncClient(base_url=self.gateway.rest, timeout=PATIENCE) as client:
            await asyncio.gather(*(one(client, request) for request in requests))

    async def follow(self, client, name, id_):
        headers, status = self.gateway.headers(self.key), "processing"
        import time
        t=time.monotonic()
        while status == "processing" and time.monotonic() < t+25:
                await asyncio.sleep(POLL_SECONDS)
                answer = await client.get(f"/api/v1/tasks/{id_}", headers=headers)
                status = answer.json()["status"]
        self.times = getattr(self,"times",{}); self.times[name]=round(time.monotonic()-t,1)
        if status == "failed": status += " " + answer.json()["error"]["code"]
        self.compare(name, answer)
        self.statuses[name] = status
        generation = f"/api/v1/generations/{id_}"
        for path in (generation, f"{generation}:explain", f"{generation}:watch"):
            self.compare(f"{name} {path}", await client.get(path, headers=headers))
        for urls in (answer.json()["output"] or {}).values():
            self.compare(f"{name}, output", await client.get(urls[0]))
        self.names.append(generation)

    def compare(self, name, answer, own=frozenset()):
        head = repr(answer.headers.raw).encode()
        words = self.canaries.words_in(head + answer.content) - own
        if words:
            self.strangers[name] = self.canaries.where(words)

    async def delete(self, count):
        """Delete some generations: the receipts say nothing of them either."""
        async with httpx.AsyncClient(base_url=self.gateway.rest, timeout=PATIENCE) as client:
            for name in self.names[:count]:
                answer = await client.delete(name, headers=self.gateway.headers(self.key))
                self.compare(f"deleted {name}", answer)
                self.statuses["deleted"] = answer.status_code


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def temporary(tmp_path) -> Iterator:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


async def at_rest(gateway, receiver):
    """Wait until everything has ended, and told its receivers."""
    with gateway.database() as connection:
        connection.autocommit = True
        async with asyncio.timeout(PATIENCE):
            while books.unfinished(connection) or len(receiver.asked) < 3:
                await asyncio.sleep(POLL_SECONDS)


async def hear_everything(customer, wishes, receiver):
    """Success on every dialect, then every failure of one channel of each."""
    gateway, maker = customer.gateway, customer.maker
    first = channels.first_of_each(wishes)
    await receiver.register(customer)
    await customer.ask(channels.tasks(maker, GOOD, wishes), tasks=True)
    failing = [request for way in WAYS[1:] for request in channels.tasks(maker, way, first)]
    await customer.ask(failing, tasks=True)
    for way in WAYS:
        await customer.ask(channels.live(maker, way, first), tasks=False)
    for wish in first:
        gateway.fault(wish.channel.name, **JOB_FAILS)
    await customer.ask(channels.tasks(maker, GOOD, first, "job fails "), tasks=True)
    gateway.heal()
    await customer.delete(20)


async def test_no_provider_bucket_or_receiver_makes_a_request_stay(
    tmp_path, temporary, canaries, bucket
):
    wishes = channels.chosen(channels.known())
    async with parrot(canaries) as bird, echoing_receiver(canaries) as receiver:
        overlay = tmp_path / "overlay.toml"
        overlay.write_text(channels.overlay(bird.url, wishes))
        environment = {
            "REAPI_CATALOGUE": str(overlay),
            "REAPI_LOG_LEVEL": "debug",
            "REAPI_WEBHOOK_NETWORKS": "127.0.0.0/8",
            "TMPDIR": str(temporary),
            **environment_of(bucket),
        }
        with running(tmp_path / "home", **environment) as gateway:
            simulated = gateway.demo["simulator_url"]
            listed = httpx.get(f"{simulated}/_channels").json()["channels"]
            bird.channels = {item["name"]: item["base_url"] for item in listed}
            gateway.settings(image="tiny", queue_ms=0, run_ms=0)
            customer = Customer(gateway, canaries)
            with Watcher(gateway, temporary, canaries) as watcher:
              try:
                await hear_everything(customer, wishes, receiver)
                await at_rest(gateway, receiver)
              finally:
                import json
                json.dump((customer.statuses,customer.times), open("/tmp/taint_statuses.json", "w"), indent=1)
                open("/tmp/taint.log","w").write(gateway.log)
            findings = search(gateway, temporary, canaries)
            findings += search_bucket(bucket, canaries)
            findings += search_simulator(simulated, canaries)
            log = gateway.log
    import json, time
    json.dump(customer.statuses, open("/tmp/taint_statuses.json", "w"), indent=1)
    print({(f.field, f.sink, f.place) for f in findings})
    print(customer.strangers)
