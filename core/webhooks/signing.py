"""Signatures of messages, as Standard Webhooks 1.0 says. Pure.

`webhook-signature` holds `v1,<base64 of HMAC-SHA-256>` over `{id}.{timestamp}.{body}`, once for
each secret that is good at the moment, separated by spaces. A secret is `whsec_` and base64.
"""

import base64
import hmac
from collections.abc import Sequence
from typing import Final

from core.body import Secret

SECRET_BYTES: Final = 32
"""The standard asks for 24 to 64."""
_PREFIX: Final = "whsec_"


def make_secret(random_bytes: bytes) -> Secret[str]:
    """A secret of *random_bytes*, of which there must be SECRET_BYTES."""
    assert len(random_bytes) == SECRET_BYTES
    return Secret(_PREFIX + base64.b64encode(random_bytes).decode())


def signature(secret: Secret[str], id_: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64>` of one message. *timestamp* is in seconds since 1970."""
    key = base64.b64decode(secret.reveal().removeprefix(_PREFIX))
    signed = hmac.digest(key, f"{id_}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"


def signed_headers(
    secrets: Sequence[Secret[str]], id_: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """The headers of a message; without secrets it is not signed."""
    headers = {"webhook-id": id_, "webhook-timestamp": str(timestamp)}
    if secrets:
        signatures = [signature(secret, id_, timestamp, body) for secret in secrets]
        headers["webhook-signature"] = " ".join(signatures)
    return headers
