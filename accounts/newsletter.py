"""A newsletter: one letter for everybody who wants it, however often it is asked for."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from accounts.addressed import COLUMNS, Addressee, addressed
from accounts.mail_queue import Kind, Letter, post
from accounts.vault import Vault

BATCH: Final = 200
"""Letters of one transaction: what was queued stays if the rest fails."""

_WISH: Final = {Kind.NEWSLETTER: "newsletter", Kind.PRODUCT: "product_notices"}
_WANTED = """
  FROM app_user u
 WHERE email_verified_at IS NOT NULL AND deleting_at IS NULL
   AND CASE %(wish)s WHEN 'newsletter' THEN newsletter ELSE product_notices END
"""
_COUNT = f"SELECT count(*) {_WANTED}"
_NEXT = f"""
SELECT {COLUMNS} {_WANTED} AND user_id > %(after)s
 ORDER BY user_id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Issue:
    """What is sent to everybody."""

    kind: Kind
    """NEWSLETTER or PRODUCT."""
    subject: str
    text: str
    html: str = ""

    @property
    def id(self) -> str:
        """The same for the same issue: it is sent to nobody twice."""
        parts = f"{self.kind}\0{self.subject}\0{self.text}\0{self.html}"
        return hashlib.sha256(parts.encode()).hexdigest()[:32]

    @property
    def facts(self) -> dict[str, str]:
        """What its letters say."""
        return {"subject": self.subject, "text": self.text, "html": self.html}


async def readers(pool: AsyncConnectionPool[Any], kind: Kind) -> int:
    """How many people want letters of that kind, at addresses that are theirs."""
    async with pool.connection() as connection:
        row = await (await connection.execute(_COUNT, {"wish": _WISH[kind]})).fetchone()
    return 0 if row is None else int(row[0])


async def send(
    pool: AsyncConnectionPool[Any], vault: Vault, issue: Issue, new_id: Callable[[], UUID]
) -> int:
    """Queue a letter for each of them; to how many it is addressed, those of before included."""
    count, after = 0, UUID(int=0)
    while True:
        async with pool.connection() as connection, connection.transaction():
            found = await _batch(connection, vault, issue, after, new_id)
        count += len(found)
        if len(found) < BATCH:
            return count
        after = found[-1]


async def _batch(
    connection: AsyncConnection[Any],
    vault: Vault,
    issue: Issue,
    after: UUID,
    new_id: Callable[[], UUID],
) -> list[UUID]:
    values = {"wish": _WISH[issue.kind], "after": after, "limit": BATCH}
    rows = await (await connection.execute(_NEXT, values)).fetchall()
    readers = [Addressee(*row) for row in rows]
    for reader in readers:
        draft = Letter(
            new_id(),
            issue.kind,
            "",
            issue.facts,
            user_id=reader.user_id,
            once=f"letter/{issue.id}/{reader.user_id.hex}",
        )
        await post(connection, vault, addressed(vault, draft, reader))
    return [reader.user_id for reader in readers]
