"""Policies over REST, their publication in PostgreSQL, and the mails before one holds."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from accounts.people import NewPerson, create_person
from core.engine.ids import new_id
from core.keyring import Keyring
from core.legal.publishing import Connection, Notices, Policies, Tell
from core.legal.texts import Operator
from core.legal.versions import NOTICE, Document, PolicyError
from core.people_settings import PeopleSettings
from core.services.law_room import post_notice
from core.settings_legal import LegalSettings
from core.vault import KeyringVault
from gateway.opening import start_errors
from gateway.process import ServeError
from storage.pool import Pool
from tests.webhooks.whole_core import whole_core

VAULT = KeyringVault(Keyring((b"k" * 32,)))
OPERATOR = Operator("Example Ltd", "help@example.com", "https://example.com")
FIRST = Document("privacy", date(2026, 1, 1), "Privacy", "one of {operator}\n")
SECOND = Document("privacy", date(2026, 6, 1), "Privacy", "two\n")


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


async def person(pool: Pool, *, verified: bool = True) -> UUID:
    new = NewPerson(new_id(), f"{uuid4().hex}@example.com", email_verified=verified)
    async with pool.connection() as connection, connection.transaction():
        made = await create_person(connection, VAULT, new)
    assert made is not None
    return made


async def told(pool: Pool) -> list[tuple[UUID, str]]:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT user_id, once FROM mail WHERE kind = 'policy' ORDER BY user_id, once"
        )
        return await cursor.fetchall()


async def published(pool: Pool, *documents: Document, now: Clock | None = None) -> Policies:
    policies = Policies(pool, OPERATOR, now or Clock())
    await policies.publish(documents)
    return policies


async def test_everybody_reads_policies_and_subprocessors(
    database_url: str, tmp_path: Path
) -> None:
    legal = LegalSettings("Example Ltd", "help@example.com")
    async with whole_core(database_url, tmp_path, people=PeopleSettings(legal=legal)) as whole:
        whole.http.headers.pop("authorization")
        listed = (await whole.ask("GET", "/api/v1/policies?page_size=2"))["policies"]
        every = (await whole.ask("GET", "/api/v1/policies"))["policies"]
        policy = (await whole.ask("GET", "/api/v1/policies/privacy"))["policy"]
        version = policy["version"]
        same = await whole.ask("GET", f"/api/v1/policies/privacy?version={version}")
        subprocessors = await whole.ask("GET", "/api/v1/subprocessors")
        unknown = await whole.http.get("/api/v1/policies/unknown")
        never = await whole.http.get("/api/v1/policies/privacy?version=1999-01-01")

    assert [each["name"] for each in listed] == ["policies/acceptable-use", "policies/cookies"]
    assert {"policies/privacy", "policies/terms"} <= {each["name"] for each in every}
    assert not any(each.get("markdown") for each in every)
    assert "Example Ltd" in policy["markdown"]
    assert "https://gateway.test" in policy["markdown"]
    assert same["policy"] == policy
    assert not subprocessors.get("subprocessors")  # its providers are on this machine
    assert unknown.status_code == never.status_code == 404


async def test_a_published_text_cannot_be_changed_even_by_hand(pool: Pool) -> None:
    await published(pool, FIRST)
    async with pool.connection() as connection:
        with pytest.raises(psycopg.errors.CheckViolation, match="never changes"):
            await connection.execute("UPDATE policy_version SET markdown = 'x'")
    with pytest.raises(PolicyError, match="never changes"):
        await published(pool, replace(FIRST, markdown="x"))


async def test_a_published_text_is_shown_when_its_file_is_gone(pool: Pool) -> None:
    await published(pool, FIRST)
    policies = await published(pool)
    found = policies.get("privacy", "")

    assert found is not None
    assert policies.text(found) == "one of Example Ltd\n"
    assert policies.current_policies() == {"privacy": "2026-01-01"}


async def test_processes_that_start_together_publish_once(pool: Pool) -> None:
    await asyncio.gather(*(published(pool, FIRST, SECOND) for _ in range(4)))
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT count(*) FROM policy_version")
        assert await cursor.fetchone() == (2,)


async def test_a_new_version_is_mailed_to_all_once_and_holds_after_the_notice(pool: Pool) -> None:
    clock = Clock()
    policies = await published(pool, FIRST, now=clock)
    notices = Notices(pool, policies, partial(post_notice, VAULT))
    await notices.tell_all()
    people = sorted([await person(pool) for _ in range(3)])
    await person(pool, verified=False)
    await policies.publish([FIRST, SECOND])
    await asyncio.gather(notices.tell_all(), notices.tell_all())
    await notices.tell_all()

    assert await told(pool) == [(each, f"policy/privacy@2026-06-01/{each}") for each in people]
    assert policies.current_policies() == {"privacy": "2026-01-01"}
    clock.now += NOTICE + timedelta(seconds=1)
    assert policies.current_policies() == {"privacy": "2026-06-01"}


async def test_who_signs_up_before_it_holds_is_told_too(pool: Pool) -> None:
    policies = await published(pool, FIRST)
    notices = Notices(pool, policies, partial(post_notice, VAULT))
    await notices.tell_all()
    await policies.publish([FIRST, SECOND])
    await notices.tell_all()
    late = await person(pool)
    await notices.tell_all()

    assert [user for user, _ in await told(pool)] == [late]


async def test_telling_goes_on_where_a_crash_cut_it(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.legal.publishing.BATCH", 2)
    policies = await published(pool, FIRST)
    await Notices(pool, policies, partial(post_notice, VAULT)).tell_all()
    people = sorted([await person(pool) for _ in range(5)])
    await policies.publish([FIRST, SECOND])
    count = 0

    async def dying(connection: Connection, tell: Tell) -> None:
        nonlocal count
        count += 1
        if count == 4:  # the second of the second batch
            raise ConnectionError
        await post_notice(VAULT, connection, tell)

    with pytest.raises(ConnectionError):
        await Notices(pool, policies, dying).tell_all()
    assert [user for user, _ in await told(pool)] == people[:2]
    await Notices(pool, policies, partial(post_notice, VAULT)).tell_all()

    assert [user for user, _ in await told(pool)] == people


async def test_a_gateway_whose_published_policy_was_edited_does_not_start(
    database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    file = folder / "privacy@2026-01-01.md"
    people = PeopleSettings(legal=LegalSettings(folder=folder))
    file.write_text("---\ntitle: Ours\n---\nOne.\n")
    async with whole_core(database_url, tmp_path, people=people) as whole:
        policy = (await whole.ask("GET", "/api/v1/policies/privacy"))["policy"]
    file.write_text("---\ntitle: Ours\n---\nTwo.\n")

    async def start() -> None:
        with start_errors():
            async with whole_core(database_url, tmp_path, people=people):
                pass

    with pytest.raises(ServeError, match=r"privacy@2026-01-01 was published with another text"):
        await start()
    assert policy["markdown"] == "One.\n"
