"""Policies, their notices and the list of subprocessors of one process, wired; who knows which key.

Raises PolicyError where a policy cannot be published.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from accounts import mail_queue
from accounts.addressed import COLUMNS, Addressee, addressed
from accounts.mail_queue import Kind, Letter
from accounts.vault import Vault
from core.catalog.entries import Catalogue
from core.engine.process_secrets import keep_noting, note
from core.ground import CoreConfig, Ground
from core.legal.publishing import Connection, Notices, Policies, Tell
from core.legal.services import services
from core.legal.texts import Operator, documents
from core.legal.told import told_subprocessors
from core.services.policies import PolicyCalls
from core.values import dataclass

_PERSON: Final = f"SELECT {COLUMNS} FROM app_user WHERE user_id = %s"  # noqa: S608 (a constant of ours)


@dataclass(frozen=True, slots=True)
class LawRoom:
    """What the contract, the supervisor and sign-up need."""

    calls: tuple[object, ...]
    loops: tuple[tuple[str, Callable[[], Awaitable[None]]], ...]
    policies: Policies
    users: tuple[Callable[[Catalogue], None], ...]
    """Who is handed another catalogue."""


async def open_law_room(
    config: CoreConfig, ground: Ground, catalogue: Catalogue, vault: Vault
) -> LawRoom:
    """Publish what is new, and say which keys this process knows."""
    legal, pool = config.people.legal, ground.pool
    operator = Operator(legal.operator, legal.contact, config.public_url)
    policies = Policies(pool, operator, lambda: datetime.now(UTC))
    await policies.publish(documents(legal.folder))
    await note(pool, ground.lease.epoch, config.keyring)
    calls = PolicyCalls(policies, catalogue, services(config), told_subprocessors(legal.folder))
    notices = Notices(pool, policies, partial(post_notice, vault))
    noting = partial(keep_noting, pool, lambda: ground.lease.epoch, config.keyring)
    loops = (("policy notices", notices.keep), ("key names", noting))
    return LawRoom((calls,), loops, policies, (calls.use,))


async def post_notice(vault: Vault, connection: Connection, tell: Tell) -> None:
    """Queue the mail to one person, if they are still there."""
    cursor = await connection.execute(_PERSON, (tell.user_id,))
    row = await cursor.fetchone()
    if row is None:
        return
    draft = Letter(tell.mail_id, Kind.POLICY, "", tell.facts, user_id=tell.user_id, once=tell.once)
    await mail_queue.post(connection, vault, addressed(vault, draft, Addressee(*row)))
