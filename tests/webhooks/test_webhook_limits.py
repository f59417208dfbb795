"""The limit of endpoints holds for those who register many at once."""

import asyncio

from core.errors import GatewayError
from core.webhooks.endpoints import MAXIMUM


async def test_endpoints_that_are_registered_at_once_stay_within_the_limit(desk) -> None:
    wishes = [desk.endpoint(f"https://example.com/{number}") for number in range(MAXIMUM + 20)]
    found = await asyncio.gather(*wishes, return_exceptions=True)
    known = await desk.office.endpoints.page(desk.account, 100, None)

    assert len(known) == MAXIMUM
    assert sum(isinstance(each, GatewayError) for each in found) == 20
