"""Nothing of what callers send is ever kept: looked for in every place where it could be.

One run at log level debug plants a canary in every content field of every route, on success,
on every error, on a lost caller and on kill -9. Its twin leaks on purpose, into every sink.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.proof import contract, routes
from gateway.proof.canaries import Canaries
from gateway.proof.processes import shows_its_files
from gateway.proof.requests import GENERATIONS, Maker
from gateway.proof.walker import KEPT
from tests import books
from tests.fix_fleet import CREDENTIAL, FAULTS, Spec, channel_toml, running_upstreams
from tests.fix_gateway import ROOT, running
from tests.fix_s3 import environment_of
from tests.privacy import (
    tainted_jobs,
    tainted_rest,
    tainted_speech,
    tainted_webhooks,
)
from tests.privacy.echoing import WAYS, echoing_receiver, echoing_upstream
from tests.privacy.leaky_gateway import LEAKS
from tests.privacy.sinks import Watcher, is_typed_by_its_owner, search, search_bucket
from tests.privacy.tainted_run import Run
from tests.traffic import traffic
from tests.travelling import travelling

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]

ADOPTION_SECONDS = 20
DEFECTIVE = (str(ROOT / "tests" / "privacy" / "leaky_gateway.py"),)
NAMES = {"account name", *KEPT}
"""What operators and owners of keys call them."""
BREAKS = {**FAULTS, "cut": {"kind": "cut", "after": 1}}


def overlay(folder, upstreams, echo):
    """A model for each way to fail: the upstreams of the simulator, and those that echo."""
    models = [Spec(f"fails-{name}", (f"fails-{name}",)) for name in BREAKS]
    text = [model.toml(upstreams.base_urls) for model in models]
    for name in WAYS:
        spec = Spec(f"echo-{name}", ("unused",))
        head, _, _ = spec.toml({"unused": ""}).partition("[channels.")
        text.append(head + channel_toml(f"echo-{name}", f"echo-{name}", f"{echo}/{name}", 0))
    file = folder / "overlay.toml"
    file.write_text("\n".join(text))
    return str(file)


async def everything(run, upstreams):
    """Success, every error path, lost callers; REST and gRPC."""
    for name, fault in BREAKS.items():
        upstreams.fault(f"fails-{name}", **fault)
    failures = {f"fails {name}": f"fails-{name}" for name in BREAKS}
    failures |= {f"echo {name}": f"echo-{name}" for name in WAYS}
    await run.send(tainted_rest.good(run.maker))
    await run.send(tainted_rest.upstream_failures(run.maker, failures))
    await run.send(tainted_rest.refused(run.maker))
    await run.send(tainted_jobs.good(run.maker))
    await run.send(tainted_jobs.refused(run.maker))
    await run.send(tainted_speech.good(run.maker))
    await run.send(tainted_speech.refused(run.maker))
    await run.send(tainted_webhooks.good(run.maker))
    await run.send(tainted_webhooks.refused(run.maker))
    await run.send(tainted_rest.transcoded(run.maker))
    async with travelling(run.gateway, "rest") as journey:
        run.session = (await journey.arrive()).caller.credential
    await run.send(routes.asked(run.maker))
    await run.send(routes.asked(Maker(run.canaries, run.session), ", by a person"))
    await run.send(routes.asked(Maker(run.canaries, ""), ", by a cookie"))
    await run.send(routes.fields(run.maker))
    await run.send(tainted_rest.keyless(run.maker))
    await run.send(tainted_rest.good(run.poor))
    await run.send_raw()
    await run.call_grpc()
    run.gateway.settings(latency_ms=400)
    goods = (tainted_rest.good, tainted_jobs.good, tainted_speech.good)
    await run.abandon([request for good in goods for request in good(run.maker)])
    run.gateway.settings(latency_ms=0)


async def killed_in_flight(run):
    """Ask for what takes long, and pull the plug."""
    run.gateway.settings(latency_ms=5_000)
    asked = [
        asyncio.create_task(run.send([request]))
        for request in list(tainted_rest.good(run.maker))[:7]
    ]
    async with asyncio.timeout(10):
        while run.gateway.balance(run.key)["held"] == "0":
            await asyncio.sleep(0.05)
    run.gateway.kill()
    await asyncio.gather(*asked, return_exceptions=True)


async def at_rest(gateway):
    """Wait until everything has ended, what the killed process left behind included."""
    with gateway.database() as connection:
        connection.autocommit = True
        async with asyncio.timeout(ADOPTION_SECONDS):
            while books.unfinished(connection):
                await asyncio.sleep(0.1)


def admin_requests(gateway, canaries):
    """An account named by a canary: the one place where it may stand is the column for names."""
    name = canaries.plant("account name")
    admin = httpx.Client(
        base_url=gateway.rest, headers=gateway.headers(gateway.demo["admin_token"]), timeout=20
    )
    with admin as client:
        made = client.post("/api/v1/admin/accounts", json={"name": name}).json()
        for fields in (
            {"credits": "5", "request_id": canaries.plant("grant request_id")},
            {"credits": canaries.plant("grant credits"), "request_id": "x"},
        ):
            client.post(f"/api/v1/admin/accounts/{made['id']}:grant", json=fields)
        client.post(f"/api/v1/admin/accounts/{canaries.plant('account id')}:grant", json={})
    canaries.guard("an API key", made["api_key"].split("_")[3])


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def temporary(tmp_path):
    """The gateway's own folder for temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


@pytest.fixture
def upstreams() -> Iterator:
    yield from running_upstreams([f"fails-{name}" for name in BREAKS])


async def test_nothing_that_callers_sent_is_found_anywhere(
    tmp_path, temporary, canaries, upstreams
):
    async with echoing_upstream() as echo:
        environment = {
            "REAPI_CATALOGUE": overlay(tmp_path, upstreams, echo),
            "REAPI_LOG_LEVEL": "debug",
            "FLEET_KEY": CREDENTIAL,
            "TMPDIR": str(temporary),
        }
        with running(tmp_path / "home", **environment) as gateway:
            await killed_in_flight(Run(gateway, canaries))
        with running(tmp_path / "home", **environment) as gateway:
            run = Run(gateway, canaries)
            canaries.guard("the key of the run", run.key.split("_")[3])
            with Watcher(gateway, temporary, canaries) as watcher:
                admin_requests(gateway, canaries)
                await everything(run, upstreams)
                await at_rest(gateway)
            findings = await search(gateway, temporary, canaries)
            log = gateway.log

    names = [item for item in findings if item.field in NAMES]
    assert {item.field for item in names} == NAMES, "the search finds them"
    assert [item for item in names if not is_typed_by_its_owner(item)] == []
    assert summary(item for item in findings if item not in names) == []
    assert summary(watcher.findings) == []
    assert watcher.looks > 10
    assert run.strangers == {}
    assert_every_path_was_taken(run)
    assert '"Defect"' not in log
    assert "Traceback" not in log


def summary(findings):
    """What was found in which kind of place, once each."""
    return sorted({(item.field, item.sink) for item in findings})


def assert_every_path_was_taken(run):
    """The requests did what their names say: else the search proved nothing."""
    statuses = run.statuses
    assert {statuses[name] for name in ("generate a url", "edit json")} == {429}  # the poor one's
    assert statuses["models"] == statuses["balance"] == statuses["list"] == 200
    assert statuses["transcoded"] == 200
    assert statuses["transcoded extra"] == 400
    assert statuses["unknown generation"] == 404
    assert statuses["fails 500"] >= 500
    assert statuses["fails no-image, edit"] >= 500
    assert statuses["echo bad-request"] == 400
    assert statuses["echo refused, edit"] == 400
    assert statuses["moderation_blocked"] == 400
    assert statuses["unknown field"] == 400
    assert statuses["cut form"] == 400
    assert statuses["unknown path"] == 404
    assert statuses["wrong key"] == statuses["basic"] == 401
    assert statuses["transcoded link"] == statuses["transcoded scheme"] == 400
    jobs = ("task", "video", "video form", "video task", "video task, references", "videos")
    assert {statuses[name] for name in jobs} == {200}
    assert {statuses[name] for name in ("speech", "speech, events", "speech, task")} == {200}
    assert {statuses[name] for name in ("callback", *tainted_webhooks.GOOD)} == {200}
    assert {statuses[name] for name in tainted_webhooks.WRONG} == {400}
    wrong = {name: status for name, status in statuses.items() if name.startswith("wrong ")}
    assert {wrong[name] for name in wrong if " of " in name} == {400}
    assert statuses["lost video"] == statuses["lost content"] == statuses["lost task"] == 404
    assert run.called == contract.every_text()
    assert "GenerationService.Generate: start.spec.parameters.inputs.inline" in run.called
    assert {name for name in statuses if name.startswith("route ")} == {
        f"route {method} {template}{who}"
        for method, template in routes.routes()
        for who in ("", ", by a person", ", by a cookie")
    }
    assert run.outcomes.keys() >= {"OK", "DEADLINE_EXCEEDED", "left"}
    assert run.outcomes.keys() >= {"INVALID_ARGUMENT", "NOT_FOUND", "UNAUTHENTICATED"}
    assert statuses[f"field prompt of {GENERATIONS}"] == 200
    assert run.served > 5


async def told(run, receiver):
    """What a webhook and the receipt of a deletion say of a generation."""
    (_, body), *_ = await receiver.wait()
    run.compare("a webhook", body, set())
    id_ = json.loads(body)["data"]["id"]
    headers = run.gateway.headers(run.key)
    async with httpx.AsyncClient(base_url=run.gateway.rest, timeout=20) as client:
        answer = await client.delete(f"/api/v1/generations/{id_}", headers=headers)
    receipt = base64.b64decode(answer.json()["receipt"]["signed_payload"])
    run.compare("a receipt", receipt, set())


async def test_every_leak_is_found(tmp_path, temporary, canaries, bucket):
    environment = {
        "TMPDIR": str(temporary),
        "DEFECTS": "leaks",
        "REAPI_WEBHOOK_NETWORKS": "127.0.0.0/8",
        **environment_of(bucket),
    }
    async with echoing_receiver(canaries) as receiver:
        with running(tmp_path / "home", DEFECTIVE, **environment) as gateway:
            run = Run(gateway, canaries)
            await receiver.register(run)
            word = canaries.plant("prompt")
            with Watcher(gateway, temporary, canaries) as watcher:
                for prompt in (word, "tell me"):
                    async with traffic(gateway.rest, run.key) as client:
                        reply = await client.generate(prompt=prompt)
                    run.compare(prompt, json.dumps(reply.body).encode(), set())
                await told(run, receiver)
            findings = await search(gateway, temporary, canaries)
            findings += search_bucket(bucket, canaries)
            visible = shows_its_files(gateway.process.pid)
            log = gateway.log

    fleeting = {"open file", "tmp"} if visible else {"tmp"}
    assert {item.sink for item in findings} == fleeting | {
        "log",
        "home",
        "command line",
        "environment",
        "row",
        "database",
        "server log",
        "metrics",
        "object's metadata",
    }
    assert len(LEAKS) == 16
    logs = {item.place for item in findings if item.sink == "log"}
    assert logs == {"stderr.log", "stdout.log"}  # as it is, and as base64
    events = [line for line in log.splitlines() if '"CatalogueRefused"' in line]
    assert canaries.found_in("".join(events).encode()) == {"prompt"}
    rows = {item.place for item in findings if item.sink == "row"}
    assert rows == {"audit_log.target", "procrastinate_jobs.args", "webhook_endpoint.display_name"}
    objects = {Path(item.place).stem for item in findings if item.sink == "object's metadata"}
    assert objects == {word, "named", "typed"}
    assert {item.sink for item in watcher.findings} == fleeting
    assert run.strangers == {name: {"prompt"} for name in ("tell me", "a webhook", "a receipt")}
    assert "Traceback" not in log


async def test_what_breaks_with_content_in_its_mouth_does_not_say_it(tmp_path, temporary, canaries):
    environment = {"TMPDIR": str(temporary), "DEFECTS": "raises", "REAPI_LOG_LEVEL": "debug"}
    with running(tmp_path / "home", DEFECTIVE, **environment) as gateway:
        _, key = gateway.account("100")
        async with traffic(gateway.rest, key) as client:
            reply = await client.generate(prompt=canaries.plant("prompt"))
        log = gateway.log
        findings = await search(gateway, temporary, canaries)
        assert gateway.balance(key) == {"credits": "100", "held": "0"}
        assert gateway.stop() == 0

    assert (reply.status, reply.code) == (500, "internal_error")
    assert canaries.words_in(json.dumps(reply.body).encode()) == set()
    assert "LookupError" in log  # the type and where it happened are told
    assert "some.library" in log
    assert summary(findings) == []
    assert canaries.found_in((gateway.home / "stderr.log").read_bytes()) == set()


def test_the_search_sees_through_the_usual_encodings(canaries):
    word = canaries.plant("prompt")
    surrounded = f"a {word} b"
    for data in (
        surrounded.encode(),
        surrounded.encode("utf-16"),
        surrounded.encode().hex().encode(),
        *(base64.b64encode(("x" * n + surrounded).encode()) for n in range(3)),
    ):
        assert canaries.found_in(data)
    assert canaries.found_in(b"nothing of it") == set()
