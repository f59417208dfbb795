"""Promotional codes: how they are written, and who may still redeem one. Pure.

A code is 16 characters of Crockford's alphabet, 80 random bits, shown once when it is made; what
is kept of it is a keyed digest. Redeeming is a part of a commit, beside the credits that it gives.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

CODE_BYTES: Final = 10
"""Chance in a code: at ten guesses a minute nobody meets one of a million in a billion years."""
_LENGTH: Final = 16
_GROUP: Final = 4
_LONGEST: Final = 64
"""Characters of what somebody typed that are read: a code with its spaces has a third of it."""
_STANDARD, _CROCKFORD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_WRITTEN = bytes.maketrans(_STANDARD, _CROCKFORD)
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
"""What people make of the characters that look alike (Crockford's Base32)."""
_ALPHABET = frozenset(_CROCKFORD.decode())


@dataclass(frozen=True, slots=True)
class PromoCode:
    """A code as its row has it, without what it is."""

    id: UUID
    credited_micros: int
    redemption_limit: int
    """0: any number of accounts."""
    redemption_count: int
    expires_us: int | None
    """Microseconds since 1970; None: never."""
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class Redemption:
    """A part of a commit: *account_id* redeems a code. `transfer_id` is that of the Credit."""

    account_id: UUID
    promo_id: UUID
    transfer_id: UUID


class Why(StrEnum):
    """Why a code cannot be redeemed."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    USED_UP = "used_up"
    REDEEMED = "redeemed"


@dataclass(frozen=True, slots=True)
class NotRedeemable:
    """The refusal of a Redemption."""

    why: Why


def write(chance: bytes) -> str:
    """The code of CODE_BYTES random bytes: `7KQ2-…`, in four groups."""
    assert len(chance) == CODE_BYTES
    text = base64.b32encode(chance).translate(_WRITTEN).decode()
    return "-".join(text[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP))


def read(typed: str) -> str | None:
    """The code that somebody typed, in one form; None: it cannot be one."""
    if len(typed) > _LONGEST:
        return None
    text = "".join(typed.split()).upper().translate(_READ_AS)
    return text if len(text) == _LENGTH and _ALPHABET.issuperset(text) else None


class PromoBook:
    """Which redemptions the codes allow; each account has one of each code."""

    def __init__(
        self,
        codes: Mapping[UUID, PromoCode],
        redeemed: Iterable[Redemption],
        now_us: int,
    ) -> None:
        self.codes = dict(codes)
        self.written: list[Redemption] = []
        self._redeemed = {(part.account_id, part.promo_id): part for part in redeemed}
        self._counts = {id_: code.redemption_count for id_, code in codes.items()}
        self._now_us = now_us

    @property
    def counts(self) -> Mapping[UUID, int]:
        """How often each code that was taken has been redeemed by now."""
        return {part.promo_id: self._counts[part.promo_id] for part in self.written}

    def recalls(self, part: Redemption) -> bool:
        return self._redeemed.get((part.account_id, part.promo_id)) == part

    def recall(self, part: Redemption) -> PromoCode:
        return self.codes[part.promo_id]

    def refusal(self, part: Redemption) -> NotRedeemable | None:
        code = self.codes.get(part.promo_id)
        if code is None or code.is_disabled:
            return NotRedeemable(Why.UNKNOWN)
        if (part.account_id, part.promo_id) in self._redeemed:
            return NotRedeemable(Why.REDEEMED)
        if code.expires_us is not None and code.expires_us <= self._now_us:
            return NotRedeemable(Why.EXPIRED)
        if code.redemption_limit and self._counts[part.promo_id] >= code.redemption_limit:
            return NotRedeemable(Why.USED_UP)
        return None

    def turned_away(self, part: Redemption, refusal: object) -> None:
        """A refused part takes nothing."""

    def take(self, part: Redemption) -> PromoCode:
        self._redeemed[part.account_id, part.promo_id] = part
        self._counts[part.promo_id] += 1
        self.written.append(part)
        return self.codes[part.promo_id]
