"""Looks for canaries where content could come to rest, and remembers what it looked at."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from psycopg import AsyncConnection, sql
from psycopg.errors import UndefinedTable

from gateway.proof.canaries import LENGTH, Canaries
from gateway.proof.processes import (
    command_line,
    descendants,
    environment,
    open_files,
    shows_its_files,
)

_PIECE: Final = 8 << 20
"""Bytes of a file in memory at a time."""
_OVERLAP: Final = 4 * LENGTH
"""Of two pieces: what stands across their border is found, hexadecimal with spaces too."""
_DATABASE: Final = "/postgres/data/"
_DELETED: Final = " (deleted)"
_TABLES: Final = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
 ORDER BY 1, 2
"""
"""Those with rows of their own: of a partitioned table its partitions."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A canary where it does not belong."""

    sink: str
    """`log`, `home`, `row`, `tmp`, `open file`, `command line`, `environment`, `metrics`, …"""
    place: str
    field: str


@dataclass(slots=True)
class Search:
    """One search through many places."""

    canaries: Canaries
    findings: set[Finding] = field(default_factory=set)
    items: Counter[str] = field(default_factory=Counter)
    """How many things were looked at, by sink."""
    size: Counter[str] = field(default_factory=Counter)
    """And how many bytes."""
    unseen: dict[str, str] = field(default_factory=dict)
    """What could not be looked at, and why."""

    def look(self, sink: str, place: str, data: bytes) -> None:
        """Look at something whole."""
        self.items[sink] += 1
        self._piece(sink, place, data)

    def read(self, sink: str, place: str, path: Path) -> None:
        """Look at a file, however large; raises OSError."""
        self.items[sink] += 1
        with path.open("rb") as file:
            before = b""
            while piece := file.read(_PIECE):
                self._piece(sink, place, before + piece)
                before = piece[-_OVERLAP:]

    def _piece(self, sink: str, place: str, data: bytes) -> None:
        self.size[sink] += len(data)
        self.findings.update(Finding(sink, place, what) for what in self.canaries.found_in(data))

    # ---- files

    def names(self, sink: str, folder: Path) -> None:
        """The names below *folder*."""
        for path in _below(folder):
            name = str(path.relative_to(folder))
            self.look(sink, name, name.encode())

    def files(
        self, sink: str, folder: Path, since: float = 0.0, besides: Path | None = None
    ) -> None:
        """Everything below *folder*: names, and what was written after *since* (Unix time).

        What is below *besides* is left out: it is looked at elsewhere.
        """
        for path in _below(folder):
            if besides is not None and path.is_relative_to(besides):
                continue
            name = str(path.relative_to(folder))
            self.look(sink, name, name.encode())
            try:
                found = path.lstat()
                if stat.S_ISREG(found.st_mode) and found.st_mtime >= since:
                    self.read(sink, name, path)
            except FileNotFoundError:
                continue  # it went away while we looked: PostgreSQL recycles its files
            except PermissionError:
                self.unseen[f"{sink} {name}"] = "it may not be read"

    # ---- processes

    def process(self, pid: int) -> None:
        """How a process and its children were started, and what they hold open."""
        if not command_line(pid):
            self.unseen[f"process {pid}"] = "it has ended, or is not ours to see"
            return
        for each in sorted({pid, *descendants(pid)}):
            self.look("command line", str(each), command_line(each))
            self.look("environment", str(each), environment(each))
            if not shows_its_files(each):
                self.unseen[f"open files of process {each}"] = "the kernel shows them to root only"
            else:
                self.open_files(each)

    def open_files(self, pid: int) -> None:
        """What a process holds open."""
        for name, path in open_files(pid):
            if _DATABASE in name and not name.endswith(_DELETED):
                continue  # it is read with the others of the database
            try:
                self.read("open file", name, path)
            except OSError:
                continue

    # ---- the database

    async def rows(self, connection: AsyncConnection[Any]) -> None:
        """Every value of every column of every table, as text."""
        cursor = await connection.execute(_TABLES)
        for schema, table in await cursor.fetchall():
            await self._table(connection, sql.Identifier(schema, table), table)

    async def _table(
        self, connection: AsyncConnection[Any], table: sql.Identifier, name: str
    ) -> None:
        statement = sql.SQL("SELECT * FROM {} LIMIT 0").format(table)
        try:
            found = (await connection.execute(statement)).description or ()
        except UndefinedTable:
            return  # a day that was dropped meanwhile
        columns = [column.name for column in found]
        copying = sql.SQL("COPY {} TO STDOUT").format(table)
        async with connection.cursor() as cursor, cursor.copy(copying) as copy:
            async for line in copy:
                data = bytes(line)
                self.items["row"] += 1
                self.size["row"] += len(data)
                if self.canaries.found_in(data):
                    self._row(name, columns, data)

    def _row(self, table: str, columns: list[str], line: bytes) -> None:
        for column, value in zip(columns, line.rstrip(b"\n").split(b"\t"), strict=True):
            for what in self.canaries.found_in(value):
                self.findings.add(Finding("row", f"{table}.{column}", what))

    # ---- the outcome

    def found(self) -> list[Finding]:
        """In order."""
        return sorted(self.findings)


def _below(folder: Path) -> Iterator[Path]:
    """Files and folders; what goes away meanwhile, or may not be read, is passed over."""
    for above, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(above, name)


def folders_of(command: bytes) -> Iterator[Path]:
    """Folders that an environment names for temporary files."""
    for line in command.split(b"\0"):
        name, _, value = line.partition(b"=")
        if name == b"TMPDIR" and value:
            yield Path(value.decode("utf-8", "surrogateescape"))
