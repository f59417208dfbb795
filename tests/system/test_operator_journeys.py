"""What operators do to accounts, over both transports."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from tests.fix_gateway import Gateway
from tests.journeying import until
from tests.system.test_account_journeys import fetched, give, gone, made, seconds_until_refused
from tests.travelling import TRANSPORTS, Journey, Person, travelling

REASON = {"reason": "a complaint"}


@pytest.fixture(params=TRANSPORTS)
async def journey(request: pytest.FixtureRequest, gateway: Gateway) -> AsyncIterator[Journey]:
    async with travelling(gateway, request.param) as found:
        yield found
