"""Generations read back from PostgreSQL: one, a page, their outputs and attempts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from core.engine.quotes import lines_of
from core.engine.records import AssetRecord, AttemptRecord, Generation, Listing, StoredAsset
from core.errors import Fault, Phase, Reason
from core.model import AttemptState, GenerationState, Kind, Usage
from storage.pool import AnyPool

_GENERATION = """
SELECT g.*, u.input_text_tokens, u.input_image_tokens, u.output_tokens, u.output_image_tokens
  FROM generation g
  LEFT JOIN usage_event u ON u.account_id = g.account_id AND u.generation_id = g.id
"""
_ONE = f"{_GENERATION} WHERE g.account_id = %(account)s AND g.id = %(id)s AND g.hidden_at IS NULL"
_OPEN = (
    f"{_GENERATION} WHERE g.account_id = %(account)s AND g.id = %(id)s AND g.finished_at IS NULL"
)
_FILTER = """
 WHERE g.account_id = %(account)s AND g.hidden_at IS NULL
   AND (%(kinds)s::text[] = '{}' OR g.kind = ANY (%(kinds)s::text[]))
   AND (%(models)s::text[] = '{}' OR g.model = ANY (%(models)s::text[]))
"""
_NEWEST_FIRST = f"""{_GENERATION} {_FILTER}
   AND g.id < %(after)s::uuid
 ORDER BY g.id DESC LIMIT %(limit)s
"""
_OLDEST_FIRST = f"""{_GENERATION} {_FILTER}
   AND g.id > %(after)s::uuid
 ORDER BY g.id LIMIT %(limit)s
"""
_ASSET = """
SELECT a.account_id, a.generation_id, a.created_at, a.expires_at, a.output_index, a.sha256,
       a.size_bytes, a.media_type, a.link, a.width, a.height
  FROM asset a
"""
_ASSETS = f"""{_ASSET}
 WHERE a.account_id = %(account)s AND a.generation_id = %(id)s
   AND (%(deleted)s OR a.deleted_at IS NULL)
 ORDER BY a.output_index
"""
_ASSET_BY_LINK = f"""{_ASSET}
 WHERE a.generation_id = %(id)s AND a.link = %(link)s AND a.output_index = %(index)s
   AND a.deleted_at IS NULL AND a.expires_at > clock_timestamp()
   AND EXISTS (SELECT FROM generation g
                WHERE g.account_id = a.account_id AND g.id = %(id)s AND g.hidden_at IS NULL)
"""
_ATTEMPTS = """
SELECT number, channel, mark, state, fault, phase, http_status, started_ms, acknowledged_ms,
       first_byte_ms, ended_ms, coalesce(upstream_job_id, '') AS upstream_job_id,
       shard, is_hedge, standing, candidates, credential
  FROM attempt
 WHERE account_id = %(account)s AND generation_id = %(id)s
 ORDER BY number
"""


class RecordReads:
    """What the rows can be asked; `MemoryRecords` answers the same. Raises what the pool raises."""

    def __init__(self, pool: AnyPool) -> None:
        self._pool = pool

    async def generation(self, account_id: UUID, id_: UUID) -> Generation | None:
        """One generation; None for a hidden one, and for another account's."""
        rows = await self._rows(_ONE, {"account": account_id, "id": id_})
        return generation(rows[0]) if rows else None

    async def open_generation(self, account_id: UUID, id_: UUID) -> Generation | None:
        """One that has not ended, hidden or not."""
        rows = await self._rows(_OPEN, {"account": account_id, "id": id_})
        return generation(rows[0]) if rows else None

    async def generations(self, account_id: UUID, listing: Listing) -> list[Generation]:
        """One page, in the order of their ids, which is that of time."""
        end = UUID(int=0) if listing.oldest_first else UUID(int=(1 << 128) - 1)
        values = {
            "account": account_id,
            "kinds": sorted(listing.kinds),
            "models": sorted(listing.models),
            "after": listing.after or end,
            "limit": listing.limit,
        }
        rows = await self._rows(_OLDEST_FIRST if listing.oldest_first else _NEWEST_FIRST, values)
        return [generation(row) for row in rows]

    async def assets(
        self, account_id: UUID, id_: UUID, *, deleted: bool = False
    ) -> list[StoredAsset]:
        """The outputs, in order; *deleted* ones too, for who removes their files."""
        rows = await self._rows(_ASSETS, {"account": account_id, "id": id_, "deleted": deleted})
        return [asset(row) for row in rows]

    async def asset_by_link(
        self, generation_id: UUID, link: str, output_index: int
    ) -> StoredAsset | None:
        """The output behind a link, which names no account; None when deleted or expired."""
        values = {"id": generation_id, "link": link, "index": output_index}
        rows = await self._rows(_ASSET_BY_LINK, values)
        return asset(rows[0]) if rows else None

    async def attempts(self, account_id: UUID, id_: UUID) -> list[AttemptRecord]:
        """The attempts, first to last."""
        rows = await self._rows(_ATTEMPTS, {"account": account_id, "id": id_})
        return [attempt(row) for row in rows]

    async def _rows(self, statement: str, values: Mapping[str, Any]) -> list[DictRow]:
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=dict_row, binary=True) as cursor,
        ):
            await cursor.execute(statement, values)
            return await cursor.fetchall()


def generation(row: DictRow) -> Generation:
    """A row of `_GENERATION` in our words."""
    return Generation(
        id=row["id"],
        account_id=row["account_id"],
        key_id=row["key_id"],
        hold_id=row["hold_id"],
        owner_epoch=row["owner_epoch"],
        model=row["model"],
        kind=Kind(row["kind"]),
        state=GenerationState(row["state"]),
        catalogue_version=row["catalogue_version"],
        endpoint=row["endpoint"],
        request_id=row["request_id"],
        requested_count=row["requested_count"],
        quoted_micros=row["quoted_micros"],
        sandbox=row["sandbox"],
        created_at=row["created_at"],
        deadline_at=row["deadline_at"],
        finished_at=row["finished_at"],
        cancel_requested_at=row["cancel_requested_at"],
        orphaned_at=row["orphaned_at"],
        claimed_at=row["claimed_at"],
        reason=None if row["reason"] is None else Reason(row["reason"]),
        metadata=row["metadata"] or {},
        channel=row["channel"] or "",
        attempt_count=row["attempt_count"],
        delivered_count=row["delivered_count"],
        charged_micros=row["charged_micros"],
        usage=usage(row),
        size=row["size"] or "",
        quality=row["quality"] or "",
        background=row["background"] or "",
        output_format=row["output_format"] or "",
        duration_ms=row["duration_ms"],
        fate_unknown_since=row["fate_unknown_since"],
        hidden=row["hidden_at"] is not None,
        quote_id=row["quote_id"],
        price_lines=lines_of(row["price_lines"]),
    )


def usage(row: DictRow) -> Usage | None:
    """The tokens; None where the provider counted none."""
    if row["output_tokens"] is None:
        return None
    return Usage(
        row["input_text_tokens"],
        row["input_image_tokens"],
        row["output_tokens"],
        row["output_image_tokens"],
    )


def asset(row: DictRow) -> StoredAsset:
    """A row of `_ASSET` in our words."""
    created_at: datetime = row["created_at"]
    expires_at: datetime = row["expires_at"]
    record = AssetRecord(
        output_index=row["output_index"],
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        media_type=row["media_type"],
        link=row["link"],
        width=row["width"],
        height=row["height"],
        keep_days=(expires_at - created_at).days,
    )
    return StoredAsset(row["generation_id"], row["account_id"], record, created_at, expires_at)


def attempt(row: DictRow) -> AttemptRecord:
    """A row of `_ATTEMPTS` in our words."""
    return AttemptRecord(
        **{
            **row,
            "state": AttemptState(row["state"]),
            "fault": None if row["fault"] is None else Fault(row["fault"]),
            "phase": None if row["phase"] is None else Phase(row["phase"]),
        }
    )
