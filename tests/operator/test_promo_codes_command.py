"""`reapi promo-codes` against a running gateway."""

import json
import os
import subprocess
import sys
from typing import Any

import httpx
import pytest

from gateway.promo_codes_options import _credits, _days
from tests.fix_fleet import ROOT

pytestmark = pytest.mark.prove


@pytest.fixture
def reapi(gateway):
    def run(*arguments: str) -> Any:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "gateway", "promo-codes", *arguments],
            cwd=ROOT,
            env={**kept, "REAPI_HOME": str(gateway.home)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_code_is_made_redeemed_listed_and_stopped(gateway, reapi) -> None:
    made = reapi("create", "2500", "--limit", "3", "--days", "30", "--name", "spring", "--json")
    facts = json.loads(made.stdout)
    assert (facts["credits"], facts["limit"], facts["state"]) == ("2500", 3, "open")
    _, key = gateway.account()
    redeemed = httpx.post(
        f"{gateway.rest}/api/v1/promo_codes:redeem",
        json={"code": facts["code"]},
        headers=gateway.headers(key),
        timeout=20,
    )
    assert redeemed.status_code == 200, redeemed.text

    listed = {item["id"]: item for item in json.loads(reapi("list", "--json").stdout)}
    assert listed[facts["id"]]["redeemed"] == 1
    assert "code" not in listed[facts["id"]]
    assert reapi("disable", facts["id"]).stdout.startswith("stopped; 1 accounts")
    (line,) = [row for row in reapi("list").stdout.splitlines() if facts["id"] in row]
    assert "stopped" in line
    assert line.endswith("spring")


def test_what_is_no_code_is_refused_with_a_word(reapi) -> None:
    unknown = reapi("disable", "00" * 16)
    wrong = reapi("create", "0")

    assert (unknown.returncode, wrong.returncode) == (1, 2)
    assert "No such code" in unknown.stderr
    assert "above 0" in wrong.stderr


def test_amounts_and_days_are_read_exactly() -> None:
    assert [_credits(text) for text in ("1", "2500", "0.5", "0.001")] == [1_000, 2_500_000, 500, 1]
    assert _days("3650").days == 3650
