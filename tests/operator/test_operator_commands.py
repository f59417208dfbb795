"""`reapi accounts`, `takedown`, `audit` and `abuse` against a running gateway."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fix_fleet import ROOT
from tests.patience import wait_until

pytestmark = pytest.mark.prove


@pytest.fixture
def reapi(gateway):
    def run(*arguments: str, told: str = "") -> Any:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            cwd=ROOT,
            env={**kept, "REAPI_HOME": str(gateway.home)},
            input=told,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def heard(done: Callable[[], bool]) -> None:
    """Processes hear of it within a second; the machine may be busy."""
    wait_until(done, 3)


def test_an_account_is_found_suspended_resumed_and_erased(gateway, reapi) -> None:
    id_, key = gateway.account()
    (found,) = json.loads(reapi("accounts", "list", key.split("_")[2], "--json").stdout)
    assert (found["id"], found["state"]) == (id_, "active")

    def status() -> int:
        url = f"{gateway.rest}/api/v1/balance"
        return httpx.get(url, headers=gateway.headers(key), timeout=20).status_code

    assert reapi("accounts", "suspend", id_, "--reason", "spam").stdout.startswith("suspended")
    heard(lambda: status() == 403)
    assert reapi("accounts", "resume", id_).stdout.startswith("resumed")
    heard(lambda: status() == 200)
    assert "--yes" in reapi("accounts", "erase", id_).stderr
    assert status() == 200
    erased = reapi("accounts", "erase", id_, "--yes")
    assert "rights_requests/" in erased.stdout, erased.stderr
    heard(lambda: status() in (401, 403))
    lines = reapi("audit", "--limit", "2").stdout.splitlines()
    assert "account.erase" in lines[1]
    assert id_ not in lines[1]


def test_an_output_is_taken_down_by_a_link_that_no_list_of_processes_shows(gateway, reapi) -> None:
    made = httpx.post(
        f"{gateway.v1}/images/generations",
        json={"model": "gpt-image-2", "prompt": "a cat", "response_format": "url"},
        headers=gateway.headers(),
        timeout=60,
    )
    uri = made.json()["data"][0]["url"]
    assert httpx.get(uri, timeout=20).status_code == 200

    done = reapi("takedown", "-", "--reason", "reported", told=f"{uri}\n")

    assert done.stdout.startswith("output 0 of generations/"), done.stderr
    assert httpx.get(uri, timeout=20).status_code == 404
    entry, *_ = json.loads(reapi("audit", "--action", "asset.take_down", "--json").stdout)
    assert (entry["reason"], entry["changes"]) == ("reported", {"output_index": "0"})


def test_a_report_of_abuse_has_a_head_and_mistakes_are_told(reapi) -> None:
    report = reapi("abuse", "--days", "30")
    assert report.returncode == 0
    assert report.stdout.split()[:2] == ["SIGN", "OBSERVED"]
    unknown = reapi("accounts", "suspend", "00" * 16)
    assert (unknown.returncode, unknown.stderr) == (1, "reapi: No such account.\n")
    assert reapi("audit", "--limit", "0").returncode == 2
