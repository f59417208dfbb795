"""Server keys are exchanged while the gateway runs: nothing is lost, whoever comes between."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts import exports, invitation_store, mail_queue, oauth, people
from accounts.addresses import address_digest
from accounts.mail_queue import Kind, Letter
from core.body import Body, Secret
from core.engine.callback_urls import CallbackUrls
from core.engine.ids import new_id
from core.engine.process_secrets import note, processes
from core.engine.promotions import Promotions, Wanted
from core.engine.repeats import Request
from core.engine.resealing import Resealing, Standing
from core.keyring import Keyring
from core.sealed_columns import FIXED, SEALED, Sealed
from core.vault import KeyringVault
from core.webhooks.endpoints import Endpoints
from core.webhooks.records import Changes
from storage.memory import MemoryCommitter
from storage.pool import Pool, open_pool
from tests.paying import open_till
from tests.webhooks.whole_core import whole_core

OLD, NEW = Keyring((bytes(32),)), Keyring((b"n" * 32, bytes(32)))
ONLY_NEW = NEW.newest
EMAIL, NEW_EMAIL = "Ann@example.com", "ann@example.org"
URL = "https://example.com/hook"
BY_NAME = {each.name: each for each in SEALED}


@dataclass
class Filled:
    """A database with a value in every sealed column, all under the old key."""

    pool: Pool
    account: UUID
    endpoint: UUID
    person: UUID
    mail: UUID

    async def query(self, statement: str, *values: Any) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(statement, values)).fetchall()

    async def execute(self, statement: str, *values: Any) -> None:
        async with self.pool.connection() as connection:
            await connection.execute(statement, values)


@pytest.fixture
async def filled(database_url: str, pool: Pool) -> Filled:
    async with open_till(database_url) as till:
        account = await till.account()
        await till.checkout(account)
        await till.room.sweep.run(1)
    webhooks = await _webhooks(pool, account)
    await pool_execute(
        pool,
        "UPDATE payment SET receipt_url = coalesce(receipt_url, %s) WHERE account_id = %s",
        b"",
        account,
    )
    await pool_execute(pool, "UPDATE payment SET receipt_url = NULL WHERE receipt_url = ''")
    promotions = Promotions(pool, MemoryCommitter([], lambda: 0), OLD)
    request = Request(UUID(int=0), "CreatePromoCode", b"")
    await promotions.create(request, Wanted(1_000, 1, None, Secret("spring")))
    person = await _person(pool, account)
    mail = await _mail(pool, person)
    return Filled(pool, account, webhooks, person, mail)


async def pool_execute(pool: Pool, statement: str, *values: Any) -> None:
    async with pool.connection() as connection:
        await connection.execute(statement, values)


async def _webhooks(pool: Pool, account: UUID) -> UUID:
    endpoints = Endpoints(pool, OLD)
    made, _ = await endpoints.create(
        Request(account, "Create", b""), Changes(Secret(URL), Secret("mine"), None, None)
    )
    await endpoints.rotate(Request(account, "Rotate", b""), made.id, 3_600)
    for _ in range(2):
        await endpoints.rotate_callbacks(Request(account, "Callbacks", b""), 3_600)
    callback = CallbackUrls(OLD).seal(account, Body(URL))
    await pool_execute(
        pool,
        "INSERT INTO webhook_callback (account_id, generation_id, target, url)"
        " VALUES (%s, %s, %s, %s)",
        *(account, new_id(), callback.target, callback.url),
    )
    return made.id


async def _person(pool: Pool, account: UUID) -> UUID:
    vault, id_ = KeyringVault(OLD), new_id()
    async with pool.connection() as connection, connection.transaction():
        await people.create_person(
            connection, vault, people.NewPerson(id_, EMAIL, display_name="Ann", email_verified=True)
        )
        await oauth.link(connection, vault, id_, ("github", "42"), EMAIL)
        await connection.execute(
            "UPDATE app_user SET pending_email_hmac = %s, pending_email_sealed = %s"
            " WHERE user_id = %s",
            (
                address_digest(vault, NEW_EMAIL),
                vault.seal(people.ADDRESS, NEW_EMAIL, id_.bytes),
                id_,
            ),
        )
        await _of_account(connection, vault, account, id_)
        await connection.execute(
            "INSERT INTO mail_suppression (email_hmac, cause) VALUES (%s, 'bounce')",
            (address_digest(vault, EMAIL),),
        )
        await connection.execute(
            "INSERT INTO person_token (token_hmac, user_id, purpose, email_hmac, expires_at)"
            " VALUES (%s, %s, 'verify_email', %s, clock_timestamp() + interval '1 day')",
            (bytes(32), id_, address_digest(vault, NEW_EMAIL)),
        )
    return id_


async def _of_account(connection: Any, vault: KeyringVault, account: UUID, person: UUID) -> None:
    invitation, export = uuid4(), new_id()
    await connection.execute(
        "INSERT INTO invitation (account_id, invitation_id, email_hmac, email_sealed, role,"
        " member_id, token_hmac, expires_at)"
        " VALUES (%s, %s, %s, %s, 'admin', %s, %s, clock_timestamp() + interval '1 day')",
        (
            account,
            invitation,
            address_digest(vault, NEW_EMAIL),
            vault.seal(invitation_store.ADDRESS, NEW_EMAIL, invitation.bytes),
            uuid4(),
            bytes(32),
        ),
    )
    await connection.execute(
        "INSERT INTO export (account_id, export_id, user_id, rights_request_id, path_sealed)"
        " VALUES (%s, %s, %s, %s, %s)",
        (
            account,
            export,
            person,
            new_id(),
            vault.seal(exports.LINK, "exports/x", export.bytes),
        ),
    )


async def _mail(pool: Pool, person: UUID) -> UUID:
    letter = Letter(new_id(), Kind.PASSWORD_CHANGED, EMAIL, user_id=person)
    async with pool.connection() as connection:
        await mail_queue.post(connection, KeyringVault(OLD), letter)
    return letter.id


async def standings(pool: Pool, keyring: Keyring) -> dict[str, Standing]:
    resealing = Resealing(pool, keyring)
    return {each.name: await resealing.standing(each) for each in SEALED}


async def reseal_all(pool: Pool, keyring: Keyring = NEW) -> int:
    return sum([await Resealing(pool, keyring).reseal(each) for each in SEALED])


async def test_everything_that_is_written_is_found_and_sealed_again(filled: Filled) -> None:
    before = await standings(filled.pool, NEW)
    written = {name for name, each in before.items() if each.total}
    count = await reseal_all(filled.pool)
    after = await standings(filled.pool, ONLY_NEW)

    # Stripe's simulator may give either link; the rest must all be there.
    assert {name for name in BY_NAME if not name.startswith("payment.")} <= written
    assert written & {"payment.invoice_url", "payment.receipt_url"}
    assert all(each.old == each.total and each.unreadable == 0 for each in before.values())
    assert all(each.old == each.unreadable == 0 for each in after.values())
    assert {name: each.total for name, each in after.items()} == {
        name: each.total for name, each in before.items()
    }
    assert count == sum(each.total for each in before.values())
    assert await reseal_all(filled.pool) == 0


async def test_what_it_says_stays_what_it_was(filled: Filled) -> None:
    await reseal_all(filled.pool)
    vault, endpoints = KeyringVault(ONLY_NEW), Endpoints(filled.pool, ONLY_NEW)
    endpoint = await endpoints.get(filled.account, filled.endpoint)
    async with filled.pool.connection() as connection:
        person = await people.find_by_email(connection, vault, EMAIL.upper())
        (identity,) = await oauth.identities(connection, vault, filled.person)

    assert (endpoint.url.reveal(), endpoint.display_name.reveal()) == (URL, "mine")
    assert person is not None
    assert (person.email, person.pending_email, person.display_name) == (EMAIL, NEW_EMAIL, "Ann")
    assert identity.email == EMAIL


async def test_what_is_about_the_same_address_stays_so(filled: Filled) -> None:
    await reseal_all(filled.pool)
    vault = KeyringVault(ONLY_NEW)
    digest, pending = address_digest(vault, EMAIL), address_digest(vault, NEW_EMAIL)

    assert await filled.query("SELECT email_hmac FROM mail_suppression") == [(digest,)]
    assert await filled.query("SELECT email_hmac FROM person_token") == [(pending,)]
    assert await filled.query("SELECT DISTINCT email_hmac FROM mail") == [(digest,)]


@pytest.mark.parametrize("name", sorted(BY_NAME))
async def test_a_change_meanwhile_wins(filled: Filled, name: str) -> None:
    column = BY_NAME[name]
    resealing = Changed(filled, NEW)
    rows = await filled.query(f"SELECT count({column.column}) FROM {column.table}")

    assert await resealing.reseal(column) == 0
    if rows == [(0,)]:
        pytest.skip("the simulator of Stripe gives no such link")
    values = await filled.query(
        f"SELECT DISTINCT {column.column} FROM {column.table} WHERE {column.column} IS NOT NULL"
    )
    assert values == [(b"changed",)]


class Changed(Resealing):
    """Somebody else changes each value after it was read."""

    def __init__(self, filled: Filled, keyring: Keyring) -> None:
        super().__init__(filled.pool, keyring)
        self._filled = filled

    async def _replace(self, column: Sealed, value: Any, text: str) -> bool:
        await self._filled.execute(
            f"UPDATE {column.table} SET {column.column} = 'changed' WHERE {column.column} = %s",
            value.sealed,
        )
        return await super()._replace(column, value, text)


async def test_a_crash_in_the_middle_loses_nothing_and_the_rest_is_done_later(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.engine.resealing.BATCH", 2)
    endpoints = Endpoints(filled.pool, OLD)
    for number in range(5):
        new = Changes(Secret(f"{URL}/{number}"), Secret(""), None, None)
        await endpoints.create(Request(filled.account, f"Create {number}", b""), new)
    column, resealing = BY_NAME["webhook_endpoint.url"], Dying(filled.pool, NEW)
    with pytest.raises(ConnectionError):
        await resealing.reseal(column)
    half = await Resealing(filled.pool, NEW).standing(column)
    rest = await Resealing(filled.pool, NEW).reseal(column)
    done = await Resealing(filled.pool, ONLY_NEW).standing(column)

    assert (half.total, half.old, half.unreadable) == (6, 3, 0)
    assert rest == 3
    assert (done.total, done.old, done.unreadable) == (6, 0, 0)


class Dying(Resealing):
    """Ends after three values."""

    done = 0

    async def _replace(self, column: Sealed, value: Any, text: str) -> bool:
        if self.done == 3:
            raise ConnectionError
        self.done += 1
        return await super()._replace(column, value, text)


async def test_what_no_key_opens_is_counted_and_left_alone(filled: Filled) -> None:
    column = BY_NAME["webhook_endpoint.url"]
    before = await filled.query("SELECT url FROM webhook_endpoint")
    resealing = Resealing(filled.pool, Keyring((b"x" * 32,)))

    assert (await resealing.standing(column)).unreadable == 1
    assert await resealing.reseal(column) == 0
    assert await filled.query("SELECT url FROM webhook_endpoint") == before


async def test_digests_that_cannot_be_made_again_are_counted_until_they_end(
    filled: Filled,
) -> None:
    (column,) = (each for each in FIXED if each.name == "promo_code.code_hmac")
    resealing = Resealing(filled.pool, NEW)

    assert (await Resealing(filled.pool, OLD).fixed_standing(column)).old == 0
    assert (await resealing.fixed_standing(column)).old == 1  # nobody is known to use the new key
    await note(filled.pool, 1, NEW)
    assert (await resealing.fixed_standing(column)).old == 1
    await filled.execute("UPDATE promo_code SET created_at = clock_timestamp()")
    assert (await resealing.fixed_standing(column)).old == 0
    await note(filled.pool, 2, OLD)  # a process that still uses the old one
    assert (await resealing.fixed_standing(column)).old == 1
    await filled.execute("UPDATE promo_code SET disabled_at = clock_timestamp()")
    assert (await resealing.fixed_standing(column)).old == 0


async def test_keys_are_exchanged_under_a_running_core(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoints are made, read and rotated all the while."""
    monkeypatch.setattr("tests.webhooks.whole_core.KEYRING", OLD)
    async with whole_core(database_url, tmp_path) as whole:
        made = [await _make(whole, number) for number in range(8)]
        key = whole.key
    monkeypatch.setattr("tests.webhooks.whole_core.KEYRING", NEW)
    async with whole_core(database_url, tmp_path) as whole:
        whole.http.headers["authorization"] = f"Bearer {key}"  # made under the old key
        async with open_pool(database_url, name="test") as pool:
            stop = asyncio.Event()
            traffic = asyncio.create_task(_traffic(whole, made, stop))
            for _ in range(3):
                await reseal_all(pool)
            stop.set()
            changes = await asyncio.wait_for(traffic, 30)
            await reseal_all(pool)
            after = await standings(pool, ONLY_NEW)
            async with pool.connection() as connection:
                (process,) = await processes(connection)
        listed = await whole.ask("GET", "/api/v1/webhook_endpoints")

    assert changes >= 8
    assert sum(each.total for each in after.values()) >= 24
    assert all(each.old == each.unreadable == 0 for each in after.values())
    assert process.seals_with == NEW.names[0]
    assert {each["uri"] for each in listed["webhook_endpoints"]} >= {
        f"{URL}/{number}/changed" for number in range(8)
    }


async def _make(whole: Any, number: int) -> str:
    body = {"uri": f"{URL}/{number}"}
    made = await whole.ask("POST", "/api/v1/webhook_endpoints", json=body)
    return str(made["webhook_endpoint"]["name"])


async def _traffic(whole: Any, made: list[str], stop: asyncio.Event) -> int:
    changes = 0
    while not stop.is_set() or changes < len(made):
        name = made[changes % len(made)]
        number = changes % len(made)
        body = {"uri": f"{URL}/{number}/changed"}
        await whole.ask("PATCH", f"/api/v1/{name}?update_mask=uri", json=body)
        await whole.ask("POST", f"/api/v1/{name}:rotate_secret", json={})
        changes += 1
    return changes
