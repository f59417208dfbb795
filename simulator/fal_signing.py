"""How fal signs its webhooks: ED25519 over four lines, with a key that a JWKS tells.

Facts: providers.md 8.1. Where the `cryptography` package is not installed, webhooks go out unsigned
and the JWKS is empty.
"""

import importlib.util
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import uuid4

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PREFIX: Final = "x-fal-webhook-"


class Signer:
    """One key of this process."""

    def __init__(self) -> None:
        self._key: Ed25519PrivateKey | None = None
        self._user = uuid4().hex

    def headers(self, _url: str, body: bytes) -> Mapping[str, str]:
        """Give the headers that show who posts *body*."""
        key = self._private()
        if key is None:
            return {}
        stamp, request_id = str(int(time.time())), str(json.loads(body)["request_id"])
        lines = (request_id, self._user, stamp, sha256(body).hexdigest())
        return {
            f"{_PREFIX}request-id": request_id,
            f"{_PREFIX}user-id": self._user,
            f"{_PREFIX}timestamp": stamp,
            f"{_PREFIX}signature": key.sign("\n".join(lines).encode()).hex(),
        }

    def key_set(self) -> dict[str, object]:
        """Give the JWKS."""
        key = self._private()
        if key is None:
            return {"keys": []}
        public = urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": public}]}

    def _private(self) -> "Ed25519PrivateKey | None":
        if self._key is None and importlib.util.find_spec("cryptography") is not None:
            # Here, not above: it may be absent, and only webhooks need it.
            from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
                Ed25519PrivateKey,
            )

            self._key = Ed25519PrivateKey.generate()
        return self._key
