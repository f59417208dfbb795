"""How Replicate signs its webhooks: Standard Webhooks, with a secret that the API tells.

Facts: providers.md 8.2.
"""

import hmac
import json
import secrets
import time
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256


class Signer:
    """The secret of one account."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(24)

    @property
    def secret(self) -> str:
        """The secret as it is told: `whsec_…`."""
        return f"whsec_{b64encode(self._key).decode()}"

    def headers(self, _url: str, body: bytes) -> Mapping[str, str]:
        """Give the headers that show who posts *body*."""
        message_id, stamp = f"msg_{json.loads(body)['id']}", str(int(time.time()))
        signed = b".".join((message_id.encode(), stamp.encode(), body))
        signature = b64encode(hmac.new(self._key, signed, sha256).digest()).decode()
        return {
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{signature}",
        }
