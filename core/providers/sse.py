"""Server-sent events: bytes in, events out, wherever the network cut them. Pure.

The format is the "event stream" of the HTML standard. `id` and `retry` are ignored: an
answer that broke off is never resumed.
"""

from collections.abc import Iterator

from core.body import Body
from core.providers.wire import Event

_BOM = b"\xef\xbb\xbf"


class EventTooLargeError(Exception):
    """An event, or a line that may become one, has more bytes than allowed."""


class SseDecoder:
    """Takes the bytes of one stream in any pieces and gives its events in order.

    A line of many megabytes that comes in many pieces is put together once, when its end
    is there. An event that the end of the stream cut off is never given.
    """

    def __init__(self, maximum_event_bytes: int) -> None:
        self._maximum = maximum_event_bytes
        self._held: list[bytes] = []
        """Pieces of the line that has not ended yet."""
        self._held_bytes = 0
        self._name = ""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_carriage_return = False
        self._started = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that *data* completes; take them all before feeding more.

        Raises EventTooLargeError.
        """
        if self._after_carriage_return and data:
            # The \r ended its line at once; a \n that follows belongs to it.
            data = data.removeprefix(b"\n")
            self._after_carriage_return = False
        if not data:
            return
        self._after_carriage_return = data.endswith(b"\r")
        # bytes.splitlines knows exactly the three line ends of the standard.
        for piece in data.splitlines(keepends=True):
            self._held_bytes += len(piece)
            if self._held_bytes + self._data_bytes > self._maximum:
                raise EventTooLargeError
            line = piece.rstrip(b"\r\n")
            if len(line) == len(piece):
                self._held.append(piece)
                return
            if self._held:
                self._held.append(line)
                line = b"".join(self._held)
                self._held.clear()
            self._held_bytes = 0
            if not self._started:
                self._started = True
                line = line.removeprefix(_BOM)
            if line:
                self._field(line)
            elif (event := self._dispatched()) is not None:
                yield event

    def _field(self, line: bytes) -> None:
        colon = line.find(b":")
        if colon < 0:
            name, value = line, b""
        else:
            start = colon + 2 if line[colon + 1 : colon + 2] == b" " else colon + 1
            name, value = line[:colon], line[start:]
        if name == b"data":
            self._data.append(value)
            self._data_bytes += len(line)
        elif name == b"event":
            self._name = value.decode(errors="replace")

    def _dispatched(self) -> Event | None:
        lines, name = self._data, self._name
        self._data, self._data_bytes, self._name = [], 0, ""
        if not lines:
            return None
        return Event(name, Body(lines[0] if len(lines) == 1 else b"\n".join(lines)))
