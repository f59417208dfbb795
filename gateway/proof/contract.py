"""The contract, found by walking it: every RPC, and every text that a request may hold.

What is new in the contract is walked without a change here.
"""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from reapi.v1 import privacy_pb2
from rest_bridge.transcoding import CONTRACT

DEEPEST: Final = 3
"""How often a message may stand in itself."""

_OPTION: Final[Any] = privacy_pb2.privacy

Path = tuple[FieldDescriptor, ...]


def methods() -> list[MethodDescriptor]:
    """Every RPC of the contract."""
    services = (service for file in CONTRACT for service in file.services_by_name.values())
    return [method for service in services for method in service.methods]


def texts(message: Descriptor, above: Path = ()) -> Iterator[Path]:
    """Every text and every bytes below *message*, as the fields that lead there."""
    for field in message.fields if not message.full_name.startswith("google.") else ():
        path, inner = (*above, field), field.message_type
        if inner is None:
            if field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
                yield path
        elif [each.message_type for each in above].count(inner) < DEEPEST:
            yield from texts(inner, path)


def class_of(path: Path) -> int:
    """How the contract says that a text must be treated (PrivacyClass), itself or above; 0: not."""
    for field in reversed(path):
        if found := int(field.GetOptions().Extensions[_OPTION]):
            return found
    return 0


def name_of(method: MethodDescriptor, path: Path = ()) -> str:
    """What a field is called in findings."""
    return f"{method.containing_service.name}.{method.name}: {'.'.join(f.name for f in path)}"


def every_text() -> set[str]:
    """The names of all texts of all requests."""
    return {name_of(method, path) for method in methods() for path in texts(method.input_type)}


def classed(message: Any) -> Iterator[tuple[int, bytes]]:
    """Every text of *message* that is somebody's, with its class."""
    for path in texts(message.DESCRIPTOR):
        if kind := class_of(path):
            for value in _values(message, path):
                yield kind, value


def put(message: Message, path: Path, word: str) -> None:
    """Write *word* where *path* leads, into a new item of each list and map on the way."""
    *above, last = path
    into: Any = message
    for field in above:
        if (entry := _entry_of(field)) is not None:
            into = _Entry(getattr(into, field.name), entry)
        elif field.is_repeated:
            into = getattr(into, field.name).add()
        elif isinstance(into, _Entry):
            into = into.value(word)
        else:
            into = getattr(into, field.name)
            into.SetInParent()
    value = word.encode() if last.type == FieldDescriptor.TYPE_BYTES else word
    if isinstance(into, _Entry):
        into.put(last.name, value)
    elif last.is_repeated:
        getattr(into, last.name).append(value)
    else:
        setattr(into, last.name, value)


class _Entry:
    """One entry of a map on its way into it."""

    def __init__(self, into: Any, entry: Descriptor) -> None:
        self._into = into
        self._of_messages = entry.fields_by_name["value"].message_type is not None

    def value(self, key: str) -> Any:
        return self._into[key]

    def put(self, name: str, word: Any) -> None:
        if self._of_messages:
            self._into[word].SetInParent()
        else:
            self._into[word if name == "key" else "key"] = word


def _entry_of(field: FieldDescriptor) -> Descriptor | None:
    """What the entries of a map are; None for what is no map."""
    inner = field.message_type
    return inner if inner is not None and inner.GetOptions().map_entry else None


def _values(message: Any, path: Path) -> Iterator[bytes]:
    """What stands where *path* leads; a map counts as a whole."""
    field, *below = path
    value = getattr(message, field.name)
    if _entry_of(field) is not None:
        yield message.SerializeToString()
        return
    for each in value if field.is_repeated else (value,):
        if below:
            yield from _values(each, tuple(below))
        else:
            yield each if isinstance(each, bytes) else each.encode()
