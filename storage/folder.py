"""Outputs in a folder: the embedded stand-in for a bucket.

An object appears under its name only when it is complete (write, then rename). Names are
`/`-separated; in the folder an object is one flat file within one of 256 shards, so that
storing one costs no directory of its own.
"""

import asyncio
import itertools
import os
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SMALL = 64 * 1024
"""Up to this many bytes are read without a hop to a thread."""
WRITTEN_AT_ONCE = 2 * 1024 * 1024
"""Up to this many bytes are written without one: the page cache takes half a millisecond a
mebibyte, less than what the two threads then cost each other."""
PIECE = 1024 * 1024

DRAFT_SECONDS = 3600.0

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*){0,7}\Z")


@dataclass(frozen=True, slots=True)
class Found:
    """A stored object: its length in bytes and when it was stored (seconds since 1970)."""

    size: int
    stored_at: float


class FolderStore:
    """Objects by name. All methods may raise OSError when the disk fails.

    Paths are strings here: a `Path` for each output costs more than the write itself.
    """

    def __init__(self, root: Path, *, sync: bool = False) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = str(root)
        self._sync = sync
        # Drafts of other processes on the same folder have other names.
        self._draft = f"~{secrets.token_hex(8)}-"
        self._numbers = itertools.count()

    async def put(self, name: str, data: bytes) -> None:
        """Store *data* under *name*; an object of that name is replaced."""
        path = self._path(name)
        if len(data) <= WRITTEN_AT_ONCE and not self._sync:
            self._write(path, data)
        else:
            await asyncio.to_thread(self._write, path, data)

    async def put_stream(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """Store under *name* what *chunks* yield (each ≤ 1 MiB), and return how many bytes.

        Nothing appears under the name before the last one; whatever *chunks* raise, or a
        cancellation, leaves nothing behind.
        """
        path = self._path(name)
        draft, descriptor = self._open_draft(path)
        size = 0
        try:
            async for chunk in chunks:
                _write_all(descriptor, chunk)
                size += len(chunk)
            if self._sync:
                await _synced(descriptor)
            os.replace(draft, path)  # noqa: PTH105 - as for `put`: microseconds
        except BaseException:
            _unlink_draft(draft)
            raise
        finally:
            os.close(descriptor)
        return size

    async def find(self, name: str) -> Found | None:
        """Look an object up; None when there is none of that name."""
        return self._found(name) if is_name(name) else None

    async def read(self, name: str, offset: int = 0, limit: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from *offset*, at most *limit* (0: to the end), in pieces ≤ 1 MiB.

        Raises FileNotFoundError.
        """
        if not is_name(name):
            raise FileNotFoundError
        with self._open(name) as file:
            file.seek(offset)
            left = limit or (os.fstat(file.fileno()).st_size - offset)
            while left > 0:
                size = min(PIECE, left)
                if size <= SMALL:
                    piece = file.read(size)
                else:
                    piece = await asyncio.to_thread(file.read, size)
                if not piece:
                    return
                left -= len(piece)
                yield piece

    async def delete(self, name: str) -> bool:
        """Remove an object; False when there was none."""
        return is_name(name) and self._unlink(name)

    async def sweep(self, now: float, keep_seconds: float) -> int:
        """Delete objects stored more than *keep_seconds* before *now* (seconds since 1970).

        Drafts that a crash left behind go after an hour. Returns how many files went.
        """
        return await asyncio.to_thread(self._sweep, now, keep_seconds)

    def _sweep(self, now: float, keep_seconds: float) -> int:
        swept = 0
        for shard in os.scandir(self._root):
            for entry in os.scandir(shard.path) if shard.is_dir() else ():
                age = now - entry.stat().st_mtime
                if age > (DRAFT_SECONDS if entry.name.endswith(".part") else keep_seconds):
                    Path(entry.path).unlink(missing_ok=True)
                    swept += 1
        return swept

    def _found(self, name: str) -> Found | None:
        try:
            status = Path(self._path(name)).stat()
        except FileNotFoundError:
            return None
        return Found(status.st_size, status.st_mtime)

    def _open(self, name: str) -> BinaryIO:
        return Path(self._path(name)).open("rb")

    def _unlink(self, name: str) -> bool:
        try:
            Path(self._path(name)).unlink()
        except FileNotFoundError:
            return False
        return True

    def _path(self, name: str) -> str:
        return f"{self._root}/{sum(name.encode()[-28:]) & 0xFF:02x}/{name.replace('/', '~')}"

    def _open_draft(self, path: str) -> tuple[str, int]:
        """A new file beside *path*, on the same file system: its name and descriptor."""
        draft = f"{path}{self._draft}{next(self._numbers)}.part"
        try:
            return draft, os.open(draft, _NEW, 0o600)
        except FileNotFoundError:  # the first object of its shard
            Path(path).parent.mkdir(exist_ok=True)
            return draft, os.open(draft, _NEW, 0o600)

    def _write(self, path: str, data: bytes) -> None:
        draft, descriptor = self._open_draft(path)
        try:
            _write_all(descriptor, data)
            if self._sync:
                os.fsync(descriptor)
            os.replace(draft, path)  # noqa: PTH105 - on the hot path, see above
        except OSError:
            _unlink_draft(draft)
            raise
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):  # the disk took a part only
        written += os.write(descriptor, memoryview(data)[written:])


async def _synced(descriptor: int) -> None:
    """Wait for the disk; when cancelled too, since the descriptor is closed right after."""
    syncing = asyncio.ensure_future(asyncio.to_thread(os.fsync, descriptor))
    try:
        await asyncio.shield(syncing)
    except asyncio.CancelledError:
        await asyncio.wait({syncing})
        raise


def _unlink_draft(draft: str) -> None:
    Path(draft).unlink(missing_ok=True)


def is_name(name: str) -> bool:
    """Whether *name* may name an object: no dot segments, no odd characters."""
    return len(name) <= 200 and _NAME.match(name) is not None
