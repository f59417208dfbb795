"""Takes outputs down by their link: deleted now, and never recorded as anything else."""

import re
from typing import Any, Final
from uuid import UUID

from accounts.known import Connection, Known
from accounts.security_log import OPERATOR, Action, note
from core.engine.ids import new_id
from core.engine.outputs import Store, asset_name, discard
from core.values import dataclass
from storage.pool import AnyPool

ACTION: Final = "asset.take_down"
_LINK = re.compile(
    r"(?:https?://[^/?#]+)?(?:/[^?#]*)?/?media/tasks/([0-9a-f]{32})/([0-9a-f]{24})/([0-9]{1,2})"
    r"\.[a-z0-9]{2,4}(?:[?#].*)?\Z"
)
"""A public link, whatever host and prefix it was seen under (semantics.md 14)."""

_ASSET = """
SELECT account_id, media_type FROM asset
 WHERE generation_id = %(id)s AND link = %(link)s AND output_index = %(index)s
"""
# What has not ended has no rows of outputs yet, so nothing says that the link is right.
_RUNNING = "SELECT account_id, NULL FROM generation WHERE id = %(id)s AND finished_at IS NULL"
# Whoever ends the generation locks it too, and then reads what is taken down.
_LOCK = """
SELECT 1 FROM generation WHERE account_id = %(account)s AND id = %(id)s FOR NO KEY UPDATE
"""
_TAKE_DOWN = """
INSERT INTO taken_down (account_id, generation_id, output_index)
VALUES (%(account)s, %(id)s, %(index)s) ON CONFLICT DO NOTHING
"""
_DELETE = """
UPDATE asset SET deleted_at = coalesce(deleted_at, clock_timestamp())
 WHERE account_id = %(account)s AND generation_id = %(id)s AND output_index = %(index)s
"""
# Archives that may have it: those that are there are over (and removed like any other that is),
# those under way are made again without it. Each row is locked until the output is deleted, so
# that nobody begins one meanwhile.
_ARCHIVES = (
    """
UPDATE export SET expires_at = clock_timestamp()
 WHERE account_id = %(account)s AND NOT without_assets AND ready_at IS NOT NULL
   AND expires_at > clock_timestamp()
""",
    """
UPDATE export SET lease_until = 'epoch', tries = tries + CASE WHEN tries > 0 THEN 1 ELSE 0 END
 WHERE account_id = %(account)s AND NOT without_assets AND ready_at IS NULL AND failed_at IS NULL
""",
)


@dataclass(frozen=True, slots=True)
class Link:
    """What a link names."""

    generation_id: UUID
    link: str
    output_index: int


@dataclass(frozen=True, slots=True)
class Named:
    """An object of the store."""

    name: str


def read_link(uri: str) -> Link | None:
    """What a public link names; None: it is none of ours. Pure."""
    found = _LINK.match(uri)
    return None if found is None else Link(UUID(hex=found[1]), found[2], int(found[3]))


class TakingDown:
    """Takes outputs down. Raises what the pool raises."""

    def __init__(self, pool: AnyPool, store: Store) -> None:
        self._pool = pool
        self._store = store

    async def take_down(self, link: Link, reason: str, network: str, known: Known) -> UUID | None:
        """Delete the output for good, and note it; whose it was, None where there is none.

        The link is dead with the commit. What the store does not delete now is swept.
        """
        values: dict[str, Any] = {
            "id": link.generation_id,
            "link": link.link,
            "index": link.output_index,
        }
        async with self._pool.connection() as connection, connection.transaction():
            found = await _found(connection, values)
            if found is None:
                return None
            account_id, _ = found
            values["account"] = account_id
            await connection.execute(_LOCK, values)
            # It may have ended while the lock was waited for: then its output has a row now.
            _, media_type = await _found(connection, values) or found
            is_new = (await connection.execute(_TAKE_DOWN, values)).rowcount == 1
            for statement in _ARCHIVES if is_new else ():
                await connection.execute(statement, values)
            await connection.execute(_DELETE, values)
            if await known(connection, link.generation_id) is None:
                await note(connection, _action(account_id, link, reason, network))
        if media_type is not None:
            name = asset_name(link.generation_id, link.link, link.output_index, media_type)
            await discard(self._store, [Named(name)])
        return account_id


async def _found(connection: Connection, values: dict[str, Any]) -> tuple[UUID, str | None] | None:
    for statement in (_ASSET, _RUNNING):
        row = await (await connection.execute(statement, values)).fetchone()
        if row is not None:
            return row[0], row[1]
    return None


def _action(account_id: UUID, link: Link, reason: str, network: str) -> Action:
    return Action(
        new_id(),
        account_id,
        ACTION,
        f"generations/{link.generation_id.hex}",
        OPERATOR,
        network=network,
        reason=reason,
        changes={"output_index": str(link.output_index)},
    )
