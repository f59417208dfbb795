"""Keeps finished outputs in the bucket, before they are charged."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from core.body import Body
from core.engine.copying import Copy
from core.engine.records import AssetRecord
from core.errors import Fault, Phase, UpstreamError
from core.fetch.result import Download
from core.media import EXTENSIONS, SNIFFED_BYTES, Probe, declared, sniff
from core.model import Asset, Channel, Final, Hosted, Kind
from core.values import dataclass

KEEP_DAYS = 30
_KEPT = timedelta(days=KEEP_DAYS)
DISCARDED_AT_ONCE = 8
LINK_BYTES = 12
"""96 random bits: nobody can guess a link (semantics.md 14)."""


class Store(Protocol):
    """Where outputs live: a folder or a bucket."""

    async def put(self, name: str, data: bytes) -> None: ...

    async def put_stream(self, name: str, chunks: AsyncIterator[bytes]) -> int: ...

    def read(self, name: str, offset: int = 0, limit: int = 0) -> AsyncGenerator[bytes, None]: ...

    async def delete(self, name: str) -> bool: ...

    async def find(self, name: str) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """An output that is in its place: the row to be, what callers see, and the bytes.

    The bytes are None where they went by in pieces. `seconds` is how long a video or a sound is,
    where the file tells.
    """

    record: AssetRecord
    asset: Asset
    data: Body[bytes] | None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What hosted outputs must be, and what they become."""

    id: UUID
    link: str
    """As `new_link` gives it: one for all outputs of a generation."""
    now: datetime
    kind: Kind = Kind.IMAGE
    media_type: str = ""
    """The only one that will do; empty: any of the kind."""

    def accepts(self, media_type: str) -> bool:
        """Whether a file of this type is what was asked for."""
        return media_type.startswith(f"{self.kind}/") and self.media_type in ("", media_type)


class Fetch(Protocol):
    """Where hosted outputs come from: `core.fetch.result.ResultFetch`."""

    def open(
        self, hosted: Hosted, channel: Channel, budget: float | None = None
    ) -> AbstractAsyncContextManager[Download]: ...


def new_link() -> str:
    """The unguessable part of the links to a generation's outputs."""
    return secrets.token_hex(LINK_BYTES)


def check(
    finals: Sequence[Final], media_type: str = "", kind: Kind = Kind.IMAGE
) -> list[tuple[Final, Probe]]:
    """The outputs of *kind*, of *media_type* if one was asked for, and what they are.

    Raises UpstreamError INVALID_RESPONSE when there is none: a provider that answers 200
    without an image, or with another type than the caller asked for, has failed
    (providers.md 10, semantics.md 13).
    """
    good = [
        (final, found)
        for final in finals
        if (found := declared(final.data.reveal(), media_type)) is not None
        and found.media_type.startswith(f"{kind}/")
        and media_type in ("", found.media_type)
    ]
    if not good:
        raise UpstreamError(Fault.INVALID_RESPONSE, Phase.BODY)
    return good


async def keep(
    store: Store, id_: UUID, outputs: Sequence[tuple[Final, Probe]], now: datetime
) -> list[Kept]:
    """Put every output in its place. Raises OSError when the store fails."""
    link = new_link()
    kept: list[Kept] = []
    for final, found in outputs:
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
        asset = asset_of(id_, record, now + _KEPT)
        try:
            await store.put(asset.name, data)
        except OSError:
            await discard(store, [item.asset for item in kept])
            raise
        kept.append(Kept(record, asset, final.data, found.seconds))
    return kept


async def keep_hosted(
    store: Store, fetch: Fetch, hosted: Hosted, channel: Channel, wish: Wish
) -> Kept:
    """Copy an output that a provider hosts into its place, as it comes in.

    No more of it is in memory than a read and the head of an image. Raises UpstreamError,
    INVALID_RESPONSE when it is not what was asked for or stops halfway, and OSError when the
    store fails; then nothing of it stays.
    """
    async with fetch.open(hosted, channel) as download:
        head = b""
        while len(head) < SNIFFED_BYTES and (chunk := await anext(download.chunks, b"")):
            head += chunk
        media_type = sniff(head)
        if not wish.accepts(media_type):
            raise UpstreamError(Fault.INVALID_RESPONSE, Phase.BODY)
        copy = Copy(media_type)
        name = asset_name(wish.id, wish.link, hosted.output_index, media_type)
        async with aclosing(copy.passing(head, download.chunks)) as chunks:
            await store.put_stream(name, chunks)
    found = copy.found
    record = AssetRecord(
        hosted.output_index,
        copy.digest.digest(),
        copy.size,
        media_type,
        wish.link,
        found.width,
        found.height,
        KEEP_DAYS,
    )
    asset = asset_of(wish.id, record, wish.now + _KEPT)
    return Kept(record, asset, None, found.seconds)


def asset_of(id_: UUID, record: AssetRecord, expire_at: datetime) -> Asset:
    """What callers see of a stored output."""
    name = asset_name(id_, record.link, record.output_index, record.media_type)
    return Asset(
        record.output_index, name, record.media_type, record.size_bytes, record.sha256, expire_at
    )


def asset_name(id_: UUID, link: str, index: int, media_type: str) -> str:
    """What an output is called in the store, and behind `/media/` in its link."""
    return f"tasks/{id_.hex}/{link}/{index}.{EXTENSIONS[media_type]}"


class Named(Protocol):
    """Something that the store has, or had."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


async def discard(store: Store, outputs: Sequence[N]) -> list[N]:
    """Delete outputs; returns those that the store has no more.

    What the store does not delete now is removed later: the rows, and the store's own rule,
    say that its time is over.
    """
    gate = asyncio.Semaphore(DISCARDED_AT_ONCE)

    async def is_deleted(output: N) -> bool:
        async with gate:
            try:
                await store.delete(output.name)
            except OSError:
                return False
            return True

    gone = await asyncio.gather(*[is_deleted(output) for output in outputs])
    return [output for output, is_gone in zip(outputs, gone, strict=True) if is_gone]
