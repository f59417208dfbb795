"""Call metadata as the wire would carry it: the same checks, the same limit, no shared objects."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from grpc import aio

# gRPC core's hard limit for the metadata of one direction; it counts 32 bytes per entry (RFC 7541).
METADATA_BYTES_MAX = 16 * 1024
_ENTRY_OVERHEAD_BYTES = 32

_KEY = re.compile(r"[0-9a-z_.-]+")
# A real channel owns these headers and drops what the caller sets.
_OWNED_BY_TRANSPORT = frozenset({"content-type", "grpc-timeout", "te", "user-agent"})
_PLAIN_IN_DETAILS = bytes(byte for byte in range(0x20, 0x7F) if byte != ord("%"))


class Metadatum(NamedTuple):
    """One entry: `value` is `str`, or `bytes` when `key` ends in `-bin`."""

    key: str
    value: str | bytes

    def __repr__(self) -> str:
        """Show no value: credentials travel here."""
        return f"Metadatum({self.key!r})"


Metadata: TypeAlias = tuple[Metadatum, ...]
MetadataLike: TypeAlias = aio.Metadata | Sequence[tuple[str, str | bytes]]


class InvalidMetadata(aio.InternalError):
    """A key or value that no gRPC channel carries. Never shows either of them."""


def received(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """Return *metadata* as the other side receives it.

    Raises InvalidMetadata for an illegal key or text value (core refuses the call), TypeError for
    a value of the wrong type.
    """
    if not metadata:
        return ()
    entries = []
    for key, value in metadata:
        if _KEY.fullmatch(key) is None:
            raise InvalidMetadata("A metadata key is invalid.")
        if key.endswith("-bin"):
            if type(value) is not bytes:
                raise TypeError(f"A binary metadata value must be bytes, not {type(value)}.")
        else:
            if type(value) is bytes:
                value = value.decode("latin-1")  # noqa: PLW2901 - the entry as received
            if type(value) is not str:
                raise TypeError(f"A metadata value must be str, not {type(value)}.")
            if not (value.isascii() and value.isprintable()):  # 0x20 to 0x7e
                raise InvalidMetadata("A metadata value is invalid.")
        if key not in _OWNED_BY_TRANSPORT:
            entries.append(Metadatum(key, value))
    return tuple(entries)


def size(metadata: Metadata) -> int:
    """Return how many bytes *metadata* counts against METADATA_BYTES_MAX (-bin is base64)."""
    total = 0
    for key, value in metadata:
        length = len(value) if type(value) is str else len(value) * 4 // 3
        total += len(key) + length + _ENTRY_OVERHEAD_BYTES
    return total


def details_size(details: str) -> int:
    """Return how many bytes *details* takes as percent-encoded grpc-message."""
    encoded = details.encode("utf-8", "replace")
    return len(encoded) + 2 * len(encoded.translate(None, _PLAIN_IN_DETAILS))
