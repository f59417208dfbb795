"""The gateway under test: started as a user would, pinned, and ended by its pid."""

import asyncio
import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from bench.http import Connection, NoAnswerError
from bench.processes import command, end, pin, running_on, tree
from core.settings import process_environment

DEFAULT_COMMAND = (sys.executable, "-m", "gateway", "serve", "--demo")
ACCOUNTS = 8
"""Each may make 60,000 requests a minute; all of them, more than any run does."""
CREDITS = 1_000_000_000
START_SECONDS = 90.0
STOP_SECONDS = 20.0
_NOT_THE_GATEWAY = ("postgres", "embedded_launch", "simulator")
_PASSABLE = 0o711  # a PostgreSQL of another user has to get through; nobody may look


class GatewayError(Exception):
    """The gateway did not start, or refused what the benchmark needs."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the measured process runs, and where everything else does; None: anywhere."""

    measured: int | None
    rest: int | None


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that is ready."""

    rest_url: str
    grpc_address: str
    pid: int
    keys: Sequence[str] = field(repr=False)
    outputs: Path
    socket: Path
    """Where it also serves gRPC."""

    def processes(self) -> set[int]:
        """Its own: without the database and the simulator."""
        return tree(self.pid, without=_companions(self.pid))

    def drop_outputs(self) -> None:
        """Empty the files of finished generations, between two measurements.

        They would go to the disk seconds later, in the middle of somebody else's turn. They are
        not deleted: ext4 passes over the inodes of files deleted in the last minutes one by one,
        which then costs every new file a millisecond.
        """
        for path in self.outputs.rglob("*"):
            if path.is_file():
                os.truncate(path, 0)


@asynccontextmanager
async def serving(
    arguments: Sequence[str], folder: Path, outputs: Path, overlay: Path, cores: Cores
) -> AsyncIterator[Gateway]:
    """Run a gateway with *overlay* in *folder*, which must not be in use, as *outputs*."""
    home, log = _places(folder)
    socket = folder / "core.sock"
    with running_on(cores.measured), log.open("wb") as complaints:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=complaints,
            env=_environment(home, outputs, overlay, socket),
            start_new_session=True,
        )
    try:
        demo = await _ready(process, home / "demo.json")
        pin(_companions(process.pid), cores.rest)
        keys = await _accounts(demo["rest_url"], demo["admin_token"])
        yield Gateway(demo["rest_url"], demo["grpc_address"], process.pid, keys, outputs, socket)
    finally:
        died = process.returncode is not None
        code = await end(process, STOP_SECONDS)
        _forget_database(home)
        if code or died:
            sys.stderr.write(f"bench: the gateway ended {'by itself ' if died else ''}with exit")
            sys.stderr.write(f" code {code}; its last words: {_last_words(log)}\n")


def _places(folder: Path) -> tuple[Path, Path]:
    home = folder / "home"
    home.mkdir()
    for each in (folder, home):
        each.chmod(_PASSABLE)
    return home, folder / "gateway.log"


def _environment(home: Path, outputs: Path, overlay: Path, socket: Path) -> dict[str, str]:
    ours = {
        "REAPI_HOME": str(home),
        "REAPI_BUCKET_URL": outputs.as_uri(),
        "REAPI_CATALOGUE": str(overlay),
        "REAPI_HTTP_PORT": "0",
        "REAPI_GRPC_PORT": "0",
        "REAPI_GRPC_BIND": f"127.0.0.1,unix:{socket}",
        "REAPI_LOG_LEVEL": "info",
    }
    inherited = process_environment()
    return {name: inherited[name] for name in inherited if not name.startswith("REAPI_")} | ours


async def _ready(process: asyncio.subprocess.Process, file: Path) -> dict[str, str]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while process.returncode is None:
                if found := _demo(file):
                    return found
                await asyncio.sleep(0.05)
    raise GatewayError("the gateway did not start")


def _demo(file: Path) -> dict[str, str] | None:
    """What `demo.json` says, once it is there: it is put in place whole."""
    if not file.exists():
        return None
    found: dict[str, str] = orjson.loads(file.read_bytes())
    return found


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-1000:].strip() or "(none)"


def _companions(pid: int) -> set[int]:
    family = tree(pid) - {pid}
    return {
        member
        for found in family
        if any(word in command(found) for word in _NOT_THE_GATEWAY)
        for member in tree(found)
    }


async def _accounts(rest_url: str, admin_token: str) -> list[str]:
    headers = {"authorization": f"Bearer {admin_token}"}
    keys = []
    async with Connection(rest_url) as connection:

        async def ask(path: str, body: dict[str, str]) -> dict[str, str]:
            try:
                answer = await connection.request("POST", path, headers, orjson.dumps(body))
            except NoAnswerError as error:
                raise GatewayError("no answer to an admin request") from error
            if not answer.is_good:
                raise GatewayError(f"{path} answered {answer.status}")
            found: dict[str, str] = orjson.loads(answer.body)
            return found

        for number in range(ACCOUNTS):
            account = await ask("/api/v1/admin/accounts", {"name": f"bench {number}"})
            grant = {"credits": str(CREDITS), "request_id": secrets.token_hex(16)}
            await ask(f"/api/v1/admin/accounts/{account['id']}:grant", grant)
            keys.append(account["api_key"])
    return keys


def _forget_database(home: Path) -> None:
    """Remove a data folder that had to live outside *home* (storage/embedded_place.py)."""
    for note in home.rglob("location"):
        folder = Path(note.read_text(encoding="utf-8"))
        if folder.name.startswith("reapi-postgres-"):
            shutil.rmtree(folder, ignore_errors=True)
