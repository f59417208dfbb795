"""JSON to protobuf and back for the transcoded routes: proto field names, int64 as strings.

The decoder is our own: it names the field at fault and never repeats a value, which
`json_format` does in its exceptions.
"""

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import cast

import orjson
import pybase64
from google.protobuf import duration_pb2, field_mask_pb2, json_format, timestamp_pb2  # noqa: TID251
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from rest_bridge.errors import ApiError

# MessageToDict finds the types inside of a google.rpc.Status by name: they must be loaded.
LOADED: Sequence[Descriptor] = (
    error_details_pb2.ErrorInfo.DESCRIPTOR,
    error_details_pb2.RetryInfo.DESCRIPTOR,
)

_F = FieldDescriptor
_BITS: Mapping[int, tuple[int, int]] = {
    _F.CPPTYPE_INT32: (-(2**31), 2**31),
    _F.CPPTYPE_INT64: (-(2**63), 2**63),
    _F.CPPTYPE_UINT32: (0, 2**32),
    _F.CPPTYPE_UINT64: (0, 2**64),
}
_CAPITAL = re.compile("([A-Z])")
_DEEPEST = 64
_LONGEST_NUMBER = 40


def encode(message: Message) -> bytes:
    """*message* as JSON: every field without presence is printed, zero or not."""
    # Only an answer on its way to its caller passes here.
    value = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return orjson.dumps(value)


def decode(value: Mapping[str, object], into: Message, path: str = "", depth: int = 0) -> None:
    """Set the fields of *into* from a JSON object. Null means absent.

    Raises UNKNOWN_PARAMETER, INVALID_TYPE or INVALID_PARAMETER with the path of the field.
    """
    if depth > _DEEPEST:
        raise ApiError("INVALID_TYPE", "The JSON is nested too deeply.", parameter=path)
    for key, item in value.items():
        name = f"{path}.{key}" if path else key
        field = _field(into, key, name)
        if item is None:
            continue
        oneof = field.containing_oneof
        if oneof is not None and into.WhichOneof(oneof.name) not in {None, field.name}:
            raise _invalid(name, "cannot be given together with another of its choice")
        if _is_map(field):
            _decode_map(into, field, item, name, depth)
        elif field.is_repeated:
            if not isinstance(item, list):
                raise _wrong_type(name, "an array")
            for index, element in enumerate(item):
                _append(into, field, element, f"{name}[{index}]", depth)
        elif field.message_type is not None:
            _decode_message(getattr(into, field.name), item, name, depth)
        else:
            setattr(into, field.name, _scalar(field, item, name))


def decode_text(into: Message, path: str, texts: Sequence[str]) -> None:
    """Set the field at *path* (`a.b`) from a URL: from a query or a piece of a path."""
    message = into
    *parents, last = path.split(".")
    for parent in parents:
        field = _field(message, parent, path)
        if field.message_type is None or field.is_repeated:
            raise ApiError("UNKNOWN_PARAMETER", f"Unknown parameter: '{path}'.", parameter=path)
        message = getattr(message, field.name)
    field = _field(message, last, path)
    if field.message_type is not None and field.message_type.full_name not in _TEXT_TYPES:
        raise ApiError("UNKNOWN_PARAMETER", f"Unknown parameter: '{path}'.", parameter=path)
    if not field.is_repeated and len(texts) != 1:
        raise _invalid(path, "may be given once")
    for text in texts:
        value: object = text
        if field.cpp_type == _F.CPPTYPE_BOOL:
            value = {"true": True, "false": False}.get(text, text)
        if field.is_repeated:
            _append(message, field, value, path, 0)
        elif field.message_type is not None:
            _decode_message(getattr(message, field.name), value, path, 0)
        else:
            setattr(message, field.name, _scalar(field, value, path))


_TEXT_TYPES = frozenset(
    {
        timestamp_pb2.Timestamp.DESCRIPTOR.full_name,
        duration_pb2.Duration.DESCRIPTOR.full_name,
        field_mask_pb2.FieldMask.DESCRIPTOR.full_name,
    }
)
"""Messages that are a text in JSON."""


def _field(message: Message, key: str, name: str) -> FieldDescriptor:
    kind = message.DESCRIPTOR
    field = kind.fields_by_name.get(key) or kind.fields_by_camelcase_name.get(key)
    if field is None:
        raise ApiError("UNKNOWN_PARAMETER", f"Unknown parameter: '{name}'.", parameter=name)
    return cast("FieldDescriptor", field)


def _is_map(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and kind.GetOptions().map_entry


def _append(into: Message, field: FieldDescriptor, item: object, name: str, depth: int) -> None:
    container = getattr(into, field.name)
    if field.message_type is not None:
        _decode_message(container.add(), item, name, depth)
    else:
        container.append(_scalar(field, item, name))


def _decode_map(into: Message, field: FieldDescriptor, item: object, name: str, depth: int) -> None:
    """A map with text keys: the only kind that the contract has."""
    if not isinstance(item, dict):
        raise _wrong_type(name, "an object")
    assert field.message_type is not None
    container = getattr(into, field.name)
    value = field.message_type.fields_by_name["value"]
    for key, element in item.items():
        if value.message_type is not None:
            _decode_message(container[key], element, f"{name}.{key}", depth)
        else:
            container[key] = _scalar(value, element, f"{name}.{key}")


def _decode_message(into: Message, item: object, name: str, depth: int) -> None:
    into.SetInParent()
    if into.DESCRIPTOR.full_name in _TEXT_TYPES:
        if not isinstance(item, str):
            raise _wrong_type(name, "a string")
        _decode_text_message(into, item, name)
        return
    if not isinstance(item, dict):
        raise _wrong_type(name, "an object")
    decode(item, into, name, depth + 1)


def _decode_text_message(into: Message, item: str, name: str) -> None:
    if isinstance(into, field_mask_pb2.FieldMask):
        # Proto field names here too, where ProtoJSON has camel case; both are understood.
        into.paths.extend(_CAPITAL.sub(r"_\1", path).lower() for path in item.split(",") if path)
        return
    assert isinstance(into, timestamp_pb2.Timestamp | duration_pb2.Duration)
    try:
        into.FromJsonString(item)
    except ValueError:
        pass  # the exception repeats the value
    else:
        return
    raise _invalid(name, "has an invalid value")


def _scalar(field: FieldDescriptor, item: object, name: str) -> object:
    kind = field.cpp_type
    if kind == _F.CPPTYPE_STRING:
        if not isinstance(item, str):
            raise _wrong_type(name, "a string")
        return _bytes(item, name) if field.type == _F.TYPE_BYTES else item
    if kind == _F.CPPTYPE_BOOL:
        if not isinstance(item, bool):
            raise _wrong_type(name, "a boolean")
        return item
    if kind == _F.CPPTYPE_ENUM:
        return _enum(field, item, name)
    if kind in _BITS:
        return _integer(kind, item, name)
    return _float(item, name)


def _bytes(item: str, name: str) -> bytes:
    try:
        return pybase64.b64decode(item, validate=True)
    except ValueError:
        pass
    raise _invalid(name, "must be base64")


def _enum(field: FieldDescriptor, item: object, name: str) -> int:
    assert field.enum_type is not None
    if isinstance(item, str):
        value = field.enum_type.values_by_name.get(item)
        if value is not None:
            return value.number
        raise _invalid(name, "has an unknown value")
    if isinstance(item, int) and not isinstance(item, bool) and -(2**31) <= item < 2**31:
        return item
    raise _wrong_type(name, "the name of a value")


def _integer(kind: int, item: object, name: str) -> int:
    number = None
    if isinstance(item, str):
        digits = item.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) < _LONGEST_NUMBER:
            number = int(item)
    elif isinstance(item, int) and not isinstance(item, bool):
        number = item
    if number is None:
        raise _wrong_type(name, "an integer")
    low, high = _BITS[kind]
    if not low <= number < high:
        raise _invalid(name, "is out of range")
    return number


def _float(item: object, name: str) -> float:
    number = None
    if isinstance(item, str) and len(item) < _LONGEST_NUMBER:
        try:
            number = float(item)
        except ValueError:
            number = None
    elif isinstance(item, int | float) and not isinstance(item, bool):
        number = float(item)
    if number is None:
        raise _wrong_type(name, "a number")
    if not isfinite(number):
        raise _invalid(name, "must be finite")
    return number


def _invalid(name: str, what: str) -> ApiError:
    return ApiError("INVALID_PARAMETER", f"`{name}` {what}.", parameter=name)


def _wrong_type(name: str, expected: str) -> ApiError:
    return ApiError(
        "INVALID_TYPE", f"Invalid type for '{name}': expected {expected}.", parameter=name
    )
