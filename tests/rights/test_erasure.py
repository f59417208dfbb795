"""Erasure of an account: what stops at once, what goes, what stays."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from psycopg import sql

from accounts.data_map import PERMITTED, TABLES
from accounts.data_words import Erase
from accounts.erasure import NoSuchAccount, Wish, alone, begin_erasure
from accounts.mail_queue import PURPOSE
from core.engine.ids import new_id
from core.rights.erasing import Erasures
from core.rights.exporting import Exports
from storage.folder import FolderStore
from storage.pool import Pool
from tests.rights.full_account import VAULT, Full, fill, sign_up, values_of

EMAIL, NAME = "marie.curie@radium.example", "Marie Skłodowska"


TRACES = (
    """INSERT INTO audit_log (account_id, id, actor, action, target, user_id, network)
       VALUES (%(account)s, gen_random_uuid(), 'person', 'sign_in', '', %(user)s, '192.0.2.77')""",
    """INSERT INTO api_key (account_id, key_id, public_id, secret_hmac, name, requests_per_minute,
        concurrency, user_id) VALUES (%(account)s, gen_random_uuid(), 'other', sha256('x'), 'n', 1,
        1, %(user)s)""",
    """INSERT INTO rights_request (id, account_id, user_id, kind)
       VALUES (gen_random_uuid(), %(account)s, %(user)s, 'rectification')""",
)


MEMBER = (
    "INSERT INTO membership (account_id, user_id, role) VALUES (%(account)s, %(user)s, 'admin')",
    """INSERT INTO session (session_id, user_id, account_id, token_hmac, expires_at)
       VALUES (gen_random_uuid(), %(user)s, %(account)s, sha256('t'), now() + interval '1 day')""",
)


class House:
    """Two people with an account each, and what erases."""

    def __init__(self, pool: Pool, store: FolderStore) -> None:
        self.pool = pool
        self.store = store
        self.exports = Exports(pool, store, VAULT)
        self.erasures = Erasures(pool, store, self.exports.remove_all, lambda _event: None)

    async def begin(self, full: Full) -> UUID:
        async with self.pool.connection() as connection, connection.transaction():
            return await begin_erasure(connection, VAULT, Wish(full.account, full.user), new_id)

    async def erase(self, full: Full) -> UUID:
        id_ = await self.begin(full)
        while await self.erasures.work():
            pass
        return id_

    async def all(self, statement: str, *values: Any) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(statement.encode(), values)).fetchall()


@pytest_asyncio.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[House]:
    yield House(pool, FolderStore(tmp_path / "outputs"))


@pytest_asyncio.fixture
async def full(house: House) -> Full:
    user, account = await sign_up(house.pool, EMAIL, NAME)
    made = await fill(house.pool, account, user, EMAIL, NAME)
    await house.store.put(made.output, b"png")
    await house.store.put(f"{made.base}/1.zip", b"zip")
    return made


async def rows(pool: Pool) -> dict[str, str]:
    """Every row of every table, as text."""
    found = {}
    async with pool.connection() as connection:
        for table in TABLES:
            query = sql.SQL("SELECT coalesce(string_agg(t::text, ' '), '') FROM {} t")
            cursor = await connection.execute(query.format(sql.Identifier(table.name)))
            row = await cursor.fetchone()
            assert row is not None
            found[table.name] = row[0]
    return found


def told(full: Full) -> dict[str, tuple[str, ...]]:
    """How ids and texts of a person look in rows: `bytea` is shown as hex."""
    return {
        "account": (str(full.account), full.account.hex),
        "user": (str(full.user), full.user.hex),
        "email": (EMAIL, EMAIL.encode().hex()),
        "name": (NAME, NAME.encode().hex()),
        "network": ("192.0.2.77",),
    }


async def test_every_table_that_is_erased_has_something_to_erase(house: House, full: Full) -> None:
    async with house.pool.connection() as connection:
        empty = [
            table.name
            for table in TABLES
            if (table.account, table.person) != (Erase.NOTHING, Erase.NOTHING)
            and table.name != "erasure"
            and not await values_of(connection, table.name)
        ]

    assert empty == []


async def test_after_erasure_only_payment_records_know_the_account(
    house: House, full: Full
) -> None:
    _, other = await sign_up(house.pool, "pierre@radium.example", "Pierre")
    async with house.pool.connection() as connection:  # traces in an account that was left
        for statement in TRACES:
            await connection.execute(statement, {"account": other, "user": full.user})
    before = await rows(house.pool)
    await house.erase(full)
    after = await rows(house.pool)

    assert after["mail_suppression"] == ""

    assert all(any(form in text for text in before.values() for form in told(full)[what])
               for what in ("account", "user", "network"))  # fmt: skip
    found = {
        (table, what)
        for table, text in after.items()
        for what, forms in told(full).items()
        if any(form in text for form in forms)
    }
    assert found <= {(table, "account") for table in PERMITTED}
    assert {("payment", "account"), ("transfer", "account")} <= found
    assert full.name not in before["app_user"]  # sealed: erased or not


async def test_the_bucket_has_nothing_left(house: House, full: Full, tmp_path: Path) -> None:
    await house.erase(full)

    assert [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()] == []


async def test_keys_and_sessions_stop_in_the_transaction_that_begins(
    house: House, full: Full
) -> None:
    user, _ = await sign_up(house.pool, "pierre@radium.example", "Pierre")
    async with house.pool.connection() as connection:  # a member who belongs elsewhere too
        for statement in MEMBER:
            await connection.execute(statement, {"account": full.account, "user": user})
    id_ = await house.begin(full)

    assert await house.all("SELECT 1 FROM api_key WHERE revoked_at IS NULL") == []
    assert await house.all("SELECT 1 FROM session") == []
    assert await house.all("SELECT 1 FROM auto_top_up WHERE enabled_at IS NOT NULL") == []
    assert await house.all("SELECT user_id FROM app_user WHERE deleting_at IS NULL") == [(user,)]
    assert await house.begin(full) == id_


async def test_who_is_erased_is_told_by_a_mail_that_names_nobody_once_it_is_sent(
    house: House, full: Full
) -> None:
    await house.erase(full)

    mails = await house.all("SELECT kind, user_id, account_id, sealed IS NOT NULL FROM mail")
    assert mails == [("account_erased", None, None, True)]


async def test_other_accounts_and_people_lose_nothing(house: House, full: Full) -> None:
    user, account = await sign_up(house.pool, "pierre@radium.example", "Pierre")
    await house.all(
        "INSERT INTO audit_log (account_id, id, actor, action, target, user_id, network)"
        " VALUES (%s, gen_random_uuid(), 'person', 'sign_in', '', %s, '192.0.2.1')"
        " RETURNING true", account, user,
    )  # fmt: skip
    before = await house.all("SELECT * FROM app_user WHERE user_id = %s", user)

    await house.erase(full)

    assert await house.all("SELECT * FROM app_user") == before
    assert await house.all("SELECT account_id FROM membership") == [(account,)]
    assert await house.all("SELECT user_id, host(network) FROM audit_log WHERE user_id IS NOT NULL"
                           ) == [(user, "192.0.2.1")]  # fmt: skip


async def test_a_member_of_another_account_stays_a_person(house: House, full: Full) -> None:
    user, account = await sign_up(house.pool, "pierre@radium.example", "Pierre")
    await house.all(
        "INSERT INTO membership (account_id, user_id, role) VALUES (%s, %s, 'admin')"
        " RETURNING true", full.account, user,
    )  # fmt: skip

    await house.erase(full)

    assert await house.all("SELECT user_id, deleting_at FROM app_user") == [(user, None)]
    assert await house.all("SELECT account_id FROM membership") == [(account,)]
    mails = await house.all("SELECT mail_id, sealed FROM mail WHERE kind = 'account_erased'")
    told = [json.loads(VAULT.open(PURPOSE, sealed, id_.bytes)) for id_, sealed in mails]
    assert {letter["to"]: "stays" in letter["facts"] for letter in told} == {
        "pierre@radium.example": True,  # it was not his account that was deleted
        full.email: False,
    }


async def test_a_person_with_two_accounts_goes_with_the_second(house: House, full: Full) -> None:
    user, account = await sign_up(house.pool, "pierre@radium.example", "Pierre")
    await house.all(
        "INSERT INTO membership (account_id, user_id, role) VALUES (%s, %s, 'owner')"
        " RETURNING true", account, full.user,
    )  # fmt: skip

    await house.erase(full)
    assert {found for (found,) in await house.all("SELECT user_id FROM app_user")} == {
        user, full.user,
    }  # fmt: skip
    other = Full(account, user, "", "", full.generation, full.export, "")
    await house.erase(other)

    assert await house.all("SELECT user_id FROM app_user") == []


async def test_what_runs_is_waited_for_and_asked_to_end(house: House, full: Full) -> None:
    await house.all("UPDATE generation SET finished_at = NULL, state = 'running' RETURNING true")
    await house.begin(full)

    assert await house.erasures.work()
    assert await house.all("SELECT cancel_requested_at IS NOT NULL FROM generation") == [(True,)]
    assert len(await house.all("SELECT 1 FROM api_key")) == 1
    await house.all("UPDATE generation SET finished_at = now(), state = 'cancelled' RETURNING true")
    await house.all("UPDATE erasure SET lease_until = 'epoch' RETURNING true")
    assert await house.erasures.work()

    assert await house.all("SELECT 1 FROM erasure") == []


async def test_a_bucket_that_is_away_keeps_the_rows_until_it_is_back(
    house: House, full: Full, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(name: str) -> bool:
        raise OSError

    await house.begin(full)
    with monkeypatch.context() as patch:
        patch.setattr(house.store, "delete", fails)
        assert await house.erasures.work()
    assert len(await house.all("SELECT 1 FROM asset")) == 1
    await house.all("UPDATE erasure SET lease_until = 'epoch' RETURNING true")
    assert await house.erasures.work()

    assert await house.all("SELECT 1 FROM asset") == []
    assert await house.store.find(full.output) is None


async def test_an_erasure_that_was_cut_off_anywhere_is_gone_on_with(
    house: House, full: Full, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement of it is the last one of a process once."""
    id_ = await house.begin(full)
    for cut in range(0, 60, 4):
        count = 0
        real = house.pool.connection

        class Cut(Exception):
            pass

        def connection(cut: int = cut, real: Any = real, dies: type[Exception] = Cut) -> Any:
            nonlocal count
            count += 1
            if count > cut + 1:
                raise dies
            return real()

        with monkeypatch.context() as patch:
            patch.setattr(house.pool, "connection", connection)
            try:
                await house.erasures.work()
            except Cut:
                await_again = True
            else:
                await_again = False
        await house.all("UPDATE erasure SET lease_until = 'epoch' RETURNING true")
        if not await_again:
            break
    while await house.erasures.work():
        pass

    assert await house.all("SELECT 1 FROM erasure") == []
    assert await house.all("SELECT account_id, user_id FROM rights_request WHERE id = %s", id_) == [
        (None, None)
    ]
    assert "192.0.2.77" not in str(await rows(house.pool))


async def test_only_one_process_works_on_an_erasure_at_a_time(house: House, full: Full) -> None:
    await house.all("UPDATE generation SET finished_at = NULL, state = 'running' RETURNING true")
    await house.begin(full)

    assert await house.erasures.work()
    assert not await house.erasures.work()


async def test_what_a_process_writes_late_goes_too(house: House, full: Full) -> None:
    await house.erase(full)
    await house.all(
        "INSERT INTO key_network VALUES (%s, gen_random_uuid(), current_date, %s) RETURNING true",
        full.account, bytes(32),
    )  # fmt: skip

    assert await house.erasures.look_again(datetime.now(UTC)) == 1
    assert await house.erasures.look_again(datetime.now(UTC) + timedelta(days=2)) == 0


async def test_an_account_that_is_gone_cannot_be_erased_again(house: House, full: Full) -> None:
    await house.erase(full)

    with pytest.raises(NoSuchAccount):
        await house.begin(full)


async def test_what_operators_did_stays_under_the_number_of_the_request(
    house: House, full: Full
) -> None:
    id_ = await house.erase(full)

    log = await house.all("SELECT action, target, account_id FROM audit_log")
    assert ("account.suspend", f"rights_requests/{id_.hex}", UUID(int=0)) in log


async def test_the_operators_reason_and_address_go_with_the_account(
    house: House, full: Full
) -> None:
    id_ = await house.begin(full)
    line = """
    INSERT INTO audit_log (account_id, id, actor, action, target, reason, network)
    VALUES (%s, gen_random_uuid(), 'operator', 'account.erase', %s, 'the child of X', '192.0.2.9')
    """
    nobody, others = UUID(int=0), "rights_requests/" + "ab" * 16
    async with house.pool.connection() as connection:
        for target in (f"rights_requests/{id_.hex}", others):
            await connection.execute(line, (nobody, target))
    while await house.erasures.work():
        pass

    lines = "SELECT target, reason, host(network) FROM audit_log WHERE action = 'account.erase'"
    found = {target: rest for target, *rest in await house.all(lines)}
    assert found[f"rights_requests/{id_.hex}"] == ["", None]
    assert found[others] == ["the child of X", "192.0.2.9"]


async def test_one_process_at_a_time_looks_for_what_was_written_late(
    house: House, full: Full
) -> None:
    await house.erase(full)
    async with house.pool.connection() as connection:
        await connection.execute("INSERT INTO promo_tries VALUES (%s, now(), 1)", (full.account,))
    async with alone(house.pool.connection) as is_alone:
        assert is_alone
        assert await house.erasures.look_again(datetime.now(UTC)) == 0

    assert await house.erasures.look_again(datetime.now(UTC)) == 1
