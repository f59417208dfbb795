"""The quote that a request carries: the field `quote_token` of its body, or a header."""

from typing import Final

from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange

HEADER: Final = "x-reapi-quote"
_KEY: Final = HEADER.encode()
_LONGEST: Final = 4_096
"""Characters: as many as core reads."""


def quote_token(exchange: Exchange, field: str) -> str:
    """The token, or an empty text. Raises INVALID_PARAMETER for two different ones."""
    value = exchange.headers.get(_KEY)
    if value is None and not field:
        return ""
    text = "" if value is None else value.decode("latin-1").strip()
    if field and text and field != text:
        raise ApiError(
            "INVALID_PARAMETER",
            f"The header {HEADER} and `quote_token` name different quotes: give one of them.",
            parameter="quote_token",
        )
    token = field or text
    if len(token) > _LONGEST or not (token.isascii() and token.isprintable()):
        raise ApiError("INVALID_PARAMETER", "This is not a quote.", parameter="quote_token")
    return token
