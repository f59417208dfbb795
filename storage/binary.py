"""PostgreSQL's binary format, for the few types that commits use.

Whole columns travel as arrays, so one statement carries a batch; in binary there is
nothing to quote and nothing to misquote. Times are integer microseconds since 1970 (UTC).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, repeat
from struct import Struct, error, pack
from typing import Any
from uuid import UUID

Encoder = Callable[[Any], bytes | None]
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
_SIZE_16 = _SIZES[16]
_SIZED_INT4 = Struct(">ii")
_SIZED_INT8 = Struct(">iq")
_EMPTY = _INT4.pack(0) * 2
_MOST = 65
"""Heads of arrays up to this length are made once."""
_BOOLEANS = {False: b"\x00", True: b"\x01"}


def encoder(cast: str) -> Encoder:
    """What writes a parameter that the SQL casts to *cast* (`uuid`, `bigint[]`, …)."""
    oid, one, column = _TYPES[cast.removesuffix("[]")]
    if cast.endswith("[]"):
        heads = [_ARRAY.pack(1, 1, oid, length, 1) for length in range(_MOST)]
        return lambda values: _array(heads, one, column, values)
    return lambda value: None if value is None else one(value)


def _array(heads: Sequence[bytes], one: _One, column: _Column, values: Sequence[Any]) -> bytes:
    """One dimension, numbered from 1; None is NULL."""
    length = len(values)
    if not length:
        return _EMPTY + heads[0][8:12]
    try:
        items = column(values)
    except (AttributeError, LookupError, TypeError, error):
        # A None among them, or a large one; what cannot be written at all fails again.
        items = b"".join(_NULL if value is None else _sized(one(value)) for value in values)
    if length < _MOST:
        return heads[length] + items
    return heads[0][:12] + _INT4.pack(length) + heads[0][16:] + items


def _sized(data: bytes) -> bytes:
    return _INT4.pack(len(data)) + data


def _uuid(value: UUID) -> bytes:
    return value.int.to_bytes(16, "big")


def _uuids(values: Sequence[UUID]) -> bytes:
    return b"".join([_SIZE_16 + value.int.to_bytes(16, "big") for value in values])


def _timestamp(value: int) -> bytes:
    return _INT8.pack(value - _EPOCH_US)


def _timestamps(values: Sequence[int]) -> bytes:
    return _bigints([value - _EPOCH_US for value in values])


def _bigints(values: Sequence[int]) -> bytes:
    if len(values) == 1:
        return _SIZED_INT8.pack(8, values[0])
    return pack(">" + "iq" * len(values), *chain.from_iterable(zip(repeat(8), values)))


def _integers(values: Sequence[int]) -> bytes:
    if len(values) == 1:
        return _SIZED_INT4.pack(4, values[0])
    return pack(">" + "ii" * len(values), *chain.from_iterable(zip(repeat(4), values)))


def _texts(values: Sequence[str]) -> bytes:
    if len(values) == 1:
        data = values[0].encode()
        return _SIZES[len(data)] + data
    return _byteas([*map(str.encode, values)])


def _byteas(values: Sequence[bytes]) -> bytes:
    if len(values) == 1:
        return _SIZES[len(values[0])] + values[0]
    return b"".join([_SIZES[len(value)] + value for value in values])


def _booleans(values: Sequence[bool]) -> bytes:
    return _byteas([_BOOLEANS[value] for value in values])


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
    2950: lambda data: UUID(int=int.from_bytes(data, "big")),
    20: lambda data: int.from_bytes(data, "big", signed=True),
    23: lambda data: int.from_bytes(data, "big", signed=True),
    25: bytes.decode,
    17: bytes,
    16: lambda data: data == b"\x01",
    1184: lambda data: int.from_bytes(data, "big", signed=True) + _EPOCH_US,
    1009: _read_texts,
}
"""From the OID of a result's column to what reads it."""
