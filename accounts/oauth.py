"""Sign-ins at other services in PostgreSQL: those on their way, and who people are there.

Tokens and codes of the services are nowhere; states and the services' ids are keyed digests.
"""

import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from accounts.addresses import address_digest
from accounts.vault import Vault

FLOW: Final = "oauth-flow"
"""The purpose of what is sealed of a flow, bound to its state."""
ADDRESS: Final = "identity-email"
"""Of the addresses that services told, bound to the person."""
LIFETIME: Final = timedelta(minutes=10)
"""Of a flow: the contract's word, and the longest that a code lives (RFC 6749 4.1.2)."""
_STATE: Final = "oauth-state"
_BROWSER: Final = "oauth-browser"
_SUBJECT: Final = "oauth-subject"
_CLEAR: Final = frozenset({"provider", "user_id"})
"""Fields of a flow that have columns of their own; the others are sealed."""

Connection: TypeAlias = AsyncConnection[Any]

_BEGIN = """
INSERT INTO oauth_flow (state_hmac, browser_hmac, provider, user_id, sealed, expires_at)
VALUES (%(state)s, %(browser)s, %(provider)s, %(user)s, %(sealed)s,
        clock_timestamp() + %(lifetime)s)
RETURNING expires_at
"""
_TAKE = """
DELETE FROM oauth_flow WHERE state_hmac = ANY(%s)
RETURNING state_hmac, browser_hmac, provider, user_id, sealed,
          expires_at > clock_timestamp() AS alive
"""
_OWNER = """
SELECT user_id, subject_hmac FROM oauth_identity
 WHERE provider = %s AND subject_hmac = ANY(%s)
"""
_REKEY = "UPDATE oauth_identity SET subject_hmac = %s WHERE provider = %s AND subject_hmac = %s"
_LINK = """
INSERT INTO oauth_identity (provider, subject_hmac, user_id, email_sealed)
VALUES (%s, %s, %s, %s)
"""
_IDENTITIES = """
SELECT provider, email_sealed, linked_at FROM oauth_identity WHERE user_id = %s ORDER BY provider
"""
_HAS = "SELECT true FROM oauth_identity WHERE user_id = %s AND provider = %s"
# Locked: of two that would take the last two ways, the second finds that one is left.
_WAYS = """
SELECT password_hash IS NOT NULL AS has_password,
       ARRAY(SELECT i.provider FROM oauth_identity i WHERE i.user_id = u.user_id) AS providers
  FROM app_user u WHERE user_id = %s
"""
_ALONE = "SELECT true FROM app_user WHERE user_id = %s FOR NO KEY UPDATE"
_UNLINK = "DELETE FROM oauth_identity WHERE user_id = %s AND provider = %s"


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in at a service that was begun."""

    provider: str
    user_id: UUID | None
    """Who links an identity; None: somebody signs in."""
    verifier: str = field(repr=False)
    """Of PKCE (RFC 7636)."""
    nonce: str = field(repr=False)
    redirect_uri: str = field(repr=False)
    age_confirmed: bool = False
    accepted_policies: Sequence[str] = ()
    invitation: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a person is at a service."""

    provider: str
    email: str = field(repr=False)
    """The address that the service told."""
    linked_at: datetime


class Unlinked(Enum):
    """What came of forgetting an identity."""

    DONE = "done"
    UNKNOWN = "not linked"
    LAST = "the last way to sign in"


async def begin_flow(
    connection: Connection, vault: Vault, state: str, browser_token: str, flow: Flow
) -> datetime:
    """Write a flow down; until when it can be finished."""
    key = vault.digest(_STATE, state.encode())
    kept = {name: value for name, value in asdict(flow).items() if name not in _CLEAR}
    values = {
        "state": key,
        "browser": vault.digest(_BROWSER, browser_token.encode()),
        "provider": flow.provider,
        "user": flow.user_id,
        "sealed": vault.seal(FLOW, json.dumps(kept), key),
        "lifetime": LIFETIME,
    }
    cursor = await connection.execute(_BEGIN, values)
    row = await cursor.fetchone()
    assert row is not None
    expires: datetime = row[0]
    return expires


async def take_flow(
    connection: Connection, vault: Vault, state: str, browser_token: str
) -> Flow | None:
    """The flow of *state*, which works once, whoever comes with it.

    None: there is none any more, or another browser began it. Must not be rolled back.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_TAKE, (vault.digests(_STATE, state.encode()),))
        row = await cursor.fetchone()
    if row is None:
        return None
    told = vault.digests(_BROWSER, browser_token.encode())
    matches = [hmac.compare_digest(digest, row["browser_hmac"]) for digest in told]
    if not any(matches) or not row["alive"]:
        return None
    kept = json.loads(vault.open(FLOW, row["sealed"], row["state_hmac"]))
    return Flow(provider=row["provider"], user_id=row["user_id"], **kept)


async def owner_of(
    connection: Connection, vault: Vault, provider: str, subject: str
) -> UUID | None:
    """Who *subject* is here; None: nobody. An old server key's digest becomes the newest's."""
    parts = provider.encode(), subject.encode()
    cursor = await connection.execute(_OWNER, (provider, vault.digests(_SUBJECT, *parts)))
    row = await cursor.fetchone()
    if row is None:
        return None
    owner: UUID = row[0]
    if row[1] != (newest := vault.digest(_SUBJECT, *parts)):
        await connection.execute(_REKEY, (newest, provider, row[1]))
    return owner


async def has_identity(connection: Connection, user_id: UUID, provider: str) -> bool:
    """Whether a person has any identity of a service."""
    cursor = await connection.execute(_HAS, (user_id, provider))
    return await cursor.fetchone() is not None


async def link(
    connection: Connection, vault: Vault, user_id: UUID, identity: tuple[str, str], email: str
) -> None:
    """Give a person an *identity* (provider and the service's id); `UniqueViolation` if taken."""
    provider, subject = identity
    digest = vault.digest(_SUBJECT, provider.encode(), subject.encode())
    sealed = vault.seal(ADDRESS, email, user_id.bytes)
    await connection.execute(_LINK, (provider, digest, user_id, sealed))


async def identities(connection: Connection, vault: Vault, user_id: UUID) -> list[Identity]:
    """The services that a person can sign in with."""
    cursor = await connection.execute(_IDENTITIES, (user_id,))
    return [
        Identity(provider, vault.open(ADDRESS, sealed, user_id.bytes), linked_at)
        for provider, sealed, linked_at in await cursor.fetchall()
    ]


async def unlink(connection: Connection, user_id: UUID, provider: str) -> Unlinked:
    """Forget an identity, unless it is the last way to sign in. Must run in a transaction."""
    await connection.execute(_ALONE, (user_id,))
    cursor = await connection.execute(_WAYS, (user_id,))
    row = await cursor.fetchone()
    has_password, providers = (False, []) if row is None else row
    if provider not in providers:
        return Unlinked.UNKNOWN
    if not has_password and len(providers) == 1:
        return Unlinked.LAST
    await connection.execute(_UNLINK, (user_id, provider))
    return Unlinked.DONE


async def forget_strange(
    connection: Connection, vault: Vault, user_id: UUID, address: str
) -> tuple[list[str], list[str]]:
    """Forget who a person is at services that told another address than *address*.

    The services that were forgotten, and those that stay. The person must have a password.
    """
    digest = address_digest(vault, address)
    removed: list[str] = []
    kept: list[str] = []
    for identity in await identities(connection, vault, user_id):
        is_own = address_digest(vault, identity.email) == digest
        (kept if is_own else removed).append(identity.provider)
    for provider in removed:
        await connection.execute(_UNLINK, (user_id, provider))
    return removed, kept
