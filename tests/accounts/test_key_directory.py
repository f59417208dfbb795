"""Keys are found fast, forgotten at once when revoked, and never doubted when the database is away."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from accounts import directory as directories
from accounts.directory import TRUST_SECONDS, KeyDirectory
from accounts.keys import PUBLIC_BYTES, SECRET_BYTES, make_key
from accounts.registry import NewKey, Registry
from core.authentication import KeyAuthenticator, digest_of
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from storage.pool import StorageUnavailable, open_pool

KEYRING = Keyring((b"n" * 32, b"o" * 32))


async def new_key(pool, keyring=KEYRING):
    key, account = make_key(os.urandom(PUBLIC_BYTES + SECRET_BYTES)), uuid4()
    new = NewKey(uuid4(), key.public_id, digest_of(keyring, key))
    await Registry(pool).open_account(account, "test", new, uuid4())
    return key, account


async def change(pool, statement, *values):
    async with pool.connection() as connection:
        await connection.execute(statement, values)


def authenticator(directory):
    return KeyAuthenticator(directory, KEYRING, lambda: datetime.now(UTC))


@pytest.fixture
async def listening(pool, database_url):
    """A directory that hears notices; waits until it does."""
    directory = KeyDirectory(pool)

    async def connect():
        return await psycopg.AsyncConnection.connect(database_url, autocommit=True)

    task = asyncio.create_task(directory.listen(connect))
    async with asyncio.timeout(10):
        while directory._proved_at == float("-inf"):
            await asyncio.sleep(0.01)
    yield directory
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_good_key_names_its_account(pool):
    key, account = await new_key(pool)
    caller = await authenticator(KeyDirectory(pool)).authenticate(key.render())

    assert caller.account_id == account


async def test_a_key_made_under_an_older_server_key_still_works(pool):
    key, account = await new_key(pool, Keyring((b"o" * 32,)))

    assert (
        await authenticator(KeyDirectory(pool)).authenticate(key.render())
    ).account_id == account


async def test_a_right_public_id_with_a_wrong_secret_is_refused(pool):
    key, _ = await new_key(pool)
    forged = make_key(os.urandom(PUBLIC_BYTES + SECRET_BYTES))
    forged = type(key)(key.public_id, forged.secret, key.sandbox)
    with pytest.raises(GatewayError) as caught:
        await authenticator(KeyDirectory(pool)).authenticate(forged.render())

    assert caught.value.reason is Reason.API_KEY_INVALID


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE api_key SET revoked_at = now() WHERE public_id = %s", Reason.API_KEY_INVALID),
        ("UPDATE api_key SET expires_at = now() WHERE public_id = %s", Reason.API_KEY_INVALID),
        (
            (
                "UPDATE account SET suspended_at = now() WHERE account_id ="
                " (SELECT account_id FROM api_key WHERE public_id = %s)"
            ),
            Reason.ACCOUNT_SUSPENDED,
        ),
    ],
)
async def test_a_key_that_stops_being_good_is_refused_within_a_second(
    pool, listening, statement, reason
):
    key, _ = await new_key(pool)
    checked = authenticator(listening)
    await checked.authenticate(key.render())
    await change(pool, statement, key.public_id)

    async with asyncio.timeout(1.5):
        while True:
            try:
                await checked.authenticate(key.render())
            except GatewayError as error:
                assert error.reason is reason
                break
            await asyncio.sleep(0.01)


async def test_a_known_key_costs_no_query_while_notices_are_heard(pool, listening):
    key, _ = await new_key(pool)
    first = await listening.find(key.public_id)
    listening._pool = None  # whoever asked it now would fail

    assert await listening.find(key.public_id) is first


async def test_without_proof_every_use_is_read_again(pool):
    key, _ = await new_key(pool)
    now = [0.0]
    directory = KeyDirectory(pool, lambda: now[0])
    directory._proved_at = 0.0
    first = await directory.find(key.public_id)
    now[0] = TRUST_SECONDS + 0.1

    assert await directory.find(key.public_id) is not first


async def test_a_database_that_is_away_is_unavailable_and_not_a_bad_key(pool, database_url):
    key, _ = await new_key(pool)
    await pool.close()
    with pytest.raises((StorageUnavailable, psycopg.Error)) as caught:
        await authenticator(KeyDirectory(pool)).authenticate(key.render())

    assert not isinstance(caught.value, GatewayError)


async def test_an_expired_key_is_refused_by_the_clock_alone(pool):
    key, _ = await new_key(pool)
    later = datetime.now(UTC) + timedelta(days=1)
    await change(
        pool, "UPDATE api_key SET expires_at = %s WHERE public_id = %s", later, key.public_id
    )
    checked = KeyAuthenticator(KeyDirectory(pool), KEYRING, lambda: later)
    with pytest.raises(GatewayError):
        await checked.authenticate(key.render())


async def test_a_database_that_falls_silent_keeps_a_key_waiting_for_a_moment_only(
    pool, proxy, proxied_url, monkeypatch
):
    monkeypatch.setattr(directories, "ANSWER_SECONDS", 0.2)
    key, _ = await new_key(pool)
    async with open_pool(proxied_url) as other:
        directory = KeyDirectory(other)
        proxy.trouble = "freeze"
        with pytest.raises(StorageUnavailable):
            async with asyncio.timeout(10):
                await directory.find(key.public_id)
        proxy.trouble = "none"

        assert await directory.find(key.public_id) is not None
