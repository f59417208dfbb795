"""OpenAI's own Node SDK, unmodified, against the running gateway; the tests are in tests/node."""

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

NODE_TESTS = Path(__file__).parents[1] / "node"
SECONDS = 60


def node() -> str:
    """The `node` that runs the tests; skips where it, or the SDK, is not there."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("the Node SDK is NOT tested: there is no node here")
    if not (NODE_TESTS / "node_modules" / "openai").is_dir():
        pytest.skip("the Node SDK is NOT tested: run `npm ci` in tests/node")
    return program


@pytest.mark.parametrize("name", sorted(path.name for path in NODE_TESTS.glob("*.test.mjs")))
async def test_the_node_sdk_gets_what_openai_would_give_it(gateway, name):
    environment = {
        **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        **{
            f"REAPI_{key.upper()}": gateway.demo[key]
            for key in ("rest_url", "simulator_url", "api_key", "poor_api_key", "admin_token")
        },
    }
    process = await asyncio.create_subprocess_exec(
        node(),
        "--test",
        "--test-reporter=tap",
        name,
        cwd=NODE_TESTS,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    report = output.decode(errors="replace")

    assert process.returncode == 0, report
    assert int(re.findall(r"^# pass (\d+)$", report, re.MULTILINE)[-1]) > 0
    assert re.findall(r"^# (?:fail|skipped|todo) ([1-9]\d*)$", report, re.MULTILINE) == []
