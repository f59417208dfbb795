"""Reads `multipart/form-data` in memory, never on disk, within limits that hold as it arrives."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from rest_bridge.errors import ApiError

if TYPE_CHECKING:  # exists for type checkers only
    from python_multipart.multipart import MultipartCallbacks

MAXIMUM_PARTS: Final = 128
MAXIMUM_TEXT_BYTES: Final = 1024 * 1024
"""All text fields of a form together."""
_MAXIMUM_NAME: Final = 128


@dataclass(slots=True)
class Part:
    """One part of a form."""

    name: str
    is_file: bool
    """Whether it has a filename; the name itself is dropped."""
    data: bytearray = field(default_factory=bytearray, repr=False)

    def text(self) -> str:
        """The part as text. Raises INVALID_PARAMETER if it is no UTF-8."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            # The exception holds the content: it goes no further.
            reason = ApiError(
                "INVALID_PARAMETER", f"`{self.name}` is not valid UTF-8.", parameter=self.name
            )
        raise reason


class FormReader:
    """Feed it the body; it gives the parts.

    Raises MALFORMED_REQUEST for what is no form, REQUEST_TOO_LARGE above a limit.
    """

    def __init__(self, content_type: bytes, file_bytes: int) -> None:
        boundary = _boundary(content_type)
        self.parts: list[Part] = []
        self._file_bytes = file_bytes
        self._files = 0
        self._texts = 0
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._ended = False
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise _malformed() from None

    def feed(self, data: bytes) -> None:
        """Read on."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise _malformed() from None

    def finish(self) -> list[Part]:
        """The parts, once the body has ended."""
        if not self._ended:
            raise _malformed()
        return self.parts

    def _on_part_begin(self) -> None:
        if len(self.parts) >= MAXIMUM_PARTS:
            raise ApiError(
                "REQUEST_TOO_LARGE",
                f"A form may have at most {MAXIMUM_PARTS} parts.",
                metadata={"limit": str(MAXIMUM_PARTS)},
            )
        self._disposition = b""
        self._header.clear()
        self._value.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"")
        if kind != b"form-data" or not 0 < len(name) <= _MAXIMUM_NAME:
            raise _malformed()
        # Undecodable names become unknown ones, which an error then names.
        part = Part(name.decode("utf-8", "replace"), b"filename" in options)
        self.parts.append(part)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        count = end - start
        if part.is_file:
            self._files += count
            if self._files > self._file_bytes:
                raise ApiError(
                    "REQUEST_TOO_LARGE",
                    f"The files of a request may have at most {self._file_bytes} bytes in all.",
                    parameter=part.name,
                    metadata={"limit": str(self._file_bytes)},
                )
        else:
            self._texts += count
            # A file given as text (a data URL, or bytes without a filename) counts as one.
            limit = self._file_bytes * 4 // 3 + MAXIMUM_TEXT_BYTES
            if self._texts > limit:
                raise ApiError(
                    "REQUEST_TOO_LARGE",
                    "The text fields of the form are too large.",
                    parameter=part.name,
                    metadata={"limit": str(limit)},
                )
        part.data += memoryview(data)[start:end]

    def _on_end(self) -> None:
        self._ended = True


def _boundary(content_type: bytes) -> bytes:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise ApiError(
            "MALFORMED_REQUEST", "The multipart Content-Type has no boundary.", parameter=""
        )
    return boundary


def _malformed() -> ApiError:
    return ApiError(
        "MALFORMED_REQUEST", "We could not parse the multipart/form-data body of your request."
    )
