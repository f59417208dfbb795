"""A failover is explained afterwards, and can be replayed: whole processes, real rows."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.fix_gateway import ROOT

pytestmark = pytest.mark.prove

MODEL, FIRST, SECOND = "seedream-5.0-lite", "seedream-a", "seedream-b"
SECONDS = 20.0
CANARY = "a lighthouse called canary 4711"


@pytest.fixture
def gateway(fronted):
    """Through the gateway's own bridge and through remote ones."""
    return fronted


def generated(gateway, key: str) -> httpx.Headers:
    answer = httpx.post(
        f"{gateway.v1}/images/generations",
        json={"model": MODEL, "prompt": CANARY},
        headers=gateway.headers(key),
        timeout=SECONDS,
    )
    assert answer.status_code == 200, answer.text
    return answer.headers


def failed_over(gateway, key: str) -> str:
    """The id of an image that the second channel made."""
    gateway.fault(FIRST, kind="status", status=500, times=1)
    headers = generated(gateway, key)
    assert headers["x-reapi-channel"] == SECOND
    assert generated(gateway, key)["x-reapi-channel"] == FIRST  # one fault ejects nobody
    return headers["x-reapi-generation"]


def get(gateway, path: str, key: str) -> httpx.Response:
    headers = gateway.headers(key)
    return httpx.get(f"{gateway.rest}{path}", headers=headers, timeout=SECONDS)


def test_a_failover_is_explained_to_its_own_account_only(gateway) -> None:
    _, key = gateway.account("1000")
    id_ = failed_over(gateway, key)
    path = f"/api/v1/tasks/{id_}/trace"

    answer = get(gateway, path, key)
    trace = answer.json()

    first, second = trace["attempts"]
    assert (first["channel"], first["state"], first["fault"]) == (FIRST, "failed", "server_error")
    assert (first["code"], first["http_status"]) == ("upstream_error", 500)
    assert (second["channel"], second["state"], second["code"]) == (SECOND, "done", None)
    assert first["standing"] == second["standing"] == "healthy"
    assert first["candidates"] == second["candidates"] >= 2
    assert 0 <= first["started_ms"] <= first["ended_ms"] <= second["started_ms"]
    assert second["started_ms"] <= second["first_byte_ms"] <= second["ended_ms"]
    assert second["ended_ms"] <= trace["ended_ms"]
    assert trace["price"]["charged_credits"] == answer.headers["x-reapi-credits"]
    assert len(trace["price"]["catalogue_version"]) == 64
    assert CANARY not in answer.text
    same = get(gateway, f"/api/v1/generations/{id_}:explain", key).json()
    assert [item["channel"] for item in same["attempts"]] == [FIRST, SECOND]
    _, other = gateway.account()
    assert get(gateway, path, other).status_code == 404


def reapi(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "simulate", *arguments],
        cwd=ROOT,
        env={"REAPI_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_running_gateway_is_recorded_and_replayed(healthy_gateway, tmp_path) -> None:
    _, key = healthy_gateway.account("1000")
    id_ = failed_over(healthy_gateway, key)

    recorded = reapi(healthy_gateway.home, "record", "--since", "1h", "--demo")

    assert (recorded.returncode, recorded.stderr) == (0, "")
    assert CANARY not in recorded.stdout
    assert id_.removeprefix("gen_") not in recorded.stdout
    file = tmp_path / "trace.jsonl"
    file.write_text(recorded.stdout, "utf-8")
    replayed = reapi(healthy_gateway.home, "run", str(file), "--baseline")
    assert (replayed.returncode, replayed.stderr) == (0, "")
    lines = replayed.stdout.splitlines()
    assert lines[0].startswith("recorded trace: ")
    assert lines[1].startswith("as recorded: availability ")
    assert any(line.startswith(f"calls to {SECOND} ") for line in lines)
