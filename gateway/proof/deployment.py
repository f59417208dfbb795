"""What of a deployment can be seen from where this runs: database, bucket, files, processes."""

import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import psycopg

from core.settings import Settings
from gateway.own_database import connect
from gateway.process import ServeError
from gateway.proof.processes import PROC, environment, gateways
from gateway.proof.search import Search, folders_of
from storage.embedded import PostgresError
from storage.pool import StorageUnavailable, storage_errors
from storage.s3 import Bucket

PATIENCE: Final = 3_600.0
"""Seconds for one table: it is read from its first row to its last."""
_NAME: Final = "reapi-privacy"
_SERVER: Final = "postgres"


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look, besides what the settings say."""

    logs: Sequence[Path] = ()
    pids: Sequence[int] = ()
    """Of gateways; empty: those that are found by their command lines."""
    since: float = 0.0
    """Unix time: files that were not written since cannot hold a canary."""


async def look_everywhere(search: Search, settings: Settings, places: Places) -> None:
    """Look at what can be looked at, and note what cannot."""
    await _database(search, settings)
    _database_files(search, settings, places.since)
    _home(search, settings, places.since)
    await _bucket(search, settings, places.since)
    _logs(search, places.logs)
    _processes(search, settings, places)


# ---- the database


async def _database(search: Search, settings: Settings) -> None:
    try:
        async with AsyncExitStack() as stack:
            connection = await connect(settings, stack, _NAME, PATIENCE)
            with storage_errors():
                await search.rows(connection)
    except (ServeError, StorageUnavailable, PostgresError) as error:
        search.unseen["rows of the database"] = str(error)
    except psycopg.errors.InsufficientPrivilege:
        search.unseen["rows of the database"] = "this user may not read every table"


def _database_files(search: Search, settings: Settings, since: float) -> None:
    """The embedded server's own files: rows that were deleted, and the log of changes."""
    folder = settings.home / _SERVER
    if settings.database_url is not None or not folder.is_dir():
        search.unseen["files of the database and its log of changes"] = "they are elsewhere"
        return
    search.files("database file", folder, since)


def _home(search: Search, settings: Settings, since: float) -> None:
    """What else stands in the gateway's folder."""
    if not settings.home.is_dir():
        return
    for path in settings.home.iterdir():
        if path.name == _SERVER or path == settings.outputs:
            continue
        search.look("home", path.name, path.name.encode())
        if path.is_dir():
            search.files("home", path, since)
        elif path.is_file():
            search.read("home", path.name, path)


# ---- objects


async def _bucket(search: Search, settings: Settings, since: float) -> None:
    """Names and what is said about objects: their contents may show what was asked for."""
    if isinstance(settings.outputs, Path):
        if settings.outputs.is_dir():
            search.names("object's name", settings.outputs)
        else:
            search.unseen["outputs"] = "the folder is not here"
        return
    library = import_module("botocore.exceptions")
    try:
        await _objects(search, settings.outputs, since)
    except (library.ClientError, library.BotoCoreError, OSError) as error:
        # The library's own words may quote keys.
        search.unseen["the bucket"] = f"it does not answer ({type(error).__name__})"


async def _objects(search: Search, bucket: Bucket, since: float) -> None:
    session = import_module("aioboto3").Session(
        aws_access_key_id=bucket.access_key_id,
        aws_secret_access_key=bucket.secret_access_key,
        aws_session_token=bucket.session_token or None,
        region_name=bucket.region,
    )
    config = import_module("botocore.config").Config(
        signature_version="s3v4", s3={"addressing_style": "path"}
    )
    async with session.client("s3", endpoint_url=bucket.endpoint or None, config=config) as client:
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket.name, Prefix=bucket.prefix
        )
        async for page in pages:
            for item in page.get("Contents", ()):
                search.look("object's name", item["Key"], item["Key"].encode())
                if item["LastModified"].timestamp() >= since:
                    head = await client.head_object(Bucket=bucket.name, Key=item["Key"])
                    search.look("object's metadata", item["Key"], repr((item, head)).encode())


# ---- files and processes


def _logs(search: Search, logs: Sequence[Path]) -> None:
    if not logs:
        search.unseen["log files"] = "none was named: --log FILE"
    for file in logs:
        try:
            search.read("log", str(file), file)
        except OSError as error:
            search.unseen[f"log {file}"] = type(error).__name__


def _processes(search: Search, settings: Settings, places: Places) -> None:
    folders = {Path(tempfile.gettempdir())}
    pids: set[int] = set()
    if sys.platform != "linux" or not PROC.is_dir():
        search.unseen["processes"] = "this system does not show them"
    else:
        pids = set(places.pids) or gateways()
        if not pids:
            search.unseen["processes"] = "no gateway runs on this machine"
    for pid in sorted(pids):
        folders |= set(folders_of(environment(pid)))
        search.process(pid)
    for folder in folders:
        if folder.is_dir():
            search.look("temporary file", folder.name, folder.name.encode())
            search.files("temporary file", folder, places.since, settings.home)
