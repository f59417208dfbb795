"""A gateway that was killed leaves a ledger that is what was sealed."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.fix_gateway import ROOT, running

pytestmark = pytest.mark.prove


IMAGE = {"model": "gpt-image-2", "prompt": "a boat", "size": "1024x1024", "quality": "low"}


def test_the_ledger_of_a_killed_gateway_is_verified_without_it(tmp_path: Path) -> None:
    with running(tmp_path / "home") as gateway:
        _, key = gateway.account("5000")
        with httpx.Client(base_url=gateway.v1, headers=gateway.headers(key), timeout=30) as client:
            for _ in range(5):
                assert client.post("/images/generations", json=IMAGE).status_code == 200
        gateway.kill()
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "verify-ledger", "--database"],
            cwd=ROOT,
            env={"REAPI_HOME": str(gateway.home), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "good: the ledger is what was sealed" in done.stdout
