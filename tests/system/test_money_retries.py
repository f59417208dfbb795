"""A caller who lost the connection asks again, and buys nothing twice."""

import asyncio

import pytest

from tests.fix_gateway import eventually
from tests.traffic import traffic

PRICE = 7
BUSY_MS = 400
RETRY = {"x-stainless-retry-count": "1"}


@pytest.fixture
async def account(gateway):
    """A client with credits for ten images; the simulator takes its time."""
    _, key = gateway.account(str(10 * PRICE))
    gateway.settings(image="tiny", latency_ms=BUSY_MS)
    async with traffic(gateway.rest, key) as client:
        yield client


def upstream_calls(gateway):
    return sum(gateway.calls().values())


def orphans(gateway):
    """How many generations have lost their caller and were not claimed."""
    with gateway.database() as connection:
        ((count,),) = connection.execute(
            "SELECT count(*) FROM generation WHERE orphaned_at IS NOT NULL AND claimed_at IS NULL"
        ).fetchall()
    return count


async def abandoned(gateway, client, **fields):
    """Ask, and hang up as soon as the upstream works on it."""
    calls, lost = upstream_calls(gateway), orphans(gateway)
    request = asyncio.create_task(client.generate(**fields))
    await eventually(lambda: upstream_calls(gateway) == calls + 1)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await eventually(lambda: orphans(gateway) == lost + 1)


def spent(gateway, client):
    balance = gateway.balance(client.key)
    assert balance["held"] == "0"
    return 10 * PRICE - int(balance["credits"])


async def test_a_retry_takes_the_running_orphan_instead_of_buying_again(gateway, account):
    calls = upstream_calls(gateway)
    await abandoned(gateway, account)
    reply = await account.generate(headers=RETRY)

    assert (reply.status, reply.has_images) == (200, True)
    assert upstream_calls(gateway) == calls + 1
    assert spent(gateway, account) == PRICE


async def test_a_retry_takes_the_finished_orphan(gateway, account):
    calls = upstream_calls(gateway)
    await abandoned(gateway, account)
    await eventually(lambda: gateway.balance(account.key)["held"] == "0")
    reply = await account.generate(headers=RETRY)

    assert (reply.status, reply.has_images, reply.headers["x-reapi-credits"]) == (200, True, "7")
    assert upstream_calls(gateway) == calls + 1
    assert spent(gateway, account) == PRICE


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({}, {}),
        ({}, {"x-stainless-retry-count": "0"}),
        ({"size": "1536x1024"}, RETRY),
        ({"prompt": "another lighthouse"}, RETRY),
        ({"n": 2}, RETRY),
        ({"output_format": "webp"}, RETRY),
    ],
)
async def test_any_other_request_is_bought(gateway, account, changes, headers):
    calls = upstream_calls(gateway)
    await abandoned(gateway, account)
    reply = await account.generate(headers=headers, **changes)

    assert reply.status == 200
    assert upstream_calls(gateway) == calls + 2
    assert spent(gateway, account) == PRICE * (1 + changes.get("n", 1))


async def test_another_account_claims_nothing(gateway, account):
    calls = upstream_calls(gateway)
    await abandoned(gateway, account)
    _, key = gateway.account("100")
    async with traffic(gateway.rest, key) as other:
        reply = await other.generate(headers=RETRY)

    assert reply.status == 200
    assert upstream_calls(gateway) == calls + 2


async def test_two_retries_at_once_claim_one_orphan_and_buy_one(gateway, account):
    calls = upstream_calls(gateway)
    await abandoned(gateway, account)
    replies = await asyncio.gather(*(account.generate(headers=RETRY) for _ in range(2)))

    assert [reply.status for reply in replies] == [200, 200]
    assert len({reply.generation for reply in replies}) == 2
    assert upstream_calls(gateway) == calls + 2
    assert spent(gateway, account) == 2 * PRICE


async def test_a_twin_with_the_same_idempotency_key_waits_for_the_first(gateway, account):
    calls = upstream_calls(gateway)
    headers = {"idempotency-key": "twins"}
    first = asyncio.create_task(account.generate(headers=headers))
    await eventually(lambda: upstream_calls(gateway) == calls + 1)
    twins = await asyncio.gather(*(account.generate(headers=headers) for _ in range(5)))
    replies = [await first, *twins]

    assert {reply.status for reply in replies} == {200}
    assert len({reply.generation for reply in replies}) == 1
    assert len({reply.body["data"][0]["b64_json"] for reply in replies}) == 1
    assert upstream_calls(gateway) == calls + 1
    assert spent(gateway, account) == PRICE


async def test_the_same_idempotency_key_finds_what_a_lost_caller_paid_for(gateway, account):
    calls = upstream_calls(gateway)
    headers = {"idempotency-key": "lost"}
    await abandoned(gateway, account, headers=headers)
    reply = await account.generate(headers=headers)

    assert (reply.status, reply.has_images) == (200, True)
    assert upstream_calls(gateway) == calls + 1
    assert spent(gateway, account) == PRICE


async def test_a_caller_who_left_is_charged_once_and_holds_nothing(gateway, account):
    await asyncio.gather(*(abandoned_early(account) for _ in range(3)))
    await eventually(lambda: gateway.balance(account.key)["held"] == "0")

    assert spent(gateway, account) in {0, PRICE, 2 * PRICE, 3 * PRICE}


async def abandoned_early(client):
    """Hang up at once: before, while or after the request is accepted."""
    request = asyncio.create_task(client.generate(prompt="early"))
    for _ in range(3):
        await asyncio.sleep(0)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
