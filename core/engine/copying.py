"""Looks at a file while it passes by, on its way from a provider to the store."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Final

from core.errors import Fault, Phase, UpstreamError
from core.media import Probe, of_video, probe
from core.mp4 import VideoProbe

HEAD_BYTES: Final = 1024 * 1024
"""How much of an image is kept to find its size: profiles and previews may stand before it."""


class Copy:
    """One file of a known type. `found` is there once `passing` has ended well."""

    def __init__(self, media_type: str) -> None:
        self.digest = hashlib.sha256()
        self.size = 0
        self.found = Probe(media_type)
        self._head = bytearray()
        self._video = VideoProbe() if media_type == "video/mp4" else None

    async def passing(self, head: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Yield *head* and *rest* unchanged.

        At the end, before whoever stores them can take them for complete, raises
        UpstreamError INVALID_RESPONSE if they are not a whole file of the type.
        """
        yield self._seen(head)
        async for chunk in rest:
            yield self._seen(chunk)
        found = self._judged()
        if found is None:
            raise UpstreamError(Fault.INVALID_RESPONSE, Phase.BODY)
        self.found = found

    def _seen(self, chunk: bytes) -> bytes:
        self.digest.update(chunk)
        self.size += len(chunk)
        if self._video is not None:
            self._video.feed(chunk)
        elif len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
        return chunk

    def _judged(self) -> Probe | None:
        if self._video is None:
            found = probe(bytes(self._head))
            if found is None or self.size <= HEAD_BYTES:
                return found
            # Of a sound, its beginning does not tell how long it is.
            return replace(found, seconds=0.0)
        return of_video(self._video.found) if self._video.is_whole else None
