"""Reads generations back from rows: for their own account only."""

import re
from typing import Protocol
from uuid import UUID

from core.engine import records
from core.engine.ids import moment_of
from core.engine.outputs import asset_of
from core.errors import GatewayError, Reason
from core.model import Asset, Failure, Generation, Report
from core.values import dataclass

_PATH = re.compile(r"tasks/([0-9a-f]{32})/([0-9a-f]{24})/([0-9]{1,2})\.[a-z0-9]{2,4}\Z")


class Reads(Protocol):
    """What the rows can be asked: PostgreSQL's reader, or its twin in memory."""

    async def generation(self, account_id: UUID, id_: UUID) -> records.Generation | None: ...

    async def generations(
        self, account_id: UUID, listing: records.Listing
    ) -> list[records.Generation]: ...

    async def assets(
        self, account_id: UUID, id_: UUID, *, deleted: bool = False
    ) -> list[records.StoredAsset]: ...

    async def asset_by_link(
        self, generation_id: UUID, link: str, output_index: int
    ) -> records.StoredAsset | None: ...

    async def attempts(self, account_id: UUID, id_: UUID) -> list[records.AttemptRecord]: ...


@dataclass(frozen=True, slots=True)
class Trace:
    """How a generation was served."""

    generation: Generation
    catalogue_version: str
    """Whose prices apply to it."""
    attempts: tuple[records.AttemptRecord, ...]
    """First to last."""


class Library:
    """Generations as callers see them."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def find(self, account_id: UUID, id_: UUID) -> Generation:
        """One generation; raises GENERATION_NOT_FOUND."""
        return await self._with_assets(await self._row(account_id, id_))

    async def trace(self, account_id: UUID, id_: UUID) -> Trace:
        """What is on record of its attempts; raises GENERATION_NOT_FOUND."""
        row = await self._row(account_id, id_)
        attempts = await self._reads.attempts(account_id, id_)
        return Trace(await self._with_assets(row), row.catalogue_version, tuple(attempts))

    async def page(self, account_id: UUID, listing: records.Listing) -> list[Generation]:
        """One page of the account's generations."""
        rows = await self._reads.generations(account_id, listing)
        return [await self._with_assets(row) for row in rows]

    async def outputs(self, account_id: UUID, id_: UUID) -> list[Asset]:
        """Every output that was ever stored for it, hidden or not: to delete the files."""
        stored = await self._reads.assets(account_id, id_, deleted=True)
        return [asset_of(id_, item.record, item.expires_at) for item in stored]

    async def output(self, path: str) -> Asset:
        """An output by the path of its link; raises ASSET_NOT_FOUND."""
        found = _PATH.match(path)
        if found is not None:
            stored = await self._reads.asset_by_link(UUID(hex=found[1]), found[2], int(found[3]))
            if stored is not None:
                asset = asset_of(stored.generation_id, stored.record, stored.expires_at)
                if asset.name == path:
                    return asset
        raise GatewayError(Reason.ASSET_NOT_FOUND, "No such output; outputs live for 30 days.")

    async def _row(self, account_id: UUID, id_: UUID) -> records.Generation:
        row = await self._reads.generation(account_id, id_)
        if row is None:
            raise GatewayError(Reason.GENERATION_NOT_FOUND, "No such generation.")
        return row

    async def _with_assets(self, row: records.Generation) -> Generation:
        stored = []
        if row.delivered_count:
            stored = await self._reads.assets(row.account_id, row.id)
        return resource_of(row, [asset_of(row.id, item.record, item.expires_at) for item in stored])


def resource_of(row: records.Generation, assets: list[Asset]) -> Generation:
    """A row as callers see it."""
    failure = Failure(row.reason, row.metadata) if row.reason is not None else None
    ended = row.state.is_terminal
    return Generation(
        id=row.id,
        account_id=row.account_id,
        model=row.model,
        kind=row.kind,
        state=row.state,
        created_at=moment_of(row.id),
        requested_count=row.requested_count,
        quoted_micros=row.quoted_micros,
        ended_at=row.finished_at,
        delivered_count=row.delivered_count,
        charged_micros=row.charged_micros if ended else None,
        channel=row.channel,
        attempt_count=row.attempt_count,
        assets=tuple(assets),
        failure=failure,
        sandbox=row.sandbox,
        epoch=row.owner_epoch,
        report=Report(row.usage, row.size, row.quality, row.background, row.output_format),
        fate_unknown_since=row.fate_unknown_since,
        duration_ms=row.duration_ms,
    )
