"""Every place where content could come to rest, and what is found there."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from psycopg import sql

from storage.s3 import Bucket
from tests.fix_gateway import ROOT, Gateway
from tests.privacy.canaries import Canaries
from tests.processes import command_line, descendants, environment, open_files

_WATCH_SECONDS = 0.02
# The columns that their owners fill (docs/privacy.md).
TYPED_BY_OWNERS = frozenset({"account.name", "api_key.name"})


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A canary where it does not belong."""

    sink: str
    """`log`, `home`, `row`, `tmp`, `open file`, `command line`, `environment`, `metrics`, …"""
    place: str
    field: str


def search(gateway: Gateway, temporary: Path, canaries: Canaries) -> list[Finding]:
    """Look through everything that the running *gateway* has left anywhere."""
    found: set[Finding] = set()

    def look(sink: str, place: str, data: bytes) -> None:
        found.update(Finding(sink, place, what) for what in canaries.found_in(data))

    for file, data in _database(gateway):
        look("database", file, data)
    for table, column, data in _rows(gateway):
        look("row", f"{table}.{column}", data)
    for file, data in _files(gateway.home, skip="postgres/data"):
        look(_sink_of(file), file, data)
    for file, data in _files(temporary):
        look("tmp", file, data)
    for pid in (gateway.process.pid, *descendants(gateway.process.pid)):
        look("command line", str(pid), command_line(pid))
        look("environment", str(pid), environment(pid))
        for name, data in open_files(pid).items():
            look("open file" if "/postgres/data/" not in name else "database", name, data)
    look("trace", "reapi simulate record", _trace(gateway))
    look("metrics", "/metrics", httpx.get(f"{gateway.rest}/metrics", timeout=20).content)
    return sorted(found)


def _trace(gateway: Gateway) -> bytes:
    """What `reapi simulate record` makes of the rows."""
    recorded = subprocess.run(
        [sys.executable, "-m", "gateway", "simulate", "record", "--demo"],
        cwd=ROOT,
        env={**gateway.environment, "REAPI_HOME": str(gateway.home)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    is_empty = b"nothing has ended in that time" in recorded.stderr
    assert recorded.returncode == is_empty, "no trace was recorded"
    return recorded.stdout + recorded.stderr


def _sink_of(file: str) -> str:
    if file in {"stderr.log", "stdout.log"}:
        return "log"
    return "server log" if "server.log" in file else "home"


def _files(folder: Path, skip: str = "nothing") -> Iterator[tuple[str, bytes]]:
    """Every file with its content, and every name as content too."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name.startswith(skip):
            continue
        yield name, name.encode()
        if path.is_file() and path.name != "demo.json":
            try:
                yield name, path.read_bytes()
            except FileNotFoundError:
                continue  # PostgreSQL recycles its files while we look


def _database(gateway: Gateway) -> Iterator[tuple[str, bytes]]:
    """The files of the database and its log of changes, all of them written out."""
    with gateway.database("postgres") as connection:
        connection.autocommit = True
        connection.execute("CHECKPOINT")
        ((folder,),) = connection.execute("SHOW data_directory").fetchall()
    yield from _files(Path(folder))


def _rows(gateway: Gateway) -> Iterator[tuple[str, str, bytes]]:
    """Every value of every column: what is compressed in the files, too."""
    with gateway.database() as connection:
        columns = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        ).fetchall()
        for table, column in columns:
            query = sql.SQL("SELECT string_agg({}::text, ' ') FROM {}").format(
                sql.Identifier(column), sql.Identifier(table)
            )
            ((text,),) = connection.execute(query).fetchall()
            yield table, column, (text or "").encode()


def is_typed_by_its_owner(finding: Finding) -> bool:
    """Whether it stands where it belongs: in a column for names, or in the files behind it."""
    return finding.sink == "database" or finding.place in TYPED_BY_OWNERS


@dataclass
class Watcher:
    """Looks again and again at what is there for a moment only: temporary and unlinked files."""

    gateway: Gateway
    temporary: Path
    canaries: Canaries
    findings: set[Finding] = field(default_factory=set)
    looks: int = 0

    def __enter__(self) -> "Watcher":
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pids = [self.gateway.process.pid, *self._simulators()]
        while not self._stop.wait(_WATCH_SECONDS):
            self.looks += 1
            for pid in pids:
                for name, data in open_files(pid).items():
                    self._look("open file", name, data)
            for name, data in _files(self.temporary):
                self._look("tmp", name, data)

    def _simulators(self) -> list[int]:
        return [
            pid
            for pid in descendants(self.gateway.process.pid)
            if b"simulator" in command_line(pid)
        ]

    def _look(self, sink: str, place: str, data: bytes) -> None:
        for what in self.canaries.found_in(data):
            self.findings.add(Finding(sink, place, what))


def search_bucket(bucket: Bucket, canaries: Canaries) -> list[Finding]:
    """Look at the name, everything that is said about it, and the bytes of each object."""
    import boto3  # here: it takes half a second, and few tests need it

    client = boto3.client(
        "s3",
        endpoint_url=bucket.endpoint,
        region_name=bucket.region,
        aws_access_key_id=bucket.access_key_id,
        aws_secret_access_key=bucket.secret_access_key,
    )
    found: set[Finding] = set()
    with closing(client):
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket.name, Prefix=bucket.prefix
        )
        objects = [item for page in pages for item in page.get("Contents", ())]
        for item in objects:
            place = {"Bucket": bucket.name, "Key": item["Key"]}
            head = client.head_object(**place)
            tags = client.get_object_tagging(**place)["TagSet"]
            said = repr((item, head, tags)).encode()
            data = client.get_object(**place)["Body"].read()
            for sink, content in (("object's metadata", said), ("object", data)):
                for what in canaries.found_in(content):
                    found.add(Finding(sink, item["Key"], what))
    assert objects, "there is something to look at"
    return sorted(found)


def search_simulator(url: str, canaries: Canaries) -> list[Finding]:
    """Look at whatever the simulator of the providers shows of itself."""
    paths = ("_channels", "_faults", "_settings", "_calls", "_calls/count", "_jobs", "_jobs/count")
    found = {
        Finding("simulator", path, what)
        for path in paths
        for what in canaries.found_in(httpx.get(f"{url}/{path}", timeout=20).content)
    }
    return sorted(found)
