"""`reapi privacy prove` against running demos: a good one, one that leaks, and none to be seen."""

import asyncio
import base64
import json
import os
import sys

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.proof.contract import every_text
from tests.fix_gateway import ROOT, running
from tests.fix_s3 import environment_of
from tests.travelling import travelling

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]

DEFECTIVE = (str(ROOT / "tests" / "privacy" / "leaky_gateway.py"),)
SECONDS = 300
NO_PROCESS = str((1 << 22) + 1)
"""A pid above the highest that Linux gives."""


@pytest.fixture
def temporary(tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


async def prove(gateway, temporary, *arguments, **environment):
    """Run the command as an operator would: exit code, what it printed, the file."""
    file = temporary.parent / "report.json"
    file.unlink(missing_ok=True)
    running_one = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "privacy", "prove", "--json", str(file), *arguments),
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "REAPI_HOME": str(gateway.home),
            "TMPDIR": str(temporary),
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await asyncio.wait_for(running_one.communicate(), SECONDS)
    report = json.loads(file.read_text()) if file.exists() else {}
    return running_one.returncode, out.decode() + error.decode(), report


def checked(gateway, report):
    """The report that was signed, with the keys that the gateway publishes (docs/privacy.md)."""
    keys = httpx.get(f"{gateway.rest}/api/v1/ledger_keys", timeout=20).json()["ledger_keys"]
    [found] = [key for key in keys if key["name"] == report["ledger_key"]]
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(found["public_key"]))
    signature, payload = (base64.b64decode(report[n]) for n in ("signature", "signed_payload"))
    key.verify(signature, payload)
    with pytest.raises(InvalidSignature):
        key.verify(signature, payload.replace(b'"findings":[]', b'"findings":[0]') + b" ")
    told = json.loads(payload)
    assert told == report["report"]
    return told


async def test_a_good_gateway_is_proved_to_a_key_a_person_and_its_operator(tmp_path, temporary):
    environment = {"TMPDIR": str(temporary), "REAPI_LOG_LEVEL": "debug"}
    with running(tmp_path / "home", **environment) as gateway:
        async with travelling(gateway, "rest") as journey:
            person = await journey.arrive(display_name="Ann")
            account = await person.ask("GetAccount")
            holder, _ = await person.key(mode="MODE_TEST")
            journey.run("UPDATE api_key SET requests_per_minute = 60000, concurrency = 100")
            credential = person.caller.credential
            code, said, report = await prove(
                gateway,
                temporary,
                *("--pid", str(gateway.process.pid), "--log", str(gateway.home / "stderr.log")),
                REAPI_API_KEY=holder.credential,
                REAPI_SESSION=credential,
                REAPI_ADMIN_TOKEN=gateway.demo["admin_token"],
            )
            assert code == 0, said
            told = checked(gateway, report)
            again = await journey.sign_in(person.email)
            profile = (await again.ask("GetProfile"))["profile"]
            renamed = (await again.ask("GetAccount"))["account"]
            keys = (await again.ask("ListApiKeys"))["api_keys"]
        assert gateway.stop() == 0

    assert told["findings"] == []
    assert told["fields"] == len(every_text())
    assert told["callers"] == ["key", "session", "operator"]
    assert told["calls"]["OK"] > 50
    assert told["requests"]["200"] > 30
    assert {
        *("row", "database file", "object's name", "log", "metrics", "home"),
        *("command line", "environment", "temporary file"),
    } <= told["searched"].keys()
    assert "contents of outputs" in told["not_searched"]
    assert "nothing was found" in said
    assert profile["display_name"] == "Ann", "names are put back"
    assert renamed["display_name"] == account["account"]["display_name"]
    assert {key.get("display_name", "") for key in keys if key["state"] == "STATE_ACTIVE"} == {""}
    assert credential not in said
    assert holder.credential not in said


async def test_a_gateway_that_leaks_is_caught_and_named(tmp_path, temporary, bucket):
    environment = {"TMPDIR": str(temporary), "DEFECTS": "leaks", **environment_of(bucket)}
    with running(tmp_path / "home", DEFECTIVE, **environment) as gateway:
        code, said, report = await prove(
            gateway,
            temporary,
            *("--yes", "--pid", str(gateway.process.pid)),
            *("--log", str(gateway.home / "stderr.log")),
            **environment_of(bucket),
        )
        told = checked(gateway, report)

    assert code == 1, said
    sinks = {item["sink"] for item in told["findings"]}
    assert sinks >= {"log", "row", "database file", "home", "metrics", "temporary file"}
    assert sinks >= {"command line", "environment", "object's name", "object's metadata"}
    assert "FOUND" in said


async def test_a_live_key_is_told_its_price_and_what_cannot_be_seen_proves_nothing(
    tmp_path, temporary
):
    with running(tmp_path / "home") as gateway:
        code, said, _ = await prove(gateway, temporary)
        assert code == 2
        assert "credits each" in said
        assert not any(gateway.calls().values())

        elsewhere = tmp_path / "elsewhere"
        code, said, report = await prove(
            gateway,
            temporary,
            *("--yes", "--pid", NO_PROCESS, "--key", gateway.key),
            *("--rest", gateway.rest, "--grpc", gateway.demo["grpc_address"]),
            REAPI_HOME=str(elsewhere),
        )
    assert code == 3, said
    assert "signature" not in report
    assert {"rows of the database", "log files"} <= report["report"]["not_searched"].keys()
