"""Whole HTTP answers for what never reaches the application: broken heads, and who is shed."""

import secrets
from collections.abc import Mapping

from rest_bridge.cycle import STATUS_LINES
from rest_bridge.errors import RENDERINGS, ApiError, Row, error_body
from rest_bridge.headers import CORS, JSON, NO_STORE, OPENAI_VERSION

_ROWS: Mapping[int, tuple[Row, str]] = {
    400: (RENDERINGS["MALFORMED_REQUEST"], "We could not parse your HTTP request."),
    408: (RENDERINGS["REQUEST_TIMEOUT"], "The headers of the request did not arrive in time."),
    431: (
        Row(431, "invalid_request_error", "request_header_fields_too_large"),
        "The headers of the request are too large.",
    ),
    503: (RENDERINGS["OVERLOADED"], "The gateway has too many connections. Try again later."),
}


def whole(error: ApiError, *, crosses: bool) -> bytes:
    """The answer with *error*, as an exchange gives it; *crosses*: to another origin's page."""
    body = error.body()
    headers = [
        JSON,
        NO_STORE,
        *error.answer_headers(),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", b"req_" + secrets.token_hex(16).encode()),
        OPENAI_VERSION,
        (b"openai-processing-ms", b"0"),
        *(CORS if crosses else ()),
    ]
    head = b"".join([b"%b: %b\r\n" % header for header in headers])
    return b"".join((STATUS_LINES[error.rendering.status], head, b"\r\n", body))


def refusal(status: int) -> bytes:
    """The answer with *status* (400, 408, 431 or 503), and the end of the connection."""
    row, message = _ROWS[status]
    body = error_body(row, message, None)
    head = [
        STATUS_LINES[status],
        b"content-type: application/json\r\n",
        b"content-length: %d\r\n" % len(body),
        b"x-request-id: req_%s\r\n" % secrets.token_hex(16).encode(),
        b"connection: close\r\n",
    ]
    if row.retry_after:
        head.append(b"retry-after: 1\r\n")
    return b"".join((*head, b"\r\n", body))
