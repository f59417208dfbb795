"""Folders for tests of the embedded PostgreSQL, and programs that run one in their own process."""

import asyncio
import contextlib
import functools
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from storage.embedded import EmbeddedPostgres
from storage.embedded_guard import try_lock
from tests.embedded_database import place_of
from tests.fix_postgres import scratch_folder

ROOT = Path(__file__).parents[1]
QUICK = {"fsync": "off"}

APPLICATION = """
import asyncio, json, sys
from pathlib import Path
from storage.embedded import EmbeddedPostgres
from storage.embedded_guard import try_lock

async def main() -> None:
    home, options = sys.argv[1], json.loads(sys.argv[2])
    options["system_folders"] = [Path(folder) for folder in options.get("system_folders", [])]
    async with EmbeddedPostgres(Path(home), **options) as server:
        print(json.dumps({"url": server.url, "identity": server.identity}), flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""

# Exec the arguments in a user namespace that has every user of the machine, and may not have
# another user namespace inside: unshare() is refused, as in a default container.
WITHOUT_NAMESPACES = """
import ctypes, os, sys
ready, told = os.pipe()
mapped, done = os.pipe()
subject = os.getpid()
if os.fork() == 0:
    os.close(told)
    if not os.read(ready, 1):
        os._exit(0)  # it was refused
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{subject}/{name}", "w") as file:
            file.write("0 0 65536")
    os.write(done, b"x")
    os._exit(0)
assert ctypes.CDLL(None).unshare(0x10000000) == 0
os.write(told, b"x")
os.read(mapped, 1)
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
os.execv(sys.argv[1], sys.argv[1:])
"""

# Exit 0 when a user namespace can be had.
NAMESPACE = """
import ctypes, os
user = os.geteuid()
assert ctypes.CDLL(None).unshare(0x10000000) == 0
with open("/proc/self/uid_map", "w") as file:
    file.write(f"65534 {user} 1")
"""


@functools.cache
def namespaces_are_refused() -> bool:
    """Whether this machine is one that `WITHOUT_NAMESPACES` stands for, already."""
    command = [sys.executable, "-c", NAMESPACE]
    return subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.fixture
def passable_folder() -> Iterator[Path]:
    """A new folder that every user may pass through, unlike pytest's own."""
    with scratch_folder() as folder:
        yield folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def home() -> AsyncIterator[Path]:
    """The folder of a server that was started once: with a table `kept` of one row, which tests
    leave as they found it. Its path has a space."""
    with scratch_folder() as scratch:
        scratch.chmod(0o700)
        folder = scratch / "a folder"
        async with (
            EmbeddedPostgres(folder, settings=QUICK) as server,
            await connected(server.url) as connection,
        ):
            await connection.execute("CREATE TABLE kept (row integer)")
            await connection.execute("INSERT INTO kept VALUES (1)")
        yield folder


@pytest.fixture
def copied_home(home: Path, passable_folder: Path) -> Path:
    """A copy of `home`, data included, for tests that leave it in another state."""
    copy = passable_folder / "a folder"
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("location", "data"))
    shutil.copytree(place_of(home) / "data", copy / "data")
    copy.chmod(0o711)
    return copy


async def connected(url: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """A connection to *url*, as soon as somebody answers there (10 seconds at most)."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                return await psycopg.AsyncConnection.connect(url, autocommit=True)
            await asyncio.sleep(0.01)


async def rows_kept(url: str) -> int:
    """How many rows the table `kept` has."""
    async with await connected(url) as connection:
        found = await connection.execute("SELECT count(*)::integer FROM kept")
        row = await found.fetchone()
    assert row is not None
    count = row[0]
    assert isinstance(count, int)
    return count


async def everything_gone(folder: Path) -> None:
    """Wait until no process of a server on the home *folder* lives (10 seconds at most)."""
    lock = place_of(folder) / "server.lock"
    async with asyncio.timeout(10):
        while True:
            descriptor = try_lock(lock)
            if descriptor is not None:
                return os.close(descriptor)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def application(
    home: Path,
    options: Mapping[str, object],
    *,
    command: Sequence[str] = (sys.executable,),
    user: str | None = None,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`APPLICATION` in a process of its own; its first line of output says where the server is."""
    given = None if user is None else pwd.getpwnam(user)
    process = await asyncio.create_subprocess_exec(
        *(*command, "-P", "-c", APPLICATION, str(home), json.dumps(options)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": python_path()},
        cwd="/",
        user=given and given.pw_uid,
        group=given and given.pw_gid,
        extra_groups=given and [],
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def python_path() -> str:
    """Our code and packages, for another Python of the same version."""
    packages = (path for path in sys.path if "-packages" in path)
    return os.pathsep.join([str(ROOT), *packages])


async def told(process: asyncio.subprocess.Process) -> dict[str, str]:
    """What an `application` says once its server answers; empty when it ended instead."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        line = await process.stdout.readline()
    answer: dict[str, str] = json.loads(line or "{}")
    return answer
