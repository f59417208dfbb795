"""Server-sent events as bytes: `event:`, `data:`, and comments that keep a connection alive."""

from collections.abc import Mapping, Sequence

import orjson

PING = b": ping\n\n"


def frame(name: str, field: Sequence[bytes], rest: Mapping[str, object]) -> list[bytes]:
    """An event whose data is `{"type": name, field, rest…}`, in pieces.

    *field* is JSON already: the pieces of one member of the object.
    """
    kind = name.encode()
    head = b'event: %s\ndata: {"type":"%s",' % (kind, kind)
    return [head, *field, b"," + orjson.dumps(rest)[1:] + b"\n\n"]


def message_frame(data: bytes) -> bytes:
    """A frame without an event name. Errors in the middle of a stream are such frames:
    both SDKs find `error` in the data, and nothing else.
    """
    return b"data: %s\n\n" % data


def event(name: str, data: bytes, sequence: int) -> bytes:
    """An event to resume after: its id is *sequence*. *data* is JSON without line breaks."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (sequence, name.encode(), data)
