"""What goes wrong between a sender and the mail service, on demand.

status  HTTP `status` with Resend's body for it; 429 with `retry_after`. The mail server answers 450
        for a status below 500 and 550 from 500 on (`status` 421 to 599 as it is, where it is one
        of SMTP's).
hang    No answer until the sender leaves.
reset   The connection ends without an answer.

With `done` the mail was taken all the same (HTTP only). `times` (1 by default, null: for ever)
counts those that are met.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Final

from aiohttp import web

from simulator.delivery import reset
from simulator.json_object import JsonObject, one_of, within

KINDS: Final = ("status", "hang", "reset")
WAYS: Final = ("http", "smtp")
_NAMES: Final[Mapping[int, tuple[str, str]]] = {
    401: ("restricted_api_key", "This API key is restricted to only send emails."),
    403: ("validation_error", "The domain is not verified."),
    409: (
        "concurrent_idempotent_requests",
        "Another request with the same idempotency key is in progress.",
    ),
    422: ("validation_error", "Invalid field."),
    429: ("rate_limit_exceeded", "Too many requests."),
}
_BROKEN: Final = ("internal_server_error", "An unexpected error occurred.")


@dataclass(frozen=True, slots=True)
class MailFault:
    """One fault; the module's table says what each kind does."""

    kind: str
    status: int = 500
    way: str = "http"
    done: bool = False
    times: int | None = 1
    retry_after: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be acted out."""
        one_of("kind", self.kind, KINDS)
        one_of("way", self.way, WAYS)
        within("status", self.status, 400, 599)
        if self.times is not None:
            within("times", self.times, 1, 1 << 40)

    async def suffer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Act it out over HTTP."""
        if self.kind == "hang":
            await asyncio.Event().wait()
        if self.kind == "reset":
            return reset(request)
        name, message = _NAMES.get(self.status, _BROKEN)
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        said = {"statusCode": self.status, "name": name, "message": message}
        return web.json_response(said, status=self.status, headers=headers)


class MailFaults:
    """The faults that wait, in the order they were put."""

    def __init__(self) -> None:
        self._waiting: list[MailFault] = []

    def put(self, fault: MailFault) -> None:
        """Add a fault."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Be well again."""
        self._waiting.clear()

    def waiting(self) -> list[dict[str, object]]:
        """Give what is still to come."""
        return [asdict(fault) for fault in self._waiting]

    def take(self, way: str) -> MailFault | None:
        """Give the fault that the mail now arriving must suffer, and count it."""
        for place, fault in enumerate(self._waiting):
            if fault.way != way:
                continue
            if fault.times is not None:
                left = fault.times - 1
                self._waiting[place : place + 1] = [replace(fault, times=left)] if left else []
            return fault
        return None


def parse_mail_fault(data: object) -> MailFault:
    """Read a fault from decoded JSON; raises ControlError naming the field."""
    given = JsonObject(data, tuple(known.name for known in fields(MailFault)))
    return MailFault(
        kind=given.text("kind"),
        status=given.integer("status", 500),
        way=given.text("way", "http"),
        done=given.flag("done"),
        times=given.integer("times", None) if given.has("times") else 1,
        retry_after=given.integer("retry_after", None),
    )
