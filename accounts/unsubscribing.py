"""Stopping letters with one click (RFC 8058): a token that names the person and works again."""

import base64
import binascii
import hmac
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from accounts.vault import Vault

_PREFIX: Final = "un_"
_PURPOSE: Final = "unsubscribe"
_ID_BYTES: Final = 16
_DIGEST_BYTES: Final = 32
_LONGEST: Final = 80
"""Characters that are looked at; a token has 67."""

# Whoever clicks wants no more letters: of either sort.
_STOP = """
UPDATE app_user u SET newsletter = false, product_notices = false
  FROM (SELECT user_id, newsletter FROM app_user WHERE user_id = %s FOR UPDATE) AS old
 WHERE u.user_id = old.user_id AND (u.newsletter OR u.product_notices)
RETURNING old.newsletter
"""
_CONSENT = "INSERT INTO consent (user_id, id, subject, given) VALUES (%s, %s, 'newsletter', false)"
_OBJECTION = """
INSERT INTO rights_request (id, user_id, kind, done_at)
VALUES (%s, %s, 'objection', clock_timestamp())
"""


def unsubscribe_token(vault: Vault, user_id: UUID) -> str:
    """The token of a person, under the newest server key."""
    return _PREFIX + _text(user_id.bytes + vault.digest(_PURPOSE, user_id.bytes))


def person_of(vault: Vault, token: str) -> UUID | None:
    """Whose token that is, made under any server key; None: it is none."""
    encoded = token.removeprefix(_PREFIX)
    if encoded == token or len(token) > _LONGEST or not encoded.isascii():
        return None
    try:
        data = base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True)
    except binascii.Error:
        return None
    if len(data) != _ID_BYTES + _DIGEST_BYTES:
        return None
    id_, digest = data[:_ID_BYTES], data[_ID_BYTES:]
    known = [hmac.compare_digest(digest, good) for good in vault.digests(_PURPOSE, id_)]
    return UUID(bytes=id_) if any(known) else None


async def unsubscribe(
    connection: AsyncConnection[Any], user_id: UUID, consent_id: UUID, request_id: UUID
) -> None:
    """Turn all letters off. Whoever has them off already, or is gone, is left as it is."""
    row = await (await connection.execute(_STOP, (user_id,))).fetchone()
    if row is None:
        return
    if row[0]:
        await connection.execute(_CONSENT, (user_id, consent_id))
    await connection.execute(_OBJECTION, (request_id, user_id))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
