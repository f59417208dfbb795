"""Keeps finished outputs in the bucket, before they are charged."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from core.body import Body
from core.engine.records import AssetRecord
from core.errors import Fault, Phase, UpstreamError
from core.media import EXTENSIONS, Probe, probe
from core.model import Asset, Final

KEEP_DAYS = 30
LINK_BYTES = 12
"""96 random bits: nobody can guess a link (semantics.md 14)."""


class Store(Protocol):
    """Where outputs live: a folder or a bucket."""

    async def put(self, name: str, data: bytes) -> None: ...

    def read(self, name: str, offset: int = 0, limit: int = 0) -> AsyncIterator[bytes]: ...

    async def delete(self, name: str) -> bool: ...

    async def find(self, name: str) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """An output that is in its place: the row to be, what callers see, and the bytes."""

    record: AssetRecord
    asset: Asset
    data: Body[bytes]


def check(finals: Sequence[Final], media_type: str = "") -> list[tuple[Final, Probe]]:
    """The outputs that are images, of *media_type* if one was asked for, and what they are.

    Raises UpstreamError INVALID_RESPONSE when there is none: a provider that answers 200
    without an image, or with another type than the caller asked for, has failed
    (providers.md 10, semantics.md 13).
    """
    good = [
        (final, found)
        for final in finals
        if (found := probe(final.data.reveal())) is not None
        and media_type in ("", found.media_type)
    ]
    if not good:
        raise UpstreamError(Fault.INVALID_RESPONSE, Phase.BODY)
    return good


async def keep(
    store: Store, id_: UUID, finals: Sequence[Final], probes: Sequence[Probe], now: datetime
) -> list[Kept]:
    """Put every output in its place. Raises OSError when the store fails."""
    link = secrets.token_hex(LINK_BYTES)
    kept: list[Kept] = []
    for final, found in zip(finals, probes, strict=True):
        data = final.data.reveal()
        record = AssetRecord(
            final.output_index,
            hashlib.sha256(data).digest(),
            len(data),
            found.media_type,
            link,
            found.width,
            found.height,
            KEEP_DAYS,
        )
        asset = asset_of(id_, record, now + timedelta(days=KEEP_DAYS))
        try:
            await store.put(asset.name, data)
        except OSError:
            with suppress(OSError):
                await discard(store, [item.asset for item in kept])
            raise
        kept.append(Kept(record, asset, final.data))
    return kept


def asset_of(id_: UUID, record: AssetRecord, expire_at: datetime) -> Asset:
    """What callers see of a stored output."""
    extension = EXTENSIONS[record.media_type]
    name = f"tasks/{id_.hex}/{record.link}/{record.output_index}.{extension}"
    return Asset(
        record.output_index, name, record.media_type, record.size_bytes, record.sha256, expire_at
    )


async def discard(store: Store, assets: Sequence[Asset]) -> int:
    """Delete outputs; returns how many there were."""
    return sum([await store.delete(asset.name) for asset in assets])
