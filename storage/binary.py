"""PostgreSQL's binary format, for the few types that commits use.

Whole columns travel as arrays, so one statement carries a batch; in binary there is
nothing to quote and nothing to misquote. Times are integer microseconds since 1970 (UTC).
"""

from collections.abc import Callable, Mapping, Sequence
from struct import Struct, error
from typing import Any
from uuid import UUID, SafeUUID

Encoder = Callable[[Any], bytes]
Decoder = Callable[[bytes], Any]
_One = Callable[[Any], bytes]
_Column = Callable[[Any], bytes]

# 2000-01-01, where PostgreSQL's timestamps begin, in microseconds since 1970.
_EPOCH_US = 946_684_800_000_000
_INT4 = Struct(">i")
_INT8 = Struct(">q")
_ARRAY = Struct(">iiIii")
_NULL = _INT4.pack(-1)
_SIZES = [_INT4.pack(size) for size in range(1024)]
_SIZE_4, _SIZE_8, _SIZE_16 = _SIZES[4], _SIZES[8], _SIZES[16]
_EMPTY = _INT4.pack(0) * 2
_MOST = 65
"""Heads of arrays up to this length are made once."""
_BOOLEANS = {False: b"\x00", True: b"\x01"}


def encoder(cast: str) -> Encoder:
    """What writes a parameter that the SQL casts to *cast* (`uuid`, `bigint[]`, …).

    A parameter that is None is NULL, which has nothing to write: it is not asked.
    """
    oid, one, column = _TYPES[cast.removesuffix("[]")]
    return _array_encoder(oid, one, column) if cast.endswith("[]") else one


def _array_encoder(oid: int, one: _One, column: _Column) -> Encoder:
    """What writes one dimension, numbered from 1; None is NULL."""
    heads = [_ARRAY.pack(1, 1, oid, length, 1) for length in range(_MOST)]
    empty, single, null = _EMPTY + heads[0][8:12], heads[1], heads[1] + _NULL

    def write(values: Sequence[Any]) -> bytes:
        length = len(values)
        if length == 1:  # a flush of one commit consists of these
            value = values[0]
            return null if value is None else single + _sized(one(value))
        if not length:
            return empty
        value = values[0]
        try:
            if value is values[-1] and values.count(value) == length:  # as many columns are
                items = (_NULL if value is None else _sized(one(value))) * length
            else:
                items = column(values)
        except (AttributeError, LookupError, TypeError, error):
            # A None among them, or a large one; what cannot be written at all fails again.
            items = b"".join([_NULL if value is None else _sized(one(value)) for value in values])
        if length < _MOST:
            return heads[length] + items
        return heads[0][:12] + _INT4.pack(length) + heads[0][16:] + items

    return write


def _sized(data: bytes) -> bytes:
    return _INT4.pack(len(data)) + data


def _uuid(value: UUID) -> bytes:
    return value.int.to_bytes(16)


def _uuids(values: Sequence[UUID]) -> bytes:
    return _SIZE_16.join([b"", *[value.int.to_bytes(16) for value in values]])


def _timestamp(value: int) -> bytes:
    return _INT8.pack(value - _EPOCH_US)


def _timestamps(values: Sequence[int]) -> bytes:
    return _bigints([value - _EPOCH_US for value in values])


def _bigints(values: Sequence[int]) -> bytes:
    return _SIZE_8.join([b"", *map(_INT8.pack, values)])


def _integers(values: Sequence[int]) -> bytes:
    return _SIZE_4.join([b"", *map(_INT4.pack, values)])


def _texts(values: Sequence[str]) -> bytes:
    return _byteas([*map(str.encode, values)])


def _byteas(values: Sequence[bytes]) -> bytes:
    return b"".join([_SIZES[len(value)] + value for value in values])


def _booleans(values: Sequence[bool]) -> bytes:
    return _byteas([_BOOLEANS[value] for value in values])


_new, _put, _unknown = object.__new__, object.__setattr__, SafeUUID.unknown


def _read_uuid(data: bytes) -> UUID:
    """As `UUID(int=…)`, without its questions after what was not given: half of the time."""
    value = _new(UUID)
    _put(value, "int", int.from_bytes(data))
    _put(value, "is_safe", _unknown)
    return value


def _read_texts(data: bytes) -> tuple[str, ...]:
    """An array of texts in one dimension, without NULLs; an empty one has no dimension."""
    values: list[str] = []
    at = _ARRAY.size
    while at < len(data):
        (size,) = _INT4.unpack_from(data, at)
        values.append(data[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return tuple(values)


_TYPES: Mapping[str, tuple[int, _One, _Column]] = {
    "uuid": (2950, _uuid, _uuids),
    "bigint": (20, _INT8.pack, _bigints),
    "integer": (23, _INT4.pack, _integers),
    "text": (25, str.encode, _texts),
    "bytea": (17, bytes, _byteas),
    "boolean": (16, _BOOLEANS.__getitem__, _booleans),
    "timestamptz": (1184, _timestamp, _timestamps),
}
"""OID, what writes one value, what writes a column without NULLs, sizes included: that is the
hot path, so it has as few calls as possible."""

DECODERS: Mapping[int, Decoder] = {
    2950: _read_uuid,
    20: lambda data: _INT8.unpack(data)[0],
    23: lambda data: _INT4.unpack(data)[0],
    25: bytes.decode,
    17: bytes,
    16: b"\x01".__eq__,
    1184: lambda data: _INT8.unpack(data)[0] + _EPOCH_US,
    1009: _read_texts,
}
"""From the OID of a result's column to what reads it."""
