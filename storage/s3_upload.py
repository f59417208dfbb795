"""One object on its way into a bucket in parts, few of them in memory at a time.

The library's own `upload_fileobj` keeps ten times as much in memory.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

PART_BYTES: Final = 8 * 1024 * 1024
"""Of every part but the last. S3 takes 10,000 parts: 78 GiB."""
PARTS_IN_FLIGHT: Final = 2
ABORT_SECONDS: Final = 10.0

Call = Callable[..., Awaitable[dict[str, Any]]]
"""`call(operation, **arguments)`; raises OSError."""


class Upload:
    """A multipart upload, which begins with the first part that is sent."""

    def __init__(self, call: Call, key: str, content_type: str) -> None:
        self._call = call
        self._key = key
        self._content_type = content_type
        self._id = ""
        self._parts: list[asyncio.Task[dict[str, Any]]] = []

    @property
    def has_begun(self) -> bool:
        """Whether parts were sent."""
        return bool(self._id)

    async def send(self, part: io.BytesIO) -> None:
        """Send the next part; waits until fewer than `PARTS_IN_FLIGHT` are under way.

        Raises OSError, also when an earlier part failed.
        """
        if not self._id:
            answer = await self._call(
                "create_multipart_upload", Key=self._key, ContentType=self._content_type
            )
            self._id = str(answer["UploadId"])
        await self._wait(PARTS_IN_FLIGHT - 1)
        self._parts.append(asyncio.create_task(self._send(len(self._parts) + 1, part)))

    async def complete(self) -> None:
        """Wait for all parts, and let the object appear."""
        await self._wait(0)
        parts = [task.result() for task in self._parts]
        await self._call(
            "complete_multipart_upload",
            Key=self._key,
            UploadId=self._id,
            MultipartUpload={"Parts": parts},
        )

    async def abort(self) -> None:
        """Leave nothing behind, as far as the bucket can be reached: its own rule does the rest."""
        for task in self._parts:
            task.cancel()
        await asyncio.gather(*self._parts, return_exceptions=True)
        if not self._id:
            return
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(ABORT_SECONDS):
                await self._call("abort_multipart_upload", Key=self._key, UploadId=self._id)

    async def _send(self, number: int, part: io.BytesIO) -> dict[str, Any]:
        part.seek(0)
        answer = await self._call(
            "upload_part", Key=self._key, UploadId=self._id, PartNumber=number, Body=part
        )
        part.close()  # the memory goes now, not when the task is forgotten
        return {"PartNumber": number, "ETag": answer["ETag"]}

    async def _wait(self, left: int) -> None:
        """Until at most *left* parts are under way; raises what a part raised."""
        while True:
            under_way = [task for task in self._parts if not task.done()]
            for task in self._parts:
                if task.done():
                    task.result()
            if len(under_way) <= left:
                return
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
