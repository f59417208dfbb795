"""The embedded PostgreSQL: a supervised server for a machine that has none.

It keeps its data in a folder, listens on a loopback port and a socket of its own, stops when our
process dies (kill -9 included) and is started again when it dies itself. One supervisor per folder;
other processes share the server through `url`. Statement texts and values never reach its log.
"""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from storage.embedded_config import ENVIRONMENT, SETTINGS
from storage.embedded_guard import folder_name, lock_after_orphans, try_lock
from storage.embedded_place import (
    LAUNCHER,
    SYSTEM_FOLDERS,
    Place,
    PostgresError,
    find_place,
    remembered_folder,
)
from storage.embedded_socket import forget_sockets, quoted, socket_folder

__all__ = ["EmbeddedPostgres", "FolderInUseError", "PostgresError"]

_ADMIN, _APPLICATION = "postgres", "reapi"
_LOOPBACK = "127.0.0.1"
_PORTS = range(20_000, 32_000)  # below every system's range for outgoing connections
_ORPHANS_SECONDS = 15.0
_START_SECONDS = 120.0  # crash recovery reads up to max_wal_size of log
_PORT_ATTEMPTS = 5
_HEALTHY_SECONDS = 10.0
_LARGEST_LOG = 1 << 20


class FolderInUseError(PostgresError):
    """Another process supervises a PostgreSQL in this folder."""


class EmbeddedPostgres:
    """A PostgreSQL server of our own, from `start` to `stop` (or as `async with`).

    *home* is a folder of its own (made if need be). *settings* overlay `SETTINGS`. *on_crash* hears
    the exit code of a server that died; by then its successor is being started, on the same port.
    *namespaces* and *death* force the roads that other machines take (tests).
    """

    def __init__(
        self,
        home: Path,
        *,
        settings: Mapping[str, str] | None = None,
        on_crash: Callable[[int], None] | None = None,
        namespaces: bool = True,
        death: Literal["signal", "pipe"] = "signal" if sys.platform == "linux" else "pipe",
        system_folders: Sequence[Path] = SYSTEM_FOLDERS,
    ) -> None:
        self._home = home.absolute()
        self._settings = {**SETTINGS, **(settings or {})}
        self._on_crash = on_crash
        self._namespaces = namespaces
        self._death = death
        self._system_folders = system_folders
        self._open: AsyncExitStack | None = None
        self._place = Place("self", self._home, Path())
        self._server: asyncio.subprocess.Process | None = None
        self._port = 0
        self._socket: Path | None = None
        self._password = ""
        self._alive_fd = -1

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The application's database. Holds the password: a secret."""
        return self._url(_APPLICATION)

    @property
    def near_url(self) -> str:
        """The same through the socket, where there is one: for our own calls, which are many."""
        host = _LOOPBACK if self._socket is None else quote(str(self._socket), safe="")
        return self._url(_APPLICATION, host)

    @property
    def admin_url(self) -> str:
        """The superuser's database, for maintenance and tests. Holds the password: a secret."""
        return self._url(_ADMIN)

    @property
    def pid(self) -> int:
        """The server's process; another one after a crash."""
        assert self._server is not None, "not started"
        return self._server.pid

    @property
    def identity(self) -> str:
        """As whom the server runs: `self`, `namespace` or `uid:gid`."""
        return self._place.identity

    @property
    def folder(self) -> Path:
        """Where the data are: *home*, or a system folder when `nobody` cannot enter that."""
        return self._place.folder

    async def start(self) -> None:
        """Serve. Raises FolderInUseError or PostgresError, and leaves nothing running then."""
        assert self._open is None, "already started"
        async with AsyncExitStack() as stack:
            self._home.mkdir(mode=0o711, parents=True, exist_ok=True)
            folder = remembered_folder(self._home) or self._home
            for path in dict.fromkeys((self._home, folder)):
                stack.callback(os.close, owned(path))
            server_lock = await self._server_lock(folder)
            try:
                self._place = await find_place(
                    self._home, namespaces=self._namespaces, system_folders=self._system_folders
                )
            finally:
                os.close(server_lock)
            if self._place.folder not in {self._home, folder}:
                stack.callback(os.close, owned(self._place.folder))
            self._socket = socket_folder(self._place)
            self._password = kept_password(self._home / "password", self._place.data)
            rotate(self._log)
            stack.push_async_callback(self._end)
            await self._initialise()
            await self._start_on_free_port()
            await self._create_database()
            keeper = asyncio.create_task(self._keep_alive(), name="embedded-postgres")
            stack.push_async_callback(cancelled, keeper)
            self._open = stack.pop_all()

    async def stop(self) -> None:
        """End the server: within a second as a rule, within 8 at the worst."""
        stack, self._open = self._open, None
        if stack is not None:
            await stack.aclose()

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    def _url(self, name: str, host: str = _LOOPBACK) -> str:
        assert self._port, "not started"
        return f"postgresql://{name}:{self._password}@{host}:{self._port}/{name}"

    async def _server_lock(self, folder: Path) -> int:
        """The descriptor of the lock that says: no server runs on this folder."""
        try:
            async with asyncio.timeout(_ORPHANS_SECONDS):
                return await lock_after_orphans(folder / "server.lock", folder / "data")
        except TimeoutError:
            raise FolderInUseError(f"a PostgreSQL that we cannot end runs on {folder}") from None

    async def _run(self, program: str, *arguments: str | Path) -> asyncio.subprocess.Process:
        """Launch *program* as our identity, holding the server's lock while it lives."""
        server_lock = await self._server_lock(self._place.folder)
        self._let_go()
        alive, self._alive_fd = os.pipe()
        try:
            # What the last server left is void once we hold the lock; its pid may be anybody's.
            (self._place.data / "postmaster.pid").unlink(missing_ok=True)
            forget_sockets(self._place)
            with self._log.open("ab") as log:
                return await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", LAUNCHER, "run", self._place.identity),
                    *(self._death, str(alive), str(os.getpid())),
                    *(self._place.programs / program, *arguments),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(ENVIRONMENT),
                    cwd="/",
                    pass_fds=(server_lock, alive),
                    start_new_session=True,  # a terminal's Ctrl-C is for us: we stop it in order
                )
        finally:
            os.close(server_lock)
            os.close(alive)

    async def _initialise(self) -> None:
        """Make the data folder if there is none; a half-made one is never taken for one."""
        draft = self._place.folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        if self._place.data.exists():
            return
        draft.mkdir(mode=0o700)
        password = draft / "password"
        write_private(password, self._password)
        if self._place.owner is not None:
            for path in (draft, password):
                os.chown(path, *self._place.owner)
        self._server = await self._run(
            "initdb",
            *("-D", draft / "data", "-U", _ADMIN, "-A", "scram-sha-256", "--pwfile", password),
            *("-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            "--no-instructions",
        )
        code = await self._server.wait()
        if code != 0:
            shutil.rmtree(draft, ignore_errors=True)
            raise PostgresError(f"initdb ended with code {code}; see {self._log}")
        (draft / "data").rename(self._place.data)
        shutil.rmtree(draft)

    async def _start_on_free_port(self) -> None:
        """Start the server, on another port if somebody was quicker."""
        for _ in range(_PORT_ATTEMPTS):
            self._port = free_port()
            try:
                return await self._serve()
            except PostgresError:
                if is_free(self._port):
                    raise
        raise PostgresError("every port we tried was taken")

    async def _serve(self) -> None:
        """Start the server on our port; returns once it answers."""
        settings = {
            "cluster_name": folder_name(self._place.data),
            "unix_socket_directories": quoted(self._socket),
            **self._settings,
        }
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self._server = await self._run(
            "postgres", "-D", self._place.data, "-p", str(self._port), *flags
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._answers(self._server)
        except TimeoutError:
            await self._end()
            raise PostgresError(f"PostgreSQL did not answer in time; see {self._log}") from None

    async def _answers(self, server: asyncio.subprocess.Process) -> None:
        """Wait for an answer: a pid, a file or an open port would prove nothing."""
        ended = asyncio.create_task(server.wait())
        answered = asyncio.create_task(self._log_in())
        try:
            await asyncio.wait([ended, answered], return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                raise PostgresError(f"PostgreSQL ended with code {ended.result()}; see {self._log}")
            answered.result()
        finally:
            await cancelled(ended, answered)

    async def _log_in(self) -> None:
        """Return once the server lets us in."""
        while True:
            with suppress(psycopg.OperationalError):
                await (await self._connect()).close()
                return
            await asyncio.sleep(0.01)

    async def _connect(self) -> psycopg.AsyncConnection[TupleRow]:
        conninfo = make_conninfo(
            self.admin_url, connect_timeout=2, sslmode="disable", application_name="reapi-admin"
        )
        return await psycopg.AsyncConnection.connect(conninfo, autocommit=True)

    async def _create_database(self) -> None:
        """Make the application's role, which is no superuser, and its database, if missing."""
        name = sql.Identifier(_APPLICATION)
        connection = await self._connect()
        async with connection:
            found = await connection.execute(
                "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(name)s),"
                " EXISTS (SELECT FROM pg_database WHERE datname = %(name)s)",
                {"name": _APPLICATION},
            )
            role, database = await found.fetchone() or (False, False)
            if not role:
                secret = connection.pgconn.encrypt_password(
                    self._password.encode(), _APPLICATION.encode(), b"scram-sha-256"
                )
                create = sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}")
                await connection.execute(create.format(name, sql.Literal(secret.decode())))
            if not database:
                await connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(name))

    async def _keep_alive(self) -> None:
        """Start the server again whenever it dies; at once, or slower if it keeps dying."""
        clock = asyncio.get_running_loop().time
        pause = 0.0
        while True:
            assert self._server is not None
            began = clock()
            code = await self._server.wait()
            if self._on_crash is not None:
                self._on_crash(code)
            pause = 0.0 if clock() - began > _HEALTHY_SECONDS else min(2.0, 2 * pause + 0.05)
            await asyncio.sleep(pause)
            with suppress(PostgresError, OSError):
                await self._serve()

    async def _end(self) -> None:
        """End what we run: a fast shutdown, an immediate one, a kill."""
        steps = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 1.0))
        for how, patience in steps:
            if self._server is None or self._server.returncode is not None:
                break
            with suppress(ProcessLookupError, TimeoutError):
                self._server.send_signal(how)
                async with asyncio.timeout(patience):
                    await self._server.wait()
        self._let_go()

    def _let_go(self) -> None:
        """Close the pipe by which the server knows that we live; there may be none."""
        if self._alive_fd >= 0:
            os.close(self._alive_fd)
            self._alive_fd = -1


def owned(folder: Path) -> int:
    """The descriptor of the supervisor's lock on *folder*."""
    descriptor = try_lock(folder / "supervisor.lock")
    if descriptor is None:
        raise FolderInUseError(f"another process runs the PostgreSQL in {folder}")
    return descriptor


def kept_password(path: Path, data: Path) -> str:
    """The password in the file *path*, which only its owner reads; a new one for new *data*."""
    if path.exists():
        return path.read_text(encoding="ascii")
    if data.exists():
        raise PostgresError(f"{path} is missing: without it nobody can log in to {data}")
    password = secrets.token_urlsafe(32)
    write_private(path, password)
    return password


def write_private(path: Path, text: str) -> None:
    """Write *text* to a new file that only its owner reads; whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="ascii")
    draft.replace(path)


def rotate(log: Path) -> None:
    """Put a long *log* aside; one former log is kept."""
    if log.exists() and log.stat().st_size > _LARGEST_LOG:
        log.replace(log.with_name(f"{log.name}.1"))


def free_port() -> int:
    """A loopback port nobody listens on just now."""
    for _ in range(100):
        port = secrets.choice(_PORTS)
        if is_free(port):
            return port
    raise PostgresError(f"no free port in {_PORTS}")


def is_free(port: int) -> bool:
    """Whether we could listen on *port*."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


async def cancelled(*tasks: asyncio.Task[Any]) -> None:
    """Cancel *tasks* and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
