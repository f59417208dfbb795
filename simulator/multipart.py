"""Reads multipart/form-data from memory; nothing is ever spooled to disk."""

import re
from dataclasses import dataclass, field
from email.message import Message
from typing import Final

# More parts than any of the simulated protocols has fields and files.
MAX_PARTS: Final = 128

_NAME: Final = re.compile(rb';\s*name="((?:[^"\\\r\n]|\\.)*)"', re.IGNORECASE)
_FILENAME: Final = re.compile(rb";\s*filename\*?=", re.IGNORECASE)


class FormError(ValueError):
    """The body is not well-formed multipart/form-data; the message holds none of it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field or file of a form. A part with a file name is a file."""

    name: str
    is_file: bool
    content_type: str
    data: bytes = field(repr=False)

    def text(self) -> str:
        """Give the value of a field."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            # Without `from None` the cause would carry the bytes.
            raise FormError("a field is not UTF-8") from None


def boundary_of(content_type: str) -> bytes:
    """Give the boundary named in a Content-Type header."""
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    if not boundary or len(boundary) > 70 or not boundary.isascii():
        raise FormError("no boundary")
    return boundary.encode()


def parse_form(body: bytes, boundary: bytes) -> list[Part]:
    """Split *body* into its parts, in order; raises FormError."""
    delimiter = b"\r\n--" + boundary
    # The first delimiter has no line break of its own when there is no preamble.
    _, *pieces = (b"\r\n" + body).split(delimiter)
    parts: list[Part] = []
    for piece in pieces:
        if piece.startswith(b"--"):
            return parts
        if len(parts) == MAX_PARTS:
            raise FormError("too many parts")
        parts.append(_part(piece))
    raise FormError("no closing boundary")


def _part(piece: bytes) -> Part:
    head, gap, data = piece.partition(b"\r\n\r\n")
    if not gap or not head.startswith(b"\r\n"):
        raise FormError("a part has no headers")
    disposition = b""
    content_type = b""
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if not colon:
            raise FormError("a part has a malformed header")
        match name.strip().lower():
            case b"content-disposition":
                disposition = value.strip()
            case b"content-type":
                content_type = value.strip()
            case _:
                pass
    named = _NAME.search(disposition)
    if not disposition.lower().startswith(b"form-data") or named is None:
        raise FormError("a part has no name")
    return Part(
        name=named[1].decode("utf-8", "replace"),
        is_file=_FILENAME.search(disposition) is not None,
        content_type=content_type.decode("latin-1").partition(";")[0].strip().lower(),
        data=data,
    )
