"""Bridges in processes of their own in front of the gateway under test, over TCP and a socket."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.gateway import GatewayError
from bench.processes import end, running_on
from core.settings import process_environment

START_SECONDS = 20.0
STOP_SECONDS = 15.0
_URL = re.compile(rb"http://[0-9.]+:[0-9]+")


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge that is ready."""

    url: str
    pid: int


def command_of(serve: Sequence[str]) -> list[str]:
    """The command that runs a bridge of the program that *serve* runs whole."""
    if "serve" not in serve:
        raise GatewayError("cannot tell how to start a bridge: the command has no `serve`")
    return [*serve[: list(serve).index("serve")], "bridge"]


@asynccontextmanager
async def bridging(
    command: Sequence[str], core: str, folder: Path, measured: int | None
) -> AsyncIterator[Bridge]:
    """Run a bridge in front of *core*: `host:port`, or `unix:/path`."""
    inherited = process_environment()
    environment = {name: inherited[name] for name in inherited if not name.startswith("REAPI_")}
    ours = {"REAPI_CORE": core, "REAPI_HTTP_PORT": "0", "REAPI_LOG_LEVEL": "info"}
    with running_on(measured), (folder / "bridge.log").open("ab") as complaints:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
            env=environment | ours,
            start_new_session=True,
        )
    try:
        yield Bridge(await _url(process), process.pid)
    finally:
        await end(process, STOP_SECONDS)


async def _url(process: asyncio.subprocess.Process) -> str:
    """What it says when it is ready."""
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
    except TimeoutError:
        line = b""
    if (found := _URL.search(line)) is None:
        raise GatewayError("a bridge did not start")
    return found[0].decode()
