"""The object store in a dict: obeys the same contract as the folder and ships to users' tests."""

from collections.abc import AsyncGenerator, AsyncIterator
from time import time

from storage.folder import PIECE, Found, is_name


class MemoryStore:
    """Objects by name."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, float]] = {}

    async def put(self, name: str, data: bytes) -> None:
        """Store *data* under *name*; an object of that name is replaced."""
        self.objects[name] = (data, time())

    async def put_stream(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """Store under *name* what *chunks* yield, once they ended; return how many bytes."""
        data = b"".join([chunk async for chunk in chunks])
        await self.put(name, data)
        return len(data)

    async def find(self, name: str) -> Found | None:
        """Look an object up; None when there is none of that name."""
        if not is_name(name) or name not in self.objects:
            return None
        data, stored_at = self.objects[name]
        return Found(len(data), stored_at)

    async def read(self, name: str, offset: int = 0, limit: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from *offset*, at most *limit* (0: to the end), in pieces ≤ 1 MiB."""
        if name not in self.objects:
            raise FileNotFoundError
        data = self.objects[name][0]
        end = offset + limit if limit else len(data)
        for start in range(offset, min(end, len(data)), PIECE):
            yield data[start : min(start + PIECE, end)]

    async def delete(self, name: str) -> bool:
        """Remove an object; False when there was none."""
        return self.objects.pop(name, None) is not None
