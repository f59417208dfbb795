"""Archives and deletion over REST, by people who signed in."""

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from accounts.browsers import browser_of
from accounts.directory import TRUST_SECONDS
from accounts.passwords import Passwords
from accounts.sessions import open_session
from storage.pool import Pool
from tests.rights.full_account import VAULT, sign_up
from tests.webhooks.whole_core import Whole, whole_core

EMAIL, NAME, PASSWORD = "marie.curie@radium.example", "Marie", "correct horse battery"
EXPORTS = "/api/v1/exports"
DELETE = "/api/v1/account:delete"


class Person:
    """Who signed in, in a browser."""

    def __init__(self, whole: Whole, pool: Pool, user: UUID, account: UUID, token: str) -> None:
        self.whole = whole
        self.pool = pool
        self.user = user
        self.account = account
        self.headers = {"authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, **request: Any) -> Any:
        return await self.whole.ask(method, path, headers=self.headers, **request)

    async def refused(self, method: str, path: str, **request: Any) -> tuple[int, str]:
        answer = await self.whole.http.request(method, path, headers=self.headers, **request)
        return answer.status_code, answer.json()["error"]["code"]

    async def ready(self, name: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                export: dict[str, Any] = (await self.ask("GET", f"/api/v1/{name}"))["export"]
                if export["state"] != "STATE_PREPARING":
                    return export
                await asyncio.sleep(0.05)


async def signed_in(whole: Whole, pool: Pool, email: str, account: UUID | None = None) -> Person:
    user, own = await sign_up(pool, email, NAME)
    passwords = Passwords()
    digest = await passwords.hash(PASSWORD)
    passwords.close()
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE app_user SET password_hash = %s WHERE user_id = %s", (digest, user)
        )
        if account is not None:
            await connection.execute(
                "INSERT INTO membership (account_id, user_id, role) VALUES (%s, %s, 'developer')",
                (account, user),
            )
        grant = await open_session(
            connection, VAULT, user, account or own, browser_of(""), "192.0.2.77"
        )
    return Person(whole, pool, user, account or own, grant.token)


@pytest_asyncio.fixture
async def whole(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_core(database_url, tmp_path / "outputs") as made:
        yield made


@pytest_asyncio.fixture
async def marie(whole: Whole, pool: Pool) -> Person:
    return await signed_in(whole, pool, EMAIL)


async def test_an_archive_is_asked_for_and_downloaded_by_its_link(marie: Person) -> None:
    asked = (await marie.ask("POST", EXPORTS, json={"request_id": "one"}))["export"]
    again = (await marie.ask("POST", EXPORTS, json={"request_id": "one"}))["export"]
    assert asked["name"] == again["name"]
    export = await marie.ready(asked["name"])
    path = export["uri"].removeprefix("https://gateway.test")
    answer = await marie.whole.http.get(path, headers={"authorization": ""})

    assert export["state"] == "STATE_READY"
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/zip"
    assert len(answer.content) == int(export["size_bytes"])
    opened = zipfile.ZipFile(io.BytesIO(answer.content))
    assert json.loads(opened.read("profile.json"))[0]["email"] == EMAIL
    assert hashlib.sha256(answer.content).hexdigest() == answer.headers["etag"].strip('"')
    ready, expires = (datetime.fromisoformat(export[at]) for at in ("ready_time", "expire_time"))
    assert expires - ready == timedelta(hours=24)
    listed = (await marie.ask("GET", EXPORTS))["exports"]
    assert [item["name"] for item in listed] == [export["name"]]
    requests = (await marie.ask("GET", "/api/v1/rights_requests"))["rights_requests"]
    assert [(item["right"], "done_time" in item) for item in requests] == [("RIGHT_ACCESS", True)]


async def test_a_day_later_the_link_is_dead(marie: Person) -> None:
    asked = (await marie.ask("POST", EXPORTS, json={}))["export"]
    export = await marie.ready(asked["name"])
    async with marie.pool.connection() as connection:
        await connection.execute("UPDATE export SET expires_at = now()")

    later = (await marie.ask("GET", f"/api/v1/{asked['name']}"))["export"]
    assert (later["state"], later.get("uri", "")) == ("STATE_EXPIRED", "")
    path = export["uri"].removeprefix("https://gateway.test")
    assert (await marie.whole.http.get(path)).status_code == 404


async def test_archives_are_the_owners_and_are_not_asked_for_all_the_time(
    whole: Whole, marie: Person, pool: Pool
) -> None:
    asked = (await marie.ask("POST", EXPORTS, json={"without_assets": True}))["export"]
    stranger = await signed_in(whole, pool, "stranger@radium.example")
    member = await signed_in(whole, pool, "pierre@radium.example", marie.account)

    assert (await stranger.refused("GET", f"/api/v1/{asked['name']}"))[0] == 404
    assert (await member.refused("GET", f"/api/v1/{asked['name']}"))[0] == 403
    assert (await member.refused("POST", EXPORTS, json={}))[0] == 403
    for _ in range(2):
        await marie.ask("POST", EXPORTS, json={})
    assert (await marie.refused("POST", EXPORTS, json={}))[0] == 429


async def test_an_archive_takes_a_verified_address(marie: Person) -> None:
    async with marie.pool.connection() as connection:
        await connection.execute("UPDATE app_user SET email_verified_at = NULL")

    assert (await marie.refused("POST", EXPORTS, json={}))[0] == 403


async def test_a_password_that_is_reset_meanwhile_keeps_the_account(
    whole: Whole, marie: Person, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Passwords.is_right

    async def slow(self: Passwords, password: str, known: str | None) -> bool:
        found = await right(self, password, known)
        async with pool.connection() as connection:
            await connection.execute("DELETE FROM session WHERE user_id = %s", (marie.user,))
        return found

    monkeypatch.setattr(Passwords, "is_right", slow)
    body = {"confirmation": "My account", "current_password": PASSWORD}

    assert await marie.refused("POST", DELETE, json=body) == (401, "session_invalid")
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT deleting_at FROM account WHERE account_id = %s", (marie.account,)
        )
        assert await cursor.fetchone() == (None,)


async def test_an_account_is_deleted_by_its_owner_who_types_its_name_and_proves_it(
    whole: Whole, marie: Person, pool: Pool
) -> None:
    member = await signed_in(whole, pool, "pierre@radium.example", marie.account)
    key = await marie.ask("POST", "/api/v1/api_keys", json={"display_name": "Builds"})
    owns = {"authorization": f"Bearer {key['secret']}"}
    assert (await whole.http.get("/api/v1/balance", headers=owns)).status_code == 200
    body = {"confirmation": "My account", "current_password": PASSWORD}

    assert (await member.refused("POST", DELETE, json=body))[0] == 403
    assert (await marie.refused("POST", DELETE, json={**body, "confirmation": "My"}))[0] == 400
    wrong = {**body, "current_password": "another one"}
    assert (await marie.refused("POST", DELETE, json=wrong))[0] in (401, 403)
    answer = await marie.ask("POST", DELETE, json=body)
    started = datetime.now(UTC)

    assert answer["rights_request"].startswith("rights_requests/")
    assert (await marie.refused("GET", "/api/v1/profile"))[0] == 401
    while (await whole.http.get("/api/v1/balance", headers=owns)).status_code != 401:
        assert datetime.now(UTC) - started < timedelta(seconds=TRUST_SECONDS)
    async with asyncio.timeout(20):
        while await remembered(pool, marie):
            await asyncio.sleep(0.05)
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT email_hmac FROM app_user WHERE user_id = %s",
                                          (member.user,))  # fmt: skip
        assert len(await cursor.fetchall()) == 1


async def remembered(pool: Pool, person: Person) -> bool:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT 1 FROM account WHERE account_id = %s AND erased_at IS NULL"
            " UNION SELECT 1 FROM app_user WHERE user_id = %s",
            (person.account, person.user),
        )
        return bool(await cursor.fetchall())


async def test_a_deletion_leaves_a_trace_that_names_nobody(
    marie: Person, database_url: str
) -> None:
    body = {"confirmation": "My account", "current_password": PASSWORD}
    answer = await marie.ask("POST", DELETE, json=body)
    async with asyncio.timeout(20):
        while await remembered(marie.pool, marie):
            await asyncio.sleep(0.05)

    id_ = UUID(answer["rights_request"].removeprefix("rights_requests/"))
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT account_id, user_id, kind, done_at IS NOT NULL FROM rights_request"
            " WHERE id = %s", (id_,),
        ).fetchone()  # fmt: skip
    assert row == (None, None, "erasure", True)
