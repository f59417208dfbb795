"""A zip archive as a stream: written as it is read, never whole in memory.

What is in memory is a piece of one file, and a directory entry (about a kilobyte) for each file.
"""

import hashlib
import json
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from typing import Final

PIECE: Final = 256 * 1024
"""What is gathered before it leaves."""
_COMPRESSION: Final = 6
_FORMAT: Final = "reapi-export-1"


class _Sink:
    """A file that can be written only, and emptied."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes, /) -> int:
        self._data += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing is open here."""

    def __len__(self) -> int:
        return len(self._data)

    def taken(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


class Archive:
    """Made of files, one after the other; the last is `manifest.json`, with every digest."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._sink = _Sink()
        # The sink has no more than what a zip file needs that is written from front to back.
        self._zip = zipfile.ZipFile(self._sink, "w", compresslevel=_COMPRESSION)
        self._files: list[dict[str, str | int]] = []
        self.size = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> bytes:
        """Of all that was given out."""
        return self._digest.digest()

    async def add(
        self, name: str, content: AsyncIterator[bytes], *, compressed: bool = True
    ) -> AsyncGenerator[bytes, None]:
        """The archive's bytes while a file goes in; whatever *content* raises is raised."""
        info = zipfile.ZipInfo(name, self._now.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        digest, size = hashlib.sha256(), 0
        with self._zip.open(info, "w", force_zip64=True) as file:
            async for piece in content:
                digest.update(piece)
                size += len(piece)
                file.write(piece)
                if len(self._sink) >= PIECE:
                    yield self._taken()
        self._files.append({"name": name, "size": size, "sha256": digest.hexdigest()})
        if len(self._sink) >= PIECE:
            yield self._taken()

    async def close(self, facts: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The rest: the manifest with *facts*, and the directory."""
        manifest = {"format": _FORMAT, **facts, "files": self._files}
        content = json.dumps(manifest, indent=1).encode()
        with self._zip.open("manifest.json", "w", force_zip64=True) as file:
            file.write(content)
        self._zip.close()
        whole = self._taken()
        for start in range(0, len(whole), PIECE):
            yield whole[start : start + PIECE]

    def _taken(self) -> bytes:
        data = self._sink.taken()
        self._digest.update(data)
        self.size += len(data)
        return data
