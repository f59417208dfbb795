"""Pages of lists: sizes, and where a page begins.

A page follows a generation. Our own token names it and is bound to the request that it came
from; its id in any rendering does as well, since OpenAI's `after` is the id of an item.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from uuid import UUID

from core.engine.records import Listing
from core.errors import GatewayError, Reason
from core.model import Kind
from core.services.names import generation_id
from reapi.v1 import generation_service_pb2 as pb

DEFAULT_SIZE = 20
MAXIMUM_SIZE = 100
_CHECK = 8
_MODEL = re.compile(r"[A-Za-z0-9._/-]{1,96}\Z")


@dataclass(frozen=True, slots=True)
class Page:
    """Which generations to list."""

    size: int
    kinds: frozenset[Kind]
    models: frozenset[str]
    oldest_first: bool
    after: UUID | None
    """The last one of the page before."""

    def listing(self) -> Listing:
        """What to read: one more than the page, to know whether there is another."""
        return Listing(self.size + 1, self.after, self.kinds, self.models, self.oldest_first)


def parse(request: pb.ListGenerationsRequest, kinds: frozenset[Kind]) -> Page:
    """Read a request; raises INVALID_PARAMETER for a negative size or a foreign token.

    An id is not looked up: pages go by its time, whether it is still there or not.
    """
    if request.page_size < 0:
        raise GatewayError(
            Reason.INVALID_PARAMETER, "page_size must not be negative.", parameter="page_size"
        )
    if any(_MODEL.match(model) is None for model in request.models):
        raise GatewayError(
            Reason.INVALID_PARAMETER, "models must be ids of models.", parameter="models"
        )
    size = min(request.page_size or DEFAULT_SIZE, MAXIMUM_SIZE)
    page = Page(size, kinds, frozenset(request.models), request.oldest_first, None)
    if not request.page_token:
        return page
    after = _after(page, request.page_token)
    return Page(size, page.kinds, page.models, page.oldest_first, after)


def token(page: Page, last: UUID) -> str:
    """The token of the page after *last*."""
    return base64.urlsafe_b64encode(last.bytes + _digest(page)).decode()


def _after(page: Page, text: str) -> UUID:
    # 32 hex digits would be base64 too, but no token of ours: its bytes are random.
    try:
        return generation_id(text)
    except GatewayError:
        return _read_token(page, text)


def _read_token(page: Page, text: str) -> UUID:
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii"))
    except (ValueError, binascii.Error):
        data = b""
    if len(data) != 16 + _CHECK or data[16:] != _digest(page):
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            "page_token is not from this list with these parameters.",
            parameter="page_token",
        )
    return UUID(bytes=data[:16])


def _digest(page: Page) -> bytes:
    parts = [*sorted(page.kinds), "|", *sorted(page.models), "|", str(page.oldest_first)]
    return hashlib.sha256("\0".join(parts).encode()).digest()[:_CHECK]
