"""Every place where content could come to rest, and what is found there."""

import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from gateway.proof.canaries import Canaries
from gateway.proof.processes import command_line, descendants
from gateway.proof.search import Finding, Search
from storage.s3 import Bucket
from tests.fix_gateway import ROOT, Gateway

_WATCH_SECONDS = 0.02
# The columns that their owners fill (docs/privacy.md).
TYPED_BY_OWNERS = frozenset({"account.name", "api_key.name"})


async def search(gateway: Gateway, temporary: Path, canaries: Canaries) -> list[Finding]:
    """Look through everything that the running *gateway* has left anywhere."""
    found = Search(canaries)
    found.files("database", _written_out(gateway))
    await _rows(gateway, found)
    _home(gateway.home, found)
    found.files("tmp", temporary)
    found.process(gateway.process.pid)
    found.look("trace", "reapi simulate record", _trace(gateway))
    found.look("metrics", "/metrics", _metrics(gateway))
    return found.found()


def _metrics(gateway: Gateway) -> bytes:
    return httpx.get(f"{gateway.rest}/metrics", timeout=20).content


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


def _home(home: Path, found: Search) -> None:
    """The gateway's own folder; `demo.json` holds keys by design."""
    for path in (*home.iterdir(), *(home / "postgres").iterdir()):
        name = str(path.relative_to(home))
        found.look("home", name, name.encode())
        if name in {"postgres", "postgres/data", "demo.json"}:
            continue
        if path.is_file():
            found.read(_sink_of(name), name, path)
        else:
            found.files("home", path)


def _sink_of(file: str) -> str:
    if file in {"stderr.log", "stdout.log"}:
        return "log"
    return "server log" if "server.log" in file else "home"


def _written_out(gateway: Gateway) -> Path:
    """The files of the database and its log of changes, all of them written out."""
    with gateway.database("postgres") as connection:
        connection.autocommit = True
        connection.execute("CHECKPOINT")
        ((folder,),) = connection.execute("SHOW data_directory").fetchall()
    return Path(folder)


async def _rows(gateway: Gateway, found: Search) -> None:
    """Every value of every column: what is compressed in the files, too."""
    with gateway.database() as known:
        info = known.info
        dsn = make_conninfo(info.dsn, password=info.password)
    async with await AsyncConnection.connect(dsn) as connection:
        await found.rows(connection)


def is_typed_by_its_owner(finding: Finding) -> bool:
    """Whether it stands where it belongs: in a column for names, or in the files behind it."""
    return finding.sink == "database" or finding.place in TYPED_BY_OWNERS


@dataclass
class Watcher:
    """Looks again and again at what is there for a moment only: temporary and unlinked files."""

    gateway: Gateway
    temporary: Path
    canaries: Canaries
    looks: int = 0
    _seen: Search = field(init=False)

    @property
    def findings(self) -> set[Finding]:
        return self._seen.findings

    def __enter__(self) -> "Watcher":
        self._seen = Search(self.canaries)
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
                self._seen.open_files(pid)
            self._seen.files("tmp", self.temporary)

    def _simulators(self) -> list[int]:
        return [
            pid
            for pid in descendants(self.gateway.process.pid)
            if b"simulator" in command_line(pid)
        ]


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
