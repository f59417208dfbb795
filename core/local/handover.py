"""How a response crosses from handler to client: as bytes, or as the message itself.

`wire` (default): serialised and parsed, like every real call.
`handover`: the handler's message object itself becomes the client's, when it is exactly of the
    type that the client's stub parses; saves a serialisation and a parse. Sound only if a handler
    never touches a message, nor any part of it, after it wrote it, and never writes one twice.
`checked`: for tests. The client still gets its own parsed copy; the server keeps each written
    message until its handler ends and then proves that it is unchanged and was written once.

Requests always cross as bytes.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from google.protobuf.message import Message

Isolation: TypeAlias = Literal["wire", "handover", "checked"]


class HandoverViolation(AssertionError):
    """A handler changed a response after writing it, or wrote the same object twice."""


class HandoverWatch:
    """The responses that one handler has written, with the bytes they had then.

    *owned* is shared by the handlers of a server, so that one message written to two calls (a
    fan-out) is found too.
    """

    __slots__ = ("_owned", "_written")

    def __init__(self, owned: dict[int, Message]) -> None:
        self._owned = owned
        self._written: list[tuple[Message, bytes]] = []

    def note(self, message: object) -> None:
        """Remember *message*. Raises HandoverViolation if a live call has written it before."""
        if not isinstance(message, Message):
            return
        if id(message) in self._owned:
            raise HandoverViolation(f"{type(message).__name__} was written twice")
        self._owned[id(message)] = message
        self._written.append((message, _snapshot(message)))

    def verify(self) -> None:
        """Release the messages. Raises HandoverViolation if one is not what it was."""
        written, self._written = self._written, []
        for message, _ in written:
            del self._owned[id(message)]
        for message, before in written:
            if _snapshot(message) != before:
                raise HandoverViolation(f"{type(message).__name__} was changed after its write")


def parsed_type(deserializer: Callable[[bytes], Any] | None) -> type[Message] | None:
    """Return the message class whose `FromString` *deserializer* is, if it is one."""
    owner = getattr(deserializer, "__self__", None)
    return owner if isinstance(owner, type) and issubclass(owner, Message) else None


def _snapshot(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)
