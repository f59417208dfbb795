"""What Resend posts about mails: the signature (Svix's), and what it means. Pure.

`svix-signature` holds `v1,<base64 of HMAC-SHA-256>` over `{id}.{timestamp}.{body}`, once for each
secret that is good, separated by spaces: as Standard Webhooks, which came of it.
"""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from accounts.mail_rules import Cause
from core.body import Secret
from core.webhooks.signing import signature

TOLERANCE_SECONDS: Final = 300.0
"""How far the time of a signature may be from ours: Svix's libraries allow as much."""
_PERMANENT: Final = "Permanent"
"""Resend's type of a bounce after which the address is no use; others pass."""


class BadSignature(Exception):
    """It is not the mail service's, or too old, or not an event."""


@dataclass(frozen=True, slots=True)
class Posted:
    """An event as it came."""

    payload: bytes
    event_id: str
    signed_at: str
    signature: str


@dataclass(frozen=True, slots=True)
class Returned:
    """A mail came back, or its receiver complained."""

    provider_id: str
    cause: Cause


def verified(posted: Posted, secrets: Sequence[Secret[str]], now: float) -> Returned | None:
    """What was *posted*, if one of *secrets* signed it; None: nothing that stops mail.

    *now* is in seconds since 1970. Raises BadSignature.
    """
    at = posted.signed_at
    if not at.isascii() or not at.isdigit() or abs(now - int(at)) > TOLERANCE_SECONDS:
        raise BadSignature
    told = posted.signature.split(" ")[:8]
    good = [signature(each, posted.event_id, int(at), posted.payload) for each in secrets]
    matches = [hmac.compare_digest(one.encode(), other.encode()) for one in told for other in good]
    if not any(matches):
        raise BadSignature
    return _meaning(posted.payload)


def _meaning(payload: bytes) -> Returned | None:
    try:
        event = json.loads(payload)
        kind, data = event["type"], event["data"]
        id_ = data.get("email_id", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadSignature from None
    if not isinstance(id_, str) or not id_:
        return None
    if kind == "email.complained":
        return Returned(id_, "complaint")
    bounce = data.get("bounce")
    is_hard = isinstance(bounce, dict) and bounce.get("type") == _PERMANENT
    return Returned(id_, "bounce") if kind == "email.bounced" and is_hard else None
