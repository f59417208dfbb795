"""Links to results on the channel's own port, as an object store hosts them, and the results.

A link says what it leads to and until when, and is signed with a key of this process: nothing of a
result is kept until somebody reads it, and no link can be made up.
"""

import hmac
import re
import secrets
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qs, urlencode
from uuid import uuid4

from simulator.answer import Answer, Incoming
from simulator.images import ImageCache, Recipe
from simulator.videos import VideoCache, VideoRecipe

PREFIX: Final = "/hosted/"
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_XML: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
    "<RequestId>{request_id}</RequestId></Error>"
)


_IMAGE: Final = re.compile(r"([0-9]+)x([0-9]+)-([0-9]+)(?:-([0-9]+))?\.(jpeg|png|webp)")
_VIDEO: Final = re.compile(r"([0-9]+)x([0-9]+)-([0-9]+)s-([01])-([0-9]+)\.mp4")
# JPEG quality of hosted images.
COMPRESSION: Final = 90


class LinkRefused(Exception):
    """A link leads nowhere: HTTP `status`, and a `code` in the store's words."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code

    def answer(self) -> Answer:
        """Give the store's XML error."""
        text = _XML.format(code=self.code, message=_MESSAGES[self.code], request_id=uuid4().hex)
        headers = {"content-type": "application/xml"}
        return Answer(self.status, headers, (text.encode(),), outcome="error")


_MESSAGES: Final[Mapping[str, str]] = {
    "AccessDenied": "Request has expired",
    "SignatureDoesNotMatch": "The request signature we calculated does not match the signature you "
    "provided. Check your Secret Access Key and signing method.",
    "NoSuchKey": "The specified key does not exist.",
    "MethodNotAllowed": "The specified method is not allowed against this resource.",
}


class Links:
    """Makes and checks links below one base URL. Times are Unix seconds."""

    def __init__(self) -> None:
        self.base_url = ""
        self._key = secrets.token_bytes(32)

    def link(self, folder: str, name: str, now: float, seconds: int) -> str:
        """Give a link to the file *name*, which works for so many *seconds*."""
        path = f"{PREFIX}{folder}/{name}"
        date, lasts = str(int(now * 1_000)), str(seconds)
        query = {
            "X-Tos-Algorithm": "TOS4-HMAC-SHA256",
            "X-Tos-Date": date,
            "X-Tos-Expires": lasts,
            "X-Tos-Signature": self._sign(path, date, lasts),
        }
        return f"{self.base_url}{path}?{urlencode(query)}"

    def open(self, path: str, query: str, now: float) -> str:
        """Give the name of the file that a link leads to; raises LinkRefused."""
        given = {name: values[0] for name, values in parse_qs(query).items()}
        date, lasts = given.get("X-Tos-Date", ""), given.get("X-Tos-Expires", "")
        signature = given.get("X-Tos-Signature", "")
        if not hmac.compare_digest(signature.encode(), self._sign(path, date, lasts).encode()):
            raise LinkRefused(403, "SignatureDoesNotMatch")
        if now * 1_000 >= int(date) + int(lasts) * 1_000:
            raise LinkRefused(403, "AccessDenied")
        return path.rpartition("/")[2]

    def _sign(self, path: str, date: str, lasts: str) -> str:
        text = f"{path}\n{date}\n{lasts}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, sha256).hexdigest()


class Shelf:
    """Serves the results that links lead to, drawing or encoding them when they are read."""

    def __init__(self, images: ImageCache, videos: VideoCache) -> None:
        self.links = Links()
        self._images = images
        self._videos = videos

    async def answer(self, incoming: Incoming, now: float) -> Answer:
        """Answer GET and HEAD below PREFIX; *now* in Unix seconds."""
        try:
            if incoming.method not in {"GET", "HEAD"}:
                raise LinkRefused(405, "MethodNotAllowed")
            name = self.links.open(incoming.path, incoming.query, now)
            content_type, data = await self._content(name)
        except LinkRefused as refused:
            return refused.answer()
        return file_answer(data, content_type, incoming.headers.get("range"))

    async def _content(self, name: str) -> tuple[str, bytes]:
        if (video := _VIDEO.fullmatch(name)) is not None:
            width, height, seconds, audio, variant = (int(part) for part in video.groups())
            recipe = VideoRecipe(width, height, seconds, bool(audio), variant)
            return "video/mp4", await self._videos.mp4(recipe)
        if (image := _IMAGE.fullmatch(name)) is not None:
            encoded = await self._images.base64(
                Recipe(
                    width=int(image[1]),
                    height=int(image[2]),
                    image_format=image[5],
                    compression=COMPRESSION,
                    transparent=False,
                    variant=int(image[3]),
                    padded_bytes=int(image[4]) if image[4] else None,
                )
            )
            return f"image/{image[5]}", b64decode(encoded)
        raise LinkRefused(404, "NoSuchKey")


def image_name(recipe: Recipe) -> str:
    """Give the name under which the image of *recipe* is hosted: opaque, of COMPRESSION."""
    assert recipe == replace(recipe, compression=COMPRESSION, transparent=False, blur=0)
    padded = "" if recipe.padded_bytes is None else f"-{recipe.padded_bytes}"
    return f"{recipe.width}x{recipe.height}-{recipe.variant}{padded}.{recipe.image_format}"


def video_name(recipe: VideoRecipe) -> str:
    """Give the name under which the video of *recipe* is hosted."""
    size = f"{recipe.width}x{recipe.height}"
    return f"{size}-{recipe.seconds}s-{recipe.audio:d}-{recipe.variant}.mp4"


def file_answer(data: bytes, content_type: str, range_header: str | None) -> Answer:
    """Answer with a file, or with the one range of it that was asked for.

    A header that is no single range of bytes is ignored, as HTTP allows; one beyond the end is 416.
    """
    etag = f'"{sha256(data).hexdigest()[:32]}"'
    headers = {"content-type": content_type, "accept-ranges": "bytes", "etag": etag}
    match = _RANGE.fullmatch(range_header or "")
    if match is None or not (match[1] or match[2]):
        return Answer(200, headers, (data,))
    size = len(data)
    if match[1]:
        start, end = int(match[1]), min(int(match[2] or size), size - 1)
    else:
        start, end = max(0, size - int(match[2])), size - 1
    if start >= size or start > end:
        headers["content-range"] = f"bytes */{size}"
        return Answer(416, headers, (b"",), outcome="error")
    headers["content-range"] = f"bytes {start}-{end}/{size}"
    return Answer(206, headers, (data[start : end + 1],))
