"""Files with one secret, sealed under a server key: `reapi secrets seal < key > file`.

One line of text: a header by which they are known, and base64 of what `core.sealing` makes.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Final

from core.body import Secret
from core.keyring import Keyring
from core.sealing import Sealer, UnsealError

HEADER: Final = "reapi-sealed-1:"
PURPOSE: Final = "credential-file"

Unseal = Callable[[str], Secret[str]]
"""Opens the text of such a file; raises UnsealError."""


def is_sealed(text: str) -> bool:
    """Whether *text* is that of a sealed file."""
    return text.startswith(HEADER)


def seal_text(keyring: Keyring, secret: Secret[str]) -> str:
    """What the file holds."""
    return HEADER + base64.b64encode(Sealer(keyring, PURPOSE).seal(secret.reveal())).decode() + "\n"


def open_text(keyring: Keyring, text: str) -> Secret[str]:
    """The secret, whichever key of the ring sealed it; raises UnsealError."""
    try:
        sealed = base64.b64decode(text.removeprefix(HEADER).strip(), validate=True)
    except (ValueError, binascii.Error):
        raise UnsealError from None
    return Sealer(keyring, PURPOSE).open(sealed)
