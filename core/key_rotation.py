"""The steps by which server keys are exchanged: which keys a ring has after each. Pure."""

from dataclasses import replace

from core.keyring import Keyring, KeyringError
from core.signing import public_key


def prepared(keyring: Keyring, key: bytes) -> Keyring:
    """With *key* to come: everybody knows it before anybody seals with it."""
    if keyring.coming is not None:
        raise KeyringError("a key is prepared already: restart every process, then rotate")
    return replace(keyring, coming=key)


def rotated(keyring: Keyring, key: bytes) -> Keyring:
    """With the prepared key in front, or *key* where none was prepared."""
    first = key if keyring.coming is None else keyring.coming
    return replace(keyring, keys=(first, *keyring.keys), coming=None)


def retired(keyring: Keyring) -> Keyring:
    """With the newest key alone; what the others signed can still be checked."""
    dropped = tuple(public_key(key) for key in keyring.keys[1:])
    return replace(keyring, keys=keyring.keys[:1], retired=(*dropped, *keyring.retired))
