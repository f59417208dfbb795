"""Bearer tokens: of API keys, checked against the directory in constant time, and of sessions."""

import hmac
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import UUID

from accounts.directory import KeyDirectory, KeyRow
from accounts.key_networks import Network, contains, read_address
from accounts.keys import KeyText, parse_key
from accounts.sessions import PREFIX, visit
from accounts.vault import Vault
from core.caller import Caller, current_network
from core.engine.admission import RETRY_SECONDS, Admission
from core.engine.key_seen import KeySeen
from core.errors import GatewayError, Reason
from core.interceptors import Authenticator
from core.keyring import Keyring
from core.log import Emit, RequestShed
from core.permissions import suspended
from core.policy.admission import Strangers
from storage.pool import Pool

PURPOSE = "api-key"
KNOWN = 20_000
"""Credentials that are remembered as good: about 3 MB. Who is forgotten is a stranger once."""
_GUESSED = frozenset({Reason.API_KEY_INVALID, Reason.SESSION_INVALID})
"""What somebody is told who tries credentials."""
_NO_KEY = UUID(int=0)


class KeyAuthenticator:
    """An `Authenticator` over the key directory. *now* gives the wall clock in UTC; *seen* is
    told of every key that was found good.
    """

    def __init__(
        self,
        directory: KeyDirectory,
        keyring: Keyring,
        now: Callable[[], datetime],
        seen: KeySeen | None = None,
    ) -> None:
        self._directory = directory
        self._keyring = keyring
        self._now = now
        self._seen = seen

    async def authenticate(self, token: str) -> Caller:
        """Find who sent *token*; raises GatewayError, or StorageUnavailable."""
        key = parse_key(token)
        row = None
        if key is not None:
            row = self._directory.known(key.public_id)
            if row is None:
                row = await self._directory.find(key.public_id)
        if key is None or row is None or not self._is_good(key, row):
            raise GatewayError(
                Reason.API_KEY_INVALID,
                "Incorrect API key provided. Create one, or check that it was copied whole.",
            )
        if row.suspended:
            raise suspended()
        if row.allowed_networks:
            _admit(row.allowed_networks, current_network())
        if self._seen is not None:
            self._seen.note(row.account_id, row.id, current_network())
        return Caller(
            row.account_id,
            row.id,
            sandbox=row.sandbox,
            scopes=row.scopes,
            allowed_models=row.allowed_models,
            line_id=row.line_id,
        )

    def _is_good(self, key: KeyText, row: KeyRow) -> bool:
        digests = self._keyring.candidates(PURPOSE, key.public_id.encode(), key.secret.encode())
        known = [hmac.compare_digest(digest, row.digest) for digest in digests]
        expired = row.expires_at is not None and row.expires_at <= self._now()
        stopped = row.revoked or row.gone or expired
        return any(known) and not stopped and row.sandbox == key.sandbox


def _admit(networks: Sequence[Network], caller: str) -> None:
    """Raise NETWORK_NOT_ALLOWED unless the *caller*'s address is in one of *networks*."""
    address = read_address(caller)
    if address is None:
        raise GatewayError(
            Reason.NETWORK_NOT_ALLOWED,
            "This API key works from some networks only, and the gateway does not see where the "
            "request comes from. Its operator sets REAPI_BRIDGE_TOKEN for bridges of their own, "
            "and REAPI_TRUSTED_PROXIES for what stands in front of them.",
        )
    if not contains(networks, address):
        raise GatewayError(
            Reason.NETWORK_NOT_ALLOWED,
            "This API key does not work from the network that the request comes from. Its account "
            "can change the key's allowed_networks.",
        )


def digest_of(keyring: Keyring, key: KeyText) -> bytes:
    """What is stored of a new key."""
    return keyring.mac(PURPOSE, key.public_id.encode(), key.secret.encode())


class SessionAuthenticator:
    """An `Authenticator` of sessions. Each call reads its row: who signed out is out at once."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def authenticate(self, token: str) -> Caller:
        """Find who sent *token*; raises SESSION_INVALID, or StorageUnavailable."""
        async with self._pool.connection() as connection:
            visitor = await visit(connection, self._vault, token, current_network())
        if visitor is None:
            raise GatewayError(
                Reason.SESSION_INVALID, "The session ended, or was never one. Sign in again."
            )
        return Caller(
            visitor.account_id,
            _NO_KEY,
            allowed_models=frozenset(visitor.allowed_models),
            user_id=visitor.user_id,
            session_id=visitor.session_id,
            role=visitor.role,
            seconds_since_proof=visitor.seconds_since_proof,
            suspended=visitor.suspended,
        )


class Credentials:
    """An `Authenticator` of both: their prefixes tell them apart."""

    def __init__(self, keys: Authenticator, sessions: Authenticator) -> None:
        self._keys = keys
        self._sessions = sessions

    def authenticate(self, token: str) -> Coroutine[Any, Any, Caller]:
        """Ask the one that knows such tokens."""
        inner = self._sessions if token.startswith(PREFIX) else self._keys
        return inner.authenticate(token)


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
        self._known: dict[int, int] = {}
        """Whose they are (`Caller.principal`); who was learned first is forgotten first."""
        self._asking: set[int] = set()
        """Strangers that are being looked at: requests with the same credential are one."""

    async def authenticate(self, token: str) -> Caller:
        """As the other one does; OVERLOADED when too many guess at the same time."""
        digest = hash(token)  # keyed: PYTHONHASHSEED is random in every process
        if digest in self._known:
            try:
                return await self._inner.authenticate(token)
            except GatewayError as error:
                if error.reason in _GUESSED:
                    self._known.pop(digest, None)
                    self._strangers.take()
                raise
        if (shut := self._shut()) is not None:
            raise shut
        caller = await self._looked_at(token, digest)
        if len(self._known) >= KNOWN:
            del self._known[next(iter(self._known))]
        self._known[digest] = caller.principal
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
            is_good = error.reason not in _GUESSED
            raise
        finally:
            if is_first:
                self._asking.discard(digest)
            if is_first and is_good:
                self._strangers.give_back()
            elif not is_first and not is_good:
                self._strangers.take()

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
