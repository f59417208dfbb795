"""What an API key looks like: `rk_live_<public id>_<secret>_<crc>`.

The public id finds the row; the secret is stored only as a keyed digest; the checksum lets
a typo be refused without asking the database, and lets secret scanners be sure.
"""

import re
import zlib
from dataclasses import dataclass, field

PUBLIC_BYTES = 8
SECRET_BYTES = 24
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz"
_PUBLIC_LENGTH = 12
_SECRET_LENGTH = 34
_KEY = re.compile(
    rf"(rk_(live|test)_([{_ALPHABET}]{{{_PUBLIC_LENGTH}}})_([{_ALPHABET}]{{{_SECRET_LENGTH}}}))"
    r"_([0-9a-f]{8})"
)


@dataclass(frozen=True, slots=True)
class KeyText:
    """A well-formed key, taken apart."""

    public_id: str
    secret: str = field(repr=False)
    sandbox: bool = False

    def render(self) -> str:
        """The text that the user keeps."""
        head = f"rk_{'test' if self.sandbox else 'live'}_{self.public_id}_{self.secret}"
        return f"{head}_{_checksum(head)}"


def make_key(random: bytes, *, sandbox: bool = False) -> KeyText:
    """Build a key from PUBLIC_BYTES + SECRET_BYTES random bytes."""
    assert len(random) == PUBLIC_BYTES + SECRET_BYTES
    return KeyText(
        _encode(random[:PUBLIC_BYTES], _PUBLIC_LENGTH),
        _encode(random[PUBLIC_BYTES:], _SECRET_LENGTH),
        sandbox,
    )


def parse_key(text: str) -> KeyText | None:
    """Take a key apart; None when it is not one, or was mistyped."""
    found = _KEY.fullmatch(text)
    if found is None:
        return None
    head, mode, public_id, secret, checksum = found.groups()
    if _checksum(head) != checksum:
        return None
    return KeyText(public_id, secret, mode == "test")


def _checksum(head: str) -> str:
    return f"{zlib.crc32(head.encode()):08x}"


def _encode(data: bytes, length: int) -> str:
    number = int.from_bytes(data, "big")
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    assert number == 0, "the text is long enough for the bytes"
    return "".join(letters)
