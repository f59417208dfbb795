"""Makes generated messages refuse to show their content.

Python's protobuf ignores `debug_redact` and prints every field in repr, str and format.
`install` gives each class of the contract a default-deny formatter: numbers, booleans and
enums are shown, texts and bytes only by length. text_format and json_format cannot be
patched; a lint bans them outside the wire edge.
"""

from collections.abc import Iterable

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import Message

_HIDDEN = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


def install(files: Iterable[FileDescriptor]) -> None:
    """Replace `repr` and `str` of every message class in *files*."""
    for file in files:
        for descriptor in file.message_types_by_name.values():
            _patch(descriptor)


def _patch(descriptor: Descriptor) -> None:
    if not descriptor.GetOptions().map_entry:
        cls = message_factory.GetMessageClass(descriptor)
        for name in ("__repr__", "__str__"):
            setattr(cls, name, show)
    for nested in descriptor.nested_types:
        _patch(nested)


def show(message: Message) -> str:
    """Name the fields that are set, and what is in them if it cannot be content."""
    shown = (f"{field.name}={_value(field, value)}" for field, value in message.ListFields())
    return f"{message.DESCRIPTOR.full_name}({', '.join(shown)})"


def _value(field: FieldDescriptor, value: object) -> str:
    if field.is_repeated:
        return f"<{len(value)} items>" if hasattr(value, "__len__") else "<items>"
    if isinstance(value, Message):
        return show(value)
    if field.type in _HIDDEN:
        return f"<{len(value)}>" if isinstance(value, str | bytes) else "<?>"
    return str(value)
