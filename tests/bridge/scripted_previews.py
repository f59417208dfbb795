"""Previews as a scripted core tells them."""

from reapi.v1 import generation_service_pb2
from tests.bridge.scripted_core import Event


def partials(data: bytes, index: int = 0, piece: int = 1 << 20) -> list[Event]:
    """A preview in pieces."""
    offsets = range(0, len(data), piece)
    return [
        Event(
            seq=3,
            partial=generation_service_pb2.Partial(
                partial_index=index,
                media_type="image/png",
                offset=offset,
                data=data[offset : offset + piece],
                last=offset + piece >= len(data),
            ),
        )
        for offset in offsets
    ]
