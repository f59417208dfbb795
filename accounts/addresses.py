"""E-mail addresses: which are taken, and how they are found without being stored as text. Pure."""

import re
from typing import Final

from accounts.vault import EMAIL, Vault

LONGEST: Final = 254
"""Characters of an address (RFC 5321 4.5.3.1.3, less the angle brackets)."""
_LONGEST_LOCAL: Final = 64
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"({_LOCAL})@((?:{_LABEL}\.)+{_LABEL})\Z")
"""The dot-atom form of RFC 5321: no quoted local parts, no address literals."""


def is_address(text: str) -> bool:
    """Whether mail can be sent to *text*, by its form."""
    found = _ADDRESS.match(text)
    return len(text) <= LONGEST and found is not None and len(found[1]) <= _LONGEST_LOCAL


def address_digest(vault: Vault, address: str) -> bytes:
    """By what *address* is stored to be found: the same for upper and lower case."""
    return vault.digest(EMAIL, address.lower().encode())


def address_digests(vault: Vault, address: str) -> list[bytes]:
    """By what *address* may have been stored, under any server key."""
    return vault.digests(EMAIL, address.lower().encode())
