"""A raw HTTP/1.1 connection, for what no client library would send."""

import asyncio
from dataclasses import dataclass

from tests.bridge.scripted_core import GOOD_KEY, WAIT


class Wire:
    """A raw HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def post(self, path: str, body: bytes, *headers: str, length: int | None = None) -> None:
        head = (
            f"POST {path} HTTP/1.1",
            "host: x",
            f"authorization: Bearer {GOOD_KEY}",
            "content-type: application/json",
            f"content-length: {len(body) if length is None else length}",
            *headers,
        )
        await self.send("\r\n".join((*head, "", "")).encode(), body)

    async def answer(self) -> "Answer":
        """The next answer: status, headers, body (chunks joined)."""
        async with asyncio.timeout(WAIT):
            head = await self._reader.readuntil(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = b""
            if "content-length" in headers:
                body = await self._reader.readexactly(int(headers["content-length"]))
            elif headers.get("transfer-encoding") == "chunked":
                while size := int(await self._reader.readline(), 16):
                    body += await self._reader.readexactly(size)
                    await self._reader.readline()
                await self._reader.readline()
            elif "connection" in headers:
                body = await self._reader.read()
            return Answer(int(lines[0].split()[1]), headers, body)

    async def read(self, count: int = 65536) -> bytes:
        async with asyncio.timeout(WAIT):
            return await self._reader.read(count)

    async def is_closed(self) -> bool:
        """Wait for the end of the connection, by close or reset."""
        try:
            while await self.read():
                pass
        except ConnectionError:
            pass
        return True

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
