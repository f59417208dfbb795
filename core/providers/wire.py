"""What a dialect and the driver hand each other: calls, replies, events. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Protocol

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Channel, Piece
from core.values import dataclass

EVENT_STREAM = "text/event-stream"

Clear = Callable[[], None]
"""Called when nothing is left but to write, and before each slice of a large body.

An error of it ends the call, and nothing more is sent: an unfinished request makes nothing.
"""


def at_any_time() -> None:
    """Whoever calls may send at any time."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a `multipart/form-data` body.

    `name`, `filename` and `media_type` are the dialect's own words, never a caller's.
    Without a filename it is a plain field.
    """

    name: str
    data: Body[bytes]
    filename: str = ""
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, ready to be sent.

    `path` is appended to the channel's base URL and is already percent-encoded. `headers`
    hold the authorization; the driver adds what every request has and what follows from the body.
    A body is of `media_type`, or the parts of a form, or nothing.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: Body[bytes] | tuple[Part, ...] | None = None
    streams: bool = False
    """The provider answers with headers at once and then with events."""
    aside: bool = False
    """Goes to the channel's `side_url`."""
    sound: str = ""
    """The provider answers with a sound of this MIME type, and sends it while it is made."""
    media_type: str = "application/json"
    """Of a body that is no form."""
    url: Body[str] | None = None
    """An address that the provider gave, to be asked instead of `path`: on the open internet, or
    where the channel's results may be. No header of the call goes there, whatever it holds."""


@dataclass(slots=True)
class Reply:
    """One complete answer. Header names are matched without regard to case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: Body[bytes]
    received_at: float
    """Seconds since the epoch: what a Retry-After date is compared with."""

    def document(self) -> dict[str, object] | None:
        """The JSON object in the body, or None if it is something else.

        Lets go of the body, so that an answer of many megabytes of base64 is not held
        twice while its images are decoded. Call it once.
        """
        body, self.body = self.body, Body(b"")
        try:
            found = orjson.loads(body.reveal())
        except orjson.JSONDecodeError:
            return None
        return found if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its name (empty where none was sent) and its data."""

    name: str
    data: Body[bytes]

    def document(self) -> dict[str, object] | None:
        """The JSON object in the data, or None if it is something else."""
        try:
            found = orjson.loads(self.data.reveal())
        except orjson.JSONDecodeError:
            return None
        return found if isinstance(found, dict) else None


class EventReader(Protocol):
    """Makes pieces of the events of one streamed answer."""

    @property
    def complete(self) -> bool:
        """Whether nothing that may still come can change the outcome."""

    def feed(self, event: Event) -> Iterable[Piece]:
        """The pieces that *event* completes. Raises UpstreamError if it tells of a failure."""

    def finish(self) -> Iterable[Piece]:
        """The last pieces, once the stream has ended in good order.

        Raises UpstreamError if a promised output is missing.
        """


def bearer(channel: Channel) -> dict[str, str]:
    """The authorization that most providers want."""
    return {"authorization": f"Bearer {channel.credential.reveal()}"}


def invalid() -> UpstreamError:
    """The error for an answer that is not one."""
    return UpstreamError(Fault.INVALID_RESPONSE)
