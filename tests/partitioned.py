"""Two gateways and their PostgreSQL on machines of their own, between which links can be cut.

The upstreams run outside, on loopback, where the simulator wants to be: each gateway's machine
has doors at the same ports that lead there, so that no cut between machines touches them.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import psycopg

from storage.embedded import EmbeddedPostgres
from tests.certificates import Authority
from tests.fix_fleet import Spec, Upstreams, running_upstreams
from tests.job_fleet import UNREACHABLE, JobFleet, Member, VideoModel, running_job_fleet
from tests.namespaces import Machine, Network, network
from tests.role_processes import LAST_PART, Role, launch, wait_until_ready

GATEWAYS = ("a", "b")
DATABASE = "pg"
ANYBODY = "host all all all scram-sha-256\n"
"""PostgreSQL's own rule lets in nobody but this machine."""
CORE_NAME, CORE_PORT = "core.test", 50_051
_BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Partitioned:
    """The machines, and what runs on them."""

    net: Network
    fleet: JobFleet
    database_url: str = field(repr=False)
    """As the database's own machine sees it."""
    members: dict[str, Member] = field(default_factory=dict)

    async def start(self, name: str) -> Member:
        """A gateway on the machine *name*."""
        host = self.net.address(DATABASE, name)
        environment = {
            "REAPI_DATABASE_URL": _moved(self.database_url, host),
            "REAPI_PUBLIC_URL": UNREACHABLE,
            "REAPI_HOME": str(self.fleet.folder / name),
        }
        member = await asyncio.to_thread(self._started, name, environment)
        self.members[name] = member
        return member

    def _started(self, name: str, environment: Mapping[str, str]) -> Member:
        with self.net[name].entered():
            return self.fleet.start(**environment)

    async def start_apart(self) -> None:
        """A bridge on the machine a, whose core is on b."""
        authority = Authority(self.fleet.folder)
        pair = authority.issue(CORE_NAME)
        address = self.net.address("b", "a")
        core = {
            **self.fleet.environment,
            "REAPI_DATABASE_URL": _moved(self.database_url, self.net.address(DATABASE, "b")),
            "REAPI_PUBLIC_URL": UNREACHABLE,
            "REAPI_GRPC_BIND": address,
            "REAPI_GRPC_PORT": str(CORE_PORT),
            "REAPI_GRPC_TLS_CERT": str(pair.certificate),
            "REAPI_GRPC_TLS_KEY": str(pair.key),
        }
        bridge = {
            "REAPI_CORE": f"{address}:{CORE_PORT}",
            "REAPI_CORE_TLS_CA": str(authority.file),
            "REAPI_CORE_TLS_NAME": CORE_NAME,
        }
        await asyncio.to_thread(self._launched, "b", "core", core)
        role = await asyncio.to_thread(self._launched, "a", "bridge", bridge)
        self.members["a"] = Member(role, f"http://127.0.0.1:{role.port('rest')}")

    def _launched(self, name: str, kind: str, environment: Mapping[str, str]) -> Role:
        with self.net[name].entered():
            role = launch(kind, self.fleet.folder / "logs", environment)
        self.fleet.stack.callback(_end, role)
        wait_until_ready(role, LAST_PART[kind])
        return role

    def account(self, name: str) -> tuple[str, str]:
        """A new account with credits, made at the gateway *name*: its id and its key."""
        with self.net[name].entered():
            return self.fleet.account(self.members[name])

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of our own, which no cut touches."""
        with self.net[DATABASE].entered():
            connection = psycopg.connect(self.database_url, autocommit=True)
        with connection:
            yield connection

    @asynccontextmanager
    async def session(self, name: str, seconds: float) -> AsyncIterator[aiohttp.ClientSession]:
        """A client on the machine *name*, which waits so long for an answer."""
        machine = self.net[name]
        connector = aiohttp.TCPConnector(limit=0, socket_factory=lambda _: machine.socket())
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield session


@asynccontextmanager
async def partitioned(
    folder: Path, videos: VideoModel, pictures: Spec
) -> AsyncIterator[Partitioned]:
    """Everything, with upstreams of *videos* and *pictures*; start the gateways yourself."""
    async with AsyncExitStack() as stack:
        net = stack.enter_context(network((*GATEWAYS, DATABASE)))
        rules = folder / "hba.conf"
        rules.write_text(ANYBODY, encoding="ascii")
        rules.chmod(0o644)
        # Sessions whose client is gone must go too: nobody but the gateway's settings sees to it.
        settings = {"listen_addresses": "*", "hba_file": str(rules), "max_connections": "100"}
        server = EmbeddedPostgres(folder / "postgres", settings=settings)
        with net[DATABASE].entered():
            await server.start()
        stack.push_async_callback(server.stop)
        images = stack.enter_context(contextmanager(running_upstreams)(pictures.upstreams))
        overlay = folder / "pictures.toml"
        overlay.write_text(pictures.toml(images.base_urls), encoding="utf-8")
        catalogues = f"{folder / 'fleet.toml'}:{overlay}"
        fleet = stack.enter_context(
            running_job_fleet(folder, server.url, [videos], REAPI_CATALOGUE=catalogues)
        )
        for name in GATEWAYS:
            for port in _ports(fleet.upstreams, images):
                await stack.enter_async_context(_door(net[name], port))
        yield Partitioned(net, fleet, server.url)


def _end(role: Role) -> None:
    if role.process.poll() is None:
        role.kill()


def _ports(*upstreams: Upstreams) -> Sequence[int]:
    urls = [url for each in upstreams for url in (each.url, *each.base_urls.values())]
    return sorted({port for url in urls if (port := urlsplit(url).port) is not None})


def _moved(url: str, host: str) -> str:
    parts = urlsplit(url)
    login, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}@{host}:{parts.port}"))


@asynccontextmanager
async def _door(machine: Machine, port: int) -> AsyncIterator[None]:
    """On loopback of *machine*, the same port as on ours."""
    with machine.entered():
        listener = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
    passing: set[asyncio.Task[None]] = set()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        passing.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await _through(reader, writer, port)
        finally:
            writer.transport.abort()
            passing.discard(task)

    server = await asyncio.start_server(enter, sock=listener)
    try:
        yield
    finally:
        server.close()
        for task in list(passing):
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    inner, outer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, outer))
            group.create_task(_pump(inner, writer))
    except* OSError:
        pass
    finally:
        outer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError  # both ways end together
