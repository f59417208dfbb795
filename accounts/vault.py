"""What is personal, sealed and found again: the server keys stay with whoever gives the vault."""

from typing import Final, Protocol

EMAIL: Final = "email"
"""The purpose of digests by which addresses are found."""


class Vault(Protocol):
    """Seals texts and makes keyed digests. A *purpose* separates uses: what is made for one is
    worthless in another. *belongs_to* and *parts* are what a value is bound to: the id of its row.
    """

    def seal(self, purpose: str, text: str, *belongs_to: bytes) -> bytes:
        """*text* as the database may hold it."""
        ...

    def open(self, purpose: str, sealed: bytes, *belongs_to: bytes) -> str:
        """What was sealed; raises `core.sealing.UnsealError` where the key is gone."""
        ...

    def digest(self, purpose: str, *parts: bytes) -> bytes:
        """32 bytes, under the newest server key: for storing."""
        ...

    def digests(self, purpose: str, *parts: bytes) -> list[bytes]:
        """The same under every server key, newest first: for finding."""
        ...
