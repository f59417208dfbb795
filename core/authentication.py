"""Bearer tokens of API keys: checked against the directory, in constant time."""

import hmac
from collections.abc import Callable
from datetime import datetime
from time import monotonic
from uuid import UUID

from accounts.directory import KeyDirectory, KeyRow
from accounts.keys import KeyText, parse_key
from core.caller import Caller
from core.engine.admission import RETRY_SECONDS, Admission
from core.errors import GatewayError, Reason
from core.interceptors import Authenticator
from core.keyring import Keyring
from core.log import Emit, RequestShed
from core.policy.admission import Strangers

PURPOSE = "api-key"
KNOWN = 20_000
"""Credentials that are remembered as good: about 3 MB. Who is forgotten is a stranger once."""


class KeyAuthenticator:
    """An `Authenticator` over the key directory. *now* gives the wall clock in UTC."""

    def __init__(
        self, directory: KeyDirectory, keyring: Keyring, now: Callable[[], datetime]
    ) -> None:
        self._directory = directory
        self._keyring = keyring
        self._now = now

    async def authenticate(self, token: str) -> Caller:
        """Find who sent *token*; raises GatewayError, or StorageUnavailable."""
        key = parse_key(token)
        row = await self._directory.find(key.public_id) if key is not None else None
        if key is None or row is None or not self._is_good(key, row):
            raise GatewayError(
                Reason.API_KEY_INVALID,
                "Incorrect API key provided. Create one, or check that it was copied whole.",
            )
        if row.suspended:
            raise GatewayError(
                Reason.ACCOUNT_SUSPENDED, "The account is suspended; contact the operator."
            )
        return Caller(
            row.account_id,
            row.id,
            sandbox=row.sandbox,
            scopes=frozenset(row.scopes),
            allowed_models=frozenset(row.allowed_models),
        )

    def _is_good(self, key: KeyText, row: KeyRow) -> bool:
        digests = self._keyring.candidates(PURPOSE, key.public_id.encode(), key.secret.encode())
        known = [hmac.compare_digest(digest, row.digest) for digest in digests]
        expired = row.expires_at is not None and row.expires_at <= self._now()
        return any(known) and not row.revoked and not expired and row.sandbox == key.sandbox


def digest_of(keyring: Keyring, key: KeyText) -> bytes:
    """What is stored of a new key."""
    return keyring.mac(PURPOSE, key.public_id.encode(), key.secret.encode())


class Doorman:
    """An `Authenticator` before another one: keeps guesses and floods away from it.

    Knows the credentials that were found good here lately, by a digest that means nothing
    outside this process, never by their text. Everybody else is a stranger.
    """

    def __init__(
        self,
        inner: Authenticator,
        admission: Admission,
        emit: Emit,
        operator: str,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._inner = inner
        self._admission = admission
        self._emit = emit
        self._operator = hash(operator)
        self._now = now
        self._strangers = Strangers(now())
        self._known: dict[int, UUID] = {}
        """Their keys; the one that was learned first is forgotten first."""
        self._asking: set[int] = set()
        """Strangers that are being looked at: requests with the same credential are one."""

    async def authenticate(self, token: str) -> Caller:
        """As the other one does; OVERLOADED when too many guess at the same time."""
        digest = hash(token)  # keyed: PYTHONHASHSEED is random in every process
        if digest in self._known:
            return await self._again(token, digest)
        if (error := self._shut()) is not None:
            raise error
        caller = await self._looked_at(token, digest)
        if len(self._known) >= KNOWN:
            del self._known[next(iter(self._known))]
        self._known[digest] = caller.key_id
        return caller

    def glance(self, token: str, starts: bool) -> GatewayError | None:  # noqa: FBT001 (a callback)
        """The error for a request with *token*, where it is certain by now; microseconds.

        *starts* says whether it would start a generation. None promises nothing.
        """
        digest = hash(token)
        key = self._known.get(digest)
        if key is None:
            return None if digest == self._operator else self._shut()
        return self._admission.glance(key) if starts else None

    async def _looked_at(self, token: str, digest: int) -> Caller:
        """The same for a stranger, who counts from the start: thousands may come at once."""
        is_first, is_good = digest not in self._asking, True
        if is_first:
            self._asking.add(digest)
            self._strangers.take()
        try:
            return await self._inner.authenticate(token)
        except GatewayError as error:
            is_good = error.reason is not Reason.API_KEY_INVALID
            raise
        finally:
            if is_first:
                self._asking.discard(digest)
            if is_first and is_good:
                self._strangers.give_back()
            elif not is_first and not is_good:
                self._strangers.take()

    async def _again(self, token: str, digest: int) -> Caller:
        """The same for one that was good."""
        try:
            return await self._inner.authenticate(token)
        except GatewayError as error:
            if error.reason is Reason.API_KEY_INVALID:
                self._known.pop(digest, None)
                self._strangers.take()
            raise

    def _shut(self) -> GatewayError | None:
        if self._strangers.may_try(self._now()):
            return None
        self._emit(RequestShed("strangers"))
        return GatewayError(
            Reason.OVERLOADED,
            "The gateway is busy with credentials that are not good; try again in a moment.",
            retry_after=RETRY_SECONDS,
            metadata={"resource": "strangers"},
        )
