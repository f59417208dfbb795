"""Quotes: binding offers that are signed and not stored. Pure.

A token is `rq_` and base64url of JSON and its HMAC-SHA-256 under the server key. Whoever holds one
may read it; only we can make one. Whether it has expired and whether it was used is decided by the
commit that holds its price (`core.engine.quote_uses`), by the database's clock.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import field
from hmac import compare_digest
from typing import Final
from uuid import UUID

import orjson

from billing.pricing import PriceLine, total
from core.body import Secret
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from core.values import dataclass

PURPOSE: Final = "quote"
LIFE_SECONDS: Final = 900
"""How long a quote binds: the most that semantics.md 25 allows."""
LONGEST_TOKEN: Final = 4_096
"""Characters; one of all the facts that a model of ours tells apart has a sixth of it."""
_PREFIX: Final = "rq_"
_MAC_BYTES: Final = 32
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Quote:
    """An offer to one account."""

    id: UUID
    account_id: UUID
    model: str
    catalogue_version: str
    """Whose prices these are."""
    subject: Mapping[str, str]
    """What the price follows from: `core.catalog.price_subject`."""
    lines: tuple[PriceLine, ...] = field(repr=False)
    expires_us: int
    """Microseconds since 1970."""

    @property
    def maximum_micros(self) -> int:
        """The most that a generation with this quote costs."""
        return total(self.lines)

    def difference(self, subject: Mapping[str, str]) -> str:
        """The first fact in which a request is another one than was quoted; empty if none is."""
        for name, value in self.subject.items():
            if subject.get(name) != value:
                return name
        return next((name for name in subject if name not in self.subject), "")


class QuoteTokens:
    """Quotes as text, and back."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def token(self, quote: Quote) -> Secret[str]:
        """The text of a quote, signed by the newest key."""
        payload = orjson.dumps(
            [
                _VERSION,
                quote.id.hex,
                quote.account_id.hex,
                quote.model,
                quote.catalogue_version,
                quote.subject,
                lines_text(quote.lines),
                quote.maximum_micros,
                quote.expires_us,
            ]
        )
        signed = self._keyring.mac(PURPOSE, payload) + payload
        return Secret(_PREFIX + urlsafe_b64encode(signed).rstrip(b"=").decode())

    def read(self, token: Secret[str]) -> Quote:
        """The quote; raises INVALID_PARAMETER for what no key of ours has signed."""
        signed = _decoded(token.reveal())
        mac, payload = signed[:_MAC_BYTES], signed[_MAC_BYTES:]
        if not any(compare_digest(mac, each) for each in self._candidates(payload)):
            raise GatewayError(
                Reason.INVALID_PARAMETER,
                "`quote_token` is not a quote of this gateway; ask for another one.",
                parameter="quote_token",
            )
        _, id_, account, model, version, subject, lines, maximum, expires = orjson.loads(payload)
        quote = Quote(UUID(id_), UUID(account), model, version, subject, lines_of(lines), expires)
        assert quote.maximum_micros == maximum, "we have signed it"
        return quote

    def _candidates(self, payload: bytes) -> Sequence[bytes]:
        return self._keyring.candidates(PURPOSE, payload) if payload else ()


def lines_text(lines: Sequence[PriceLine]) -> str:
    """Price lines as JSON: in tokens, and in the rows of generations."""
    return orjson.dumps(
        [
            # In the order of the class's fields.
            (
                line.unit,
                line.quantity_milli,
                line.unit_micros,
                line.amount_micros,
                line.conditions,
                line.per,
            )
            for line in lines
        ]
    ).decode()


def lines_of(text: str | None) -> tuple[PriceLine, ...]:
    """The lines again; none of a row from before they were kept."""
    return tuple([PriceLine(*line) for line in orjson.loads(text)]) if text else ()


def _decoded(text: str) -> bytes:
    """The bytes of a token; none where it cannot be one."""
    if not text.startswith(_PREFIX) or len(text) > LONGEST_TOKEN or not text.isascii():
        return b""
    body = text.removeprefix(_PREFIX)
    try:
        return urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return b""
