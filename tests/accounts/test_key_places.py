"""Where keys work from, whose they are, and what their accounts allow."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from accounts.directory import TRUST_SECONDS, KeyDirectory
from accounts.limits import KeyUse, ModelNotAllowed
from accounts.roles import Role
from core.authentication import KeyAuthenticator
from core.engine.key_seen import NETWORKS, KeySeen, network_of
from core.errors import GatewayError
from rest_bridge.client_address import Proxies
from rest_bridge.settings import BridgeSettings
from storage.commits import Commit, Refused
from tests.fix_core import catalogue
from tests.members_of import KEYRING, joins, signed_in, somebody
from tests.webhooks.whole_core import Whole, whole_core

KEYS = "/api/v1/api_keys"
BALANCE = "/api/v1/balance"
HOME = BridgeSettings(proxies=Proxies([ip_network("127.0.0.0/8")]))
MANAGER = ["SCOPE_GENERATE", "SCOPE_READ_BILLING", "SCOPE_MANAGE_API_KEYS"]


@pytest_asyncio.fixture
async def whole(database_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_core(database_url, tmp_path / "outputs", bridge=HOME) as made:
        yield made


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


async def made(whole: Whole, headers: Any = None, **fields: Any) -> Any:
    answer = await whole.http.post(KEYS, json=fields, headers=headers)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body["api_key"], bearer(body["secret"])


async def asked(whole: Whole, headers: dict[str, str], path: str = BALANCE) -> tuple[int, str]:
    answer = await whole.http.get(path, headers=headers)
    return answer.status_code, answer.json().get("error", {}).get("code", "")


def at(address: str, headers: dict[str, str]) -> dict[str, str]:
    return {**headers, "x-forwarded-for": address}


async def test_a_key_works_from_its_networks_only(whole: Whole) -> None:
    key, headers = await made(
        whole, allowed_networks=["203.0.113.7/32", "2001:db8::/32", "::ffff:198.51.100.0/120"]
    )

    assert key["allowed_networks"] == ["203.0.113.7", "2001:db8::/32", "198.51.100.0/24"]
    for address in ("203.0.113.7", "2001:db8:1::9", "198.51.100.200", "::ffff:203.0.113.7"):
        assert await asked(whole, at(address, headers)) == (200, ""), address
    for address in ("203.0.113.8", "2001:db9::1", "127.0.0.1", "junk"):
        answer = await asked(whole, at(address, headers))
        assert answer == (403, "network_not_allowed"), address


async def test_an_address_that_is_not_known_is_refused_with_a_remedy(whole: Whole) -> None:
    _, headers = await made(whole, allowed_networks=["203.0.113.7"])
    answer = await whole.http.get(BALANCE, headers=at("unknown", headers))

    assert answer.status_code == 403
    message = answer.json()["error"]["message"]
    assert "REAPI_BRIDGE_TOKEN" in message
    assert "REAPI_TRUSTED_PROXIES" in message


async def test_nobody_learns_of_networks_without_the_secret(whole: Whole) -> None:
    _, headers = await made(whole, allowed_networks=["203.0.113.7"])
    parts = headers["authorization"].split("_")
    parts[3] = parts[3][::-1]
    for wrong in ("_".join(parts), f"{headers['authorization']}0"):
        code = await asked(whole, {"authorization": wrong})
        assert code == (401, "invalid_api_key")


async def test_networks_change_within_a_second(whole: Whole) -> None:
    key, headers = await made(whole)
    assert (await asked(whole, headers))[0] == 200
    path = f"/api/v1/{key['name']}"
    await whole.ask("PATCH", path, json={"allowed_networks": ["203.0.113.7"]})
    await until(whole, headers, 403)
    await whole.ask("PATCH", f"{path}?update_mask=allowed_networks", json={})
    await until(whole, headers, 200)


async def until(whole: Whole, headers: dict[str, str], wanted: int) -> None:
    started = datetime.now(UTC)
    while (await asked(whole, headers))[0] != wanted:
        assert datetime.now(UTC) - started < timedelta(seconds=TRUST_SECONDS)


@pytest.mark.parametrize("mark", ["suspended_at", "deleting_at", "erased_at"])
async def test_keys_of_an_account_that_is_stopped_are_refused_within_a_second(
    whole: Whole, database_url: str, mark: str
) -> None:
    assert (await asked(whole, {}))[0] == 200
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            f"UPDATE account SET {mark} = now() WHERE account_id = %s", (whole.account,)
        )
    await until(whole, {}, 403 if mark == "suspended_at" else 401)


async def test_a_key_uses_only_models_that_its_account_allows_too(
    whole: Whole, pool: Any, database_url: str
) -> None:
    allowed, other = "gpt-image-2", next(id_ for id_ in catalogue().models if id_ != "gpt-image-2")
    _, everything = await made(whole)
    _, nothing = await made(whole, allowed_models=[other])
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "UPDATE account SET allowed_models = %s WHERE account_id = %s",
            ([allowed], whole.account),
        )
    body = {"prompt": "a pear"}

    async def code(headers: dict[str, str], model: str) -> str:
        answer = await whole.http.post(
            "/v1/images/generations", json={**body, "model": model}, headers=headers
        )
        return str(answer.json()["error"]["code"])

    caller = await whole.core.authenticator.authenticate(nothing["authorization"].split()[1])
    use = KeyUse(caller.account_id, caller.key_id, other)
    verdict = await whole.core.committer.commit(Commit((use,)))
    assert isinstance(verdict, Refused), "the hold asks the rows, whatever a cache says"
    assert verdict.refusal == ModelNotAllowed(other)
    fresh = KeyAuthenticator(KeyDirectory(pool), KEYRING, lambda: datetime.now(UTC))
    token = everything["authorization"].split()[1]
    assert (await fresh.authenticate(token)).allowed_models == {allowed}

    assert await code(everything, allowed) == "upstream_error"
    assert await code(nothing, allowed) == "model_not_allowed"
    assert await code(everything, other) in ("model_not_allowed", "invalid_value")
    assert await code(nothing, other) in ("model_not_allowed", "invalid_value")


async def test_developers_see_and_change_keys_of_their_own_only(whole: Whole, pool: Any) -> None:
    owner, developer = await somebody(pool), await somebody(pool)
    member = await joins(pool, owner, whole.account, Role.OWNER)
    other = await joins(pool, developer, whole.account, Role.DEVELOPER)
    of_owner = bearer((await signed_in(pool, owner, whole.account)).token)
    of_developer = bearer((await signed_in(pool, developer, whole.account)).token)
    owners, _ = await made(whole, of_owner)
    mine, mine_secret = await made(whole, of_developer, scopes=MANAGER)
    child, _ = await made(whole, mine_secret, scopes=["SCOPE_GENERATE"])

    assert owners["member"] == f"members/{member.hex}"
    assert mine["member"] == child["member"] == f"members/{other.hex}"
    for headers in (of_developer, mine_secret):
        listed = (await whole.ask("GET", KEYS, headers=headers))["api_keys"]
        assert [key["name"] for key in listed] == [child["name"], mine["name"]]
        path = f"/api/v1/{owners['name']}"
        for method, where in (
            ("GET", path),
            ("POST", f"{path}:revoke"),
            ("POST", f"{path}:rotate"),
        ):
            body = {} if method == "GET" else {"json": {}}
            answer = await whole.http.request(method, where, headers=headers, **body)
            assert answer.status_code == 404, where
    assert len((await whole.ask("GET", KEYS, headers=of_owner))["api_keys"]) == 4
    await whole.ask("POST", f"/api/v1/{child['name']}:revoke", json={}, headers=of_developer)
    rotated = await whole.ask("POST", f"/api/v1/{mine['name']}:rotate", json={}, headers=of_owner)
    assert rotated["api_key"]["member"] == f"members/{member.hex}"
    too_much = await whole.http.post(
        KEYS, json={"scopes": ["SCOPE_MANAGE_BILLING"]}, headers=of_developer
    )
    assert too_much.status_code == 403


async def test_a_members_key_manages_no_more_than_the_member_may_now(
    whole: Whole, pool: Any
) -> None:
    person = await somebody(pool)
    await joins(pool, person, whole.account, Role.ADMIN)
    headers = bearer((await signed_in(pool, person, whole.account)).token)
    _, secret = await made(whole, headers, scopes=[*MANAGER, "SCOPE_MANAGE_BILLING"])
    budget = {"period": "PERIOD_TOTAL", "limit_micros": "500000000"}
    await whole.ask("POST", "/api/v1/budgets", json=budget, headers=secret)
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE membership SET role = 'billing' WHERE user_id = %s AND account_id = %s",
            (person.user_id, whole.account),
        )

    assert (await whole.http.get(KEYS, headers=secret)).status_code == 403
    await whole.ask("POST", "/api/v1/budgets", json=budget, headers=secret)
    async with pool.connection() as connection:
        await connection.execute(
            "DELETE FROM membership WHERE user_id = %s AND account_id = %s",
            (person.user_id, whole.account),
        )
    answer = await whole.http.post("/api/v1/budgets", json=budget, headers=secret)
    assert answer.status_code == 403


async def test_people_make_keys_once_their_address_is_proved(whole: Whole, pool: Any) -> None:
    person = await somebody(pool, verified=False)
    headers = bearer((await signed_in(pool, person)).token)
    answer = await whole.http.post(KEYS, json={}, headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "email_not_verified")


async def test_the_last_use_of_a_key_and_its_networks_are_written_beside(
    whole: Whole, pool: Any
) -> None:
    key, headers = await made(whole)
    path = f"/api/v1/{key['name']}"
    assert "last_use_time" not in (await whole.ask("GET", path))["api_key"]
    caller = await whole.core.authenticator.authenticate(headers["authorization"].split()[1])
    seen = KeySeen(pool, KEYRING)
    for address in ("203.0.113.7", "203.0.113.200", "198.51.100.1", "2001:db8::1", ""):
        seen.note(caller.account_id, caller.key_id, address)
    await seen.flush()
    await seen.flush()

    used = (await whole.ask("GET", path))["api_key"]["last_use_time"]
    assert datetime.now(UTC) - datetime.fromisoformat(used) < timedelta(minutes=1)
    assert await networks(pool, caller.key_id) == 3
    for number in range(200):
        seen.note(caller.account_id, caller.key_id, f"10.0.{number}.1")
    await seen.flush()
    assert await networks(pool, caller.key_id) == NETWORKS


async def networks(pool: Any, key_id: Any) -> int:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT count(*), bool_and(octet_length(network_hmac) = 32) FROM key_network"
            " WHERE key_id = %s",
            (key_id,),
        )
        count, keyed = await cursor.fetchone()
    assert keyed
    return int(count)


def test_a_network_is_what_one_customer_has() -> None:
    assert network_of("203.0.113.7") == network_of("::ffff:203.0.113.9") == "203.0.113.0/24"
    assert network_of("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert network_of("unknown") == ""


async def test_a_key_without_networks_asks_for_no_address(whole: Whole) -> None:
    caller = await whole.core.authenticator.authenticate(whole.key)
    _, headers = await made(whole, allowed_networks=["203.0.113.7"])
    with pytest.raises(GatewayError):
        await whole.core.authenticator.authenticate(headers["authorization"].split()[1])

    assert caller.account_id == whole.account
