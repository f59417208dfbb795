"""Publishes policies at start, and mails a new version to everybody before it holds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from core.engine.ids import new_id
from core.legal.texts import Operator
from core.legal.versions import AGREED, Document, Published, coming, current, unpublished
from storage.pool import Pool, StorageUnavailable

LOOK_SECONDS: Final = 60.0
"""Between two looks for versions that another process published, and for new people."""
BATCH: Final = 200
"""People who are mailed in one transaction."""

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('policy versions'))"
_PUBLISHED = """
SELECT policy_id, version, title, markdown, sha256, effective_at FROM policy_version
"""
_PUBLISH = """
INSERT INTO policy_version (policy_id, version, title, markdown, sha256, effective_at)
VALUES (%s, %s, %s, %s, %s, %s)
"""
# Whoever holds the row tells; the others come again.
_UNTOLD = """
SELECT policy_id, version, title, effective_at, told_to FROM policy_version
 WHERE announced_at IS NULL
 ORDER BY published_at, policy_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_EVERYBODY = """
SELECT user_id FROM app_user
 WHERE email_verified_at IS NOT NULL AND deleting_at IS NULL
   AND (%(after)s::uuid IS NULL OR user_id > %(after)s::uuid)
 ORDER BY user_id LIMIT %(limit)s
"""
_TOLD = "UPDATE policy_version SET told_to = %s WHERE (policy_id, version) = (%s, %s)"
_ANNOUNCED = """
UPDATE policy_version SET announced_at = clock_timestamp(), told_to = NULL
 WHERE (policy_id, version) = (%s, %s)
"""
# Who came since it was announced (five minutes before, for transactions that were under way), seen
# for a day, in case nobody looks for a while. `once` keeps anybody from being told twice, and its
# row lives longer than that day.
_NEWCOMERS = """
SELECT p.policy_id, p.version, p.title, p.effective_at, u.user_id
  FROM policy_version p
  JOIN app_user u ON u.email_verified_at > greatest(p.announced_at - interval '5 minutes',
                                                    clock_timestamp() - interval '1 day')
                 AND u.deleting_at IS NULL
 WHERE p.announced_at IS NOT NULL AND p.effective_at > clock_timestamp()
   AND NOT EXISTS (SELECT FROM mail m
                    WHERE m.once = 'policy/' || p.policy_id || '@' || p.version || '/' || u.user_id)
 LIMIT %s
"""

Connection = AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Tell:
    """What one person is told of one version."""

    mail_id: UUID
    user_id: UUID
    document: Document
    """Without its text."""
    effective_at: datetime

    @property
    def once(self) -> str:
        """What the mail is about: it is sent once."""
        return f"policy/{self.document.name}/{self.user_id}"

    @property
    def facts(self) -> dict[str, str]:
        """What it says."""
        return {
            "title": self.document.title,
            "version": self.document.version.isoformat(),
            "effective": self.effective_at.date().isoformat(),
        }


Post = Callable[[Connection, Tell], Awaitable[None]]
"""Queues the mail in the transaction of the connection."""


class Policies:
    """The policies of this deployment. Raises what the pool raises."""

    def __init__(self, pool: Pool, operator: Operator, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._operator = operator
        self._now = now
        self._published: Sequence[Published] = ()

    async def publish(self, documents: Sequence[Document]) -> None:
        """Publish what is new of *documents*, and know all; raises PolicyError."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_ALONE)
            known = await _published(connection)
            new = unpublished(documents, known, self._now())
            for each in new:
                document = each.document
                values = (document.policy_id, document.version, document.title, document.markdown)
                await connection.execute(_PUBLISH, (*values, each.sha256, each.effective_at))
        self._published = (*known, *new)

    async def look(self) -> None:
        """Hear of what other processes published."""
        async with self._pool.connection() as connection:
            self._published = await _published(connection)

    def listed(self) -> list[Published]:
        """Current and coming versions, by id."""
        now = self._now()
        found = [*current(self._published, now).values(), *coming(self._published, now)]
        return sorted(found, key=lambda each: each.document.name)

    def get(self, policy_id: str, version: str) -> Published | None:
        """One version, of any time; an empty *version* means the one that holds."""
        if not version:
            return current(self._published, self._now()).get(policy_id)
        wanted = f"{policy_id}@{version}"
        return next((each for each in self._published if each.document.name == wanted), None)

    def text(self, each: Published) -> str:
        """Its Markdown, filled in."""
        return self._operator.fill(each.document.markdown)

    def current_policies(self) -> Mapping[str, str]:
        """What a new person agrees to: versions by id."""
        holding = current(self._published, self._now())
        return {id_: str(holding[id_].document.version) for id_ in AGREED if id_ in holding}


class Notices:
    """Mails new versions to everybody with a verified address, once, whoever dies meanwhile."""

    def __init__(self, pool: Pool, policies: Policies, post: Post) -> None:
        self._pool = pool
        self._policies = policies
        self._post = post

    async def keep(self) -> None:
        """Look again and again."""
        while True:
            with suppress(StorageUnavailable):
                await self._policies.look()
                await self.tell_all()
            await asyncio.sleep(LOOK_SECONDS)

    async def tell_all(self) -> None:
        """Tell whoever is to be told by now."""
        while await self.tell_some():
            pass
        while await self.tell_newcomers() == BATCH:
            pass

    async def tell_some(self) -> bool:
        """Tell the next people of a version that is not announced; False when there is none."""
        async with self._pool.connection() as connection, connection.transaction():
            row = await (await connection.execute(_UNTOLD)).fetchone()
            if row is None:
                return False
            policy_id, version, title, effective_at, after = row
            values = {"after": after, "limit": BATCH}
            people = await (await connection.execute(_EVERYBODY, values)).fetchall()
            document = Document(policy_id, version, title, "")
            for (user_id,) in people:
                await self._post(connection, Tell(new_id(), user_id, document, effective_at))
            if people:
                await connection.execute(_TOLD, (people[-1][0], policy_id, version))
            else:
                await connection.execute(_ANNOUNCED, (policy_id, version))
            return True

    async def tell_newcomers(self) -> int:
        """Tell who came since of what is to come; returns how many mails that were."""
        async with self._pool.connection() as connection, connection.transaction():
            rows = await (await connection.execute(_NEWCOMERS, (BATCH,))).fetchall()
            for policy_id, version, title, effective_at, user_id in rows:
                document = Document(policy_id, version, title, "")
                await self._post(connection, Tell(new_id(), user_id, document, effective_at))
            return len(rows)


async def _published(connection: Connection) -> list[Published]:
    rows = await (await connection.execute(_PUBLISHED)).fetchall()
    return [
        Published(Document(id_, version, title, text), bytes(digest), at.astimezone(UTC))
        for id_, version, title, text, digest, at in rows
    ]
