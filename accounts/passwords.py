"""Passwords as argon2id hashes: made and checked beside the event loop, a few at a time."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from accounts.password_rules import LONGEST

AT_ONCE: Final = 2
"""Hashes that are worked on: each takes 64 MiB and all cores for some 50 ms."""
WAITING: Final = 64
"""Hashes that may wait for their turn: about four seconds of work. Beyond it nobody is let in, so
that a flood of sign-ins takes neither memory nor the time of those who wait already."""

T = TypeVar("T")


class TooBusy(Exception):
    """Too many passwords wait to be checked."""


class Passwords:
    """Makes hashes and checks them.

    The parameters are the second recommended option of RFC 9106 section 4 (64 MiB, 3 passes, 4
    lanes, 128 bits of salt), above the minimum of OWASP's Password Storage Cheat Sheet (19 MiB, 2
    passes). The first one takes 2 GiB for each sign-in: a flood would be an outage.
    """

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._threads = ThreadPoolExecutor(AT_ONCE, "passwords")
        self._waiting = 0
        self.worked = 0
        """Times that argon2 ran: the same whether or not there was anything to check."""

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """*password* as the database may hold it; raises TooBusy."""
        return await self._work(self._hash, password, None)

    async def is_right(self, password: str, hash_: str | None) -> bool:
        """Whether *password* is what *hash_* was made of; raises TooBusy.

        None: nobody's, which takes as much work to say.
        """
        return await self._work(self._check, password, hash_)

    def is_outdated(self, hash_: str) -> bool:
        """Whether *hash_* was made with other parameters than these."""
        return self._hasher.check_needs_rehash(hash_)

    async def _work(self, work: Callable[[str, str | None], T], text: str, hash_: str | None) -> T:
        if self._waiting >= AT_ONCE + WAITING:
            raise TooBusy
        self._waiting += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, work, text, hash_)
        running.add_done_callback(self._done)
        # Counted until the thread is done with it: who hangs up does not make room.
        return await asyncio.shield(running)

    def _done(self, _running: object) -> None:
        self._waiting -= 1

    def _hash(self, password: str, _hash: str | None = None) -> str:
        self.worked += 1
        return self._hasher.hash(normal(password))

    def _check(self, password: str, hash_: str | None) -> bool:
        if hash_ is None or len(password) > LONGEST:
            self._hash(password[:LONGEST])
            return False
        self.worked += 1
        try:
            return self._hasher.verify(hash_, normal(password))
        except (VerificationError, InvalidHashError):
            return False


def normal(password: str) -> str:
    """One form of what may be typed in several ways (NFKC, as NIST SP 800-63B 3.1.1.2 says)."""
    return unicodedata.normalize("NFKC", password)
