"""Every provider's dialect, a real bucket and real receivers: nothing of a request comes to rest.

The providers repeat what they hear in every answer, and so do the receivers of webhooks.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from core.catalog.entries import ParameterType
from core.catalog.loader import embedded_channels
from core.model import Role
from gateway.proof.canaries import Canaries
from gateway.proof.requests import Maker
from tests import books
from tests.fix_gateway import running
from tests.fix_s3 import environment_of
from tests.privacy import tainted_channels as channels
from tests.privacy.echoing import echoing_receiver
from tests.privacy.parrot import GOOD, WAYS, parrot
from tests.privacy.sinks import Watcher, search, search_bucket, search_simulator

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]

AT_ONCE = 24
PATIENCE = 60
POLL_SECONDS = 0.1
JOB_FAILS = {"kind": "job_fails"}
_STATUSES = {
    "STATE_SUCCEEDED": "completed",
    "STATE_FAILED": "failed",
    "STATE_CANCELLED": "failed",
}


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
        """Wait for the end of a task, or until nobody knows what became of it; look at it all."""
        headers, generation = self.gateway.headers(self.key), f"/api/v1/generations/{id_}"
        async with asyncio.timeout(PATIENCE):
            while (await self.standing(client, name, generation)) == "processing":
                await asyncio.sleep(POLL_SECONDS)
        task = f"/api/v1/tasks/{id_}"
        for path in (task, f"{task}/trace", f"{generation}:explain"):
            answer = await client.get(path, headers=headers)
            self.compare(f"{name} {path}", answer)
        if self.statuses[name] == "unknown":
            return
        self.names.append(generation)
        answer = await client.get(f"{generation}:watch", headers=headers)
        self.compare(f"{name}, watched", answer)
        task = (await client.get(f"/api/v1/tasks/{id_}", headers=headers)).json()
        for urls in (task["output"] or {}).values():
            self.compare(f"{name}, output", await client.get(urls[0]))

    async def standing(self, client, name, generation):
        answer = await client.get(generation, headers=self.gateway.headers(self.key))
        self.compare(name, answer)
        found = answer.json()["generation"]
        status = _STATUSES.get(found["state"], "processing")
        if status == "processing" and "fate_unknown_since" in found:
            status = "unknown"
        self.statuses[name] = status
        return status

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
            while books.running(connection) or len(receiver.asked) < 3:
                await asyncio.sleep(POLL_SECONDS)


async def hear_everything(customer, wishes, receiver):
    """Success on every dialect, then every failure of one channel of each."""
    gateway, maker = customer.gateway, customer.maker
    first = channels.first_of_each(wishes)
    await receiver.register(customer)
    await customer.ask(channels.tasks(maker, GOOD, wishes), tasks=True)
    failing = [request for way in WAYS[1:] for request in channels.tasks(maker, way, first)]
    await customer.ask(failing, tasks=True)
    for way in (GOOD, "bad", "broken", "garbled"):
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
            bird.channels = places(simulated)
            gateway.settings(image="tiny", queue_ms=0, run_ms=0)
            customer = Customer(gateway, canaries)
            with Watcher(gateway, temporary, canaries) as watcher:
                await hear_everything(customer, wishes, receiver)
                await at_rest(gateway, receiver)
            after = looked_up(bird)
            findings = await search(gateway, temporary, canaries)
            findings += search_bucket(bucket, canaries)
            findings += search_simulator(simulated, canaries)
            log = gateway.log

    assert summary(findings) == []
    assert summary(watcher.findings) == []
    assert watcher.looks > 10
    assert customer.strangers == {}
    assert receiver.asked == {"ok", "fails", "moves"}
    messages = [head + body for head, body in receiver.received]
    assert set().union(*map(canaries.found_in, messages)) == set()
    assert_everything_was_heard(wishes, customer, bird)
    assert_links_lasted_as_long_as_their_jobs(bird, after)
    assert '"Defect"' not in log
    assert "Traceback" not in log


def places(simulated):
    """Where the simulator serves each channel."""
    listed = httpx.get(f"{simulated}/_channels").json()["channels"]
    return {item["name"]: item["base_url"] for item in listed}


def looked_up(bird):
    """What the links to files answer now that the jobs which they were for have ended."""
    given = [given for given in bird.given if given.place.startswith(GOOD)]
    return {httpx.get(each.url).status_code for each in given}


def summary(findings):
    """What was found in which kind of place, once each."""
    return sorted({(item.field, item.sink) for item in findings})


def assert_everything_was_heard(wishes, customer, bird):
    """Each dialect served each of its requests, and the provider was told every canary of it."""
    heard = customer.canaries.where(set().union(*bird.heard.values()))
    for wish in wishes:
        name = channels.name_of(GOOD, wish)
        assert customer.statuses[name] == "completed", name
        planted = [f"input:{role}" for role in channels.roles(wish)] + channels.texts(wish)
        assert {f"{name}: {where}" for where in planted} <= heard, name
    asked = {wish.channel.dialect for wish in wishes}
    assert asked == set(embedded_channels().values())
    for way in WAYS[1:]:
        for wish in channels.first_of_each(wishes):
            status = customer.statuses[channels.name_of(way, wish)]
            assert status in {"failed", "unknown"}, f"{way}: {wish.channel.dialect}"
            if "prompt" in wish.model.parameters:  # a file alone is sent later than refused
                assert bird.heard[f"{way}/{wish.channel.name}"], f"{way}: {wish.channel.dialect}"
    jobs = [status for name, status in customer.statuses.items() if name.startswith("job fails")]
    assert jobs.count("failed") > 10
    assert customer.statuses["deleted"] == 200


def assert_links_lasted_as_long_as_their_jobs(bird, after):
    """Providers that take links only had the files, and nobody else may keep them."""
    assert bird.given
    for given in bird.given:
        assert given.status == 200
        assert bird.canaries.words_in(given.data)
        assert given.headers["cache-control"] == "no-store"
    assert after == {404}


def test_every_word_and_file_that_a_model_takes_is_asked_for():
    catalogue = channels.known()
    wishes = channels.chosen(catalogue)
    texts = {(model.id, name) for model in catalogue for name in _texts(model)}
    files = {role for model in catalogue for role in model.inputs}
    words = {name for wish in wishes for name in channels.texts(wish)}

    assert words == {name for _, name in texts}
    assert {role for wish in wishes for role in channels.roles(wish)} == files
    assert files == set(Role)


def _texts(model):
    return [name for name, item in model.parameters.items() if item.type is ParameterType.TEXT]


def test_the_search_looks_at_what_is_said_about_objects(bucket, canaries):
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=bucket.endpoint,
        region_name=bucket.region,
        aws_access_key_id=bucket.access_key_id,
        aws_secret_access_key=bucket.secret_access_key,
    )
    with closing(client):
        word = {name: canaries.plant(name) for name in ("key", "metadata", "type", "tag", "bytes")}
        client.put_object(
            Bucket=bucket.name,
            Key=f"{bucket.prefix}{word['key']}",
            Body=word["bytes"].encode(),
            Metadata={"prompt": word["metadata"]},
            ContentType=f"image/png; note={word['type']}",
            Tagging=f"prompt={word['tag']}",
        )
    findings = search_bucket(bucket, canaries)

    assert {item.field for item in findings} == set(word)
