"""`python -m simulator`, as a process of its own."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

pytestmark = pytest.mark.prove

LIMIT = 20.0


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_serves_says_where_breaks_on_demand_and_ends_on_a_signal():
    async with (
        asyncio.timeout(LIMIT),
        started("--channel", "one=sk-1", "--channel", "two=k=2") as it,
    ):
        ready = json.loads(await it.stdout.readline())
        urls = {channel["name"]: channel["base_url"] for channel in ready["channels"]}
        async with aiohttp.ClientSession() as session:
            for name, key in (("one", "sk-1"), ("two", "k=2")):
                body = {"model": "gpt-image-2", "prompt": "a fox", "size": "16x16"}
                headers = {"authorization": f"Bearer {key}"}
                url = f"{urls[name]}/v1/images/generations"
                async with session.post(url, json=body, headers=headers) as response:
                    assert response.status == 200
            # The command runs on uvloop, the tests on asyncio: the sharpest faults on both.
            for kind, error in (
                ("reset", aiohttp.ClientOSError),
                ("refuse", aiohttp.ClientConnectorError),
                ("cut", aiohttp.ClientPayloadError),
                ("lost", aiohttp.ServerDisconnectedError),
            ):
                fault = f"{ready['simulator_url']}/_faults/two"
                async with session.put(fault, json={"kind": kind}) as response:
                    assert response.status == 200
                with pytest.raises(error):
                    async with session.post(url, json=body, headers=headers) as response:
                        await response.read()
            async with session.put(fault, json={"kind": "hang"}) as response:
                assert response.status == 200
            hanging = asyncio.create_task(session.post(url, json=body, headers=headers))
            count = f"{ready['simulator_url']}/_calls/count"
            seen = 0
            while seen < 5:
                async with session.get(count) as response:
                    seen = (await response.json())["channels"]["two"]
            it.send_signal(signal.SIGTERM)
            with pytest.raises(aiohttp.ClientError):
                await hanging
        output, errors = await it.communicate()

    assert (it.returncode, output, errors) == (0, b"", b"")


async def test_channels_of_several_dialects_live_in_one_process():
    channels = ["--channel", "a=sk-1", "--channel", "b@ark=ark-1", "--channel", "c@ark:0=ark-2"]
    async with asyncio.timeout(LIMIT), started(*channels) as it:
        ready = json.loads(await it.stdout.readline())
        url = ready["channels"][1]["base_url"] + "/api/v3/contents/generations/tasks"
        headers = {"authorization": "Bearer ark-1"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=headers) as response,
        ):
            assert await response.json() == {"total": 0, "items": []}

    assert [channel["dialect"] for channel in ready["channels"]] == ["openai", "ark", "ark"]


async def test_a_given_port_is_taken_and_a_taken_one_refused():
    async with asyncio.timeout(LIMIT), started("--channel", "one=sk-1") as first:
        ready = json.loads(await first.stdout.readline())
        taken = ready["channels"][0]["base_url"].rpartition(":")[2]
        async with started("--channel", f"other:{taken}=sk-1") as second:
            _, errors = await second.communicate()
            assert second.returncode == 1
            assert b"ddress already in use" in errors
            assert errors.startswith(b"simulator: ")
    async with asyncio.timeout(LIMIT), started("--channel", f"one:{taken}=sk-1") as again:
        ready = json.loads(await again.stdout.readline())
        assert ready["channels"][0]["base_url"].endswith(f":{taken}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], b"--channel"),
        (["--channel", "nokey"], b"NAME[@DIALECT][:PORT]=CREDENTIAL"),
        (["--channel", "a@=k"], b"NAME[@DIALECT][:PORT]=CREDENTIAL"),
        (["--channel", "a:9@openai=k"], b"NAME[@DIALECT][:PORT]=CREDENTIAL"),
        (["--channel", "a@morse=k"], b"dialect is one of"),
        (["--channel", "A=k"], b"name"),
        (["--channel", "a="], b"credential"),
        (["--channel", "a=k", "--host", "0.0.0.0"], b"loopback"),
    ],
)
async def test_wrong_arguments_end_with_2_and_a_message(arguments, message):
    async with asyncio.timeout(LIMIT), started(*arguments) as it:
        _, errors = await it.communicate()

    assert it.returncode == 2
    assert message in errors


async def test_help_explains_itself():
    async with asyncio.timeout(LIMIT), started("--help") as it:
        output, _ = await it.communicate()

    assert it.returncode == 0
    assert b"--channel" in output
