"""Many requests race for few credits: exactly as many are served as can be paid for."""

from collections import Counter

import pytest

from tests import books
from tests.traffic import traffic

PRICE = 100
"""Credits of one image of the model `hundred`."""
BUSY_MS = 300
"""So long does the upstream work: every hold stands while the others are decided."""


async def assert_exactly_the_affordable_succeed(fleet, requests, affordable):
    account_id, key = fleet.gateway.account(str(affordable * PRICE))
    fleet.upstreams.settings(latency_ms=BUSY_MS)
    upstream_calls = fleet.upstreams.calls("good")
    async with traffic(fleet.gateway.rest, key) as client:
        replies = await client.many(requests, requests, "hundred")

    assert Counter((reply.status, reply.code) for reply in replies) == {
        (200, None): affordable,
        (429, "insufficient_quota"): requests - affordable,
    }
    refused = [reply for reply in replies if reply.status == 429]
    assert {reply.headers["x-should-retry"] for reply in refused} == {"false"}
    assert {reply.body["error"]["type"] for reply in refused} == {"insufficient_quota"}
    assert fleet.gateway.balance(key) == {"credits": "0", "held": "0"}
    assert fleet.upstreams.calls("good") - upstream_calls == affordable
    with fleet.gateway.database() as connection:
        books.assert_right(connection)
        assert books.states(connection, account_id) == {"succeeded": affordable}
        assert set(books.charged(connection, account_id)) == {
            reply.generation for reply in replies if reply.status == 200
        }


async def test_five_of_a_hundred_requests_at_once_can_be_paid_for(fleet):
    await assert_exactly_the_affordable_succeed(fleet, requests=100, affordable=5)


@pytest.mark.prove
async def test_fifty_of_a_thousand_requests_at_once_can_be_paid_for(fleet):
    await assert_exactly_the_affordable_succeed(fleet, requests=1000, affordable=50)


async def test_what_failed_gives_its_credits_back_to_the_next(fleet):
    account_id, key = fleet.gateway.account(str(PRICE))
    async with traffic(fleet.gateway.rest, key) as client:
        fleet.upstreams.fault("good", kind="status", status=400, times=1)
        refused = await client.generate("hundred")
        assert (refused.status, fleet.gateway.balance(key)) == (
            400,
            {"credits": str(PRICE), "held": "0"},
        )
        assert (await client.generate("hundred")).status == 200
        assert (await client.generate("hundred")).code == "insufficient_quota"

    with fleet.gateway.database() as connection:
        books.assert_right(connection)
        assert books.states(connection, account_id) == {"failed": 1, "succeeded": 1}
