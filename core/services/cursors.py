"""Page tokens: where a page begins, bound to the list that it came from."""

import base64
import binascii
import hashlib
from uuid import UUID

from core.errors import GatewayError, Reason

DEFAULT_SIZE = 20
MAXIMUM_SIZE = 100
_CHECK = 8
_ID = 16


def size_of(page_size: int, default: int = DEFAULT_SIZE, maximum: int = MAXIMUM_SIZE) -> int:
    """How many to return; raises INVALID_PARAMETER for a negative number."""
    if page_size < 0:
        raise GatewayError(
            Reason.INVALID_PARAMETER, "page_size must not be negative.", parameter="page_size"
        )
    return min(page_size or default, maximum)


def token(last: UUID, *facts: object) -> str:
    """The token of the page after *last* of the list that *facts* tell from others."""
    return _written(last.bytes, facts)


def name_token(last: str, *facts: object) -> str:
    """The same where what is listed goes by names."""
    return _written(last.encode(), facts)


def after(text: str, *facts: object) -> UUID | None:
    """The last one of the page before; None for the first page. Raises INVALID_PARAMETER."""
    if not text:
        return None
    last = _read(text, facts)
    if len(last) != _ID:
        raise _foreign()
    return UUID(bytes=last)


def name_after(text: str, *facts: object) -> str:
    """The last name of the page before; empty for the first page. Raises INVALID_PARAMETER."""
    if not text:
        return ""
    try:
        return _read(text, facts).decode()
    except UnicodeDecodeError:
        raise _foreign() from None


def _written(last: bytes, facts: tuple[object, ...]) -> str:
    return base64.urlsafe_b64encode(last + _digest(facts)).decode()


def _read(text: str, facts: tuple[object, ...]) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii"))
    except (ValueError, binascii.Error):
        data = b""
    if len(data) <= _CHECK or data[-_CHECK:] != _digest(facts):
        raise _foreign()
    return data[:-_CHECK]


def _foreign() -> GatewayError:
    return GatewayError(
        Reason.INVALID_PARAMETER,
        "page_token is not from this list with these parameters.",
        parameter="page_token",
    )


def _digest(facts: tuple[object, ...]) -> bytes:
    return hashlib.sha256("\0".join(str(fact) for fact in facts).encode()).digest()[:_CHECK]
