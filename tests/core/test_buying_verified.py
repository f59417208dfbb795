"""Whoever buys has proved the address."""

from uuid import UUID

import pytest

from accounts.roles import Role
from core.caller import Caller, enter_call
from core.errors import GatewayError, Reason
from core.services import payments
from storage.pool import Pool
from tests.members_of import somebody


@pytest.mark.parametrize("verified", [True, False])
async def test_a_person_buys_only_with_a_proved_address(pool: Pool, *, verified: bool) -> None:
    person = await somebody(pool, verified=verified)
    caller = Caller(
        person.account_id,
        UUID(int=0),
        user_id=person.user_id,
        session_id=UUID(int=1),
        role=Role.OWNER,
    )
    enter_call(caller, "")
    async with pool.connection() as connection:
        if verified:
            await payments.may_buy(connection)
            return
        with pytest.raises(GatewayError) as caught:
            await payments.may_buy(connection)

    assert caught.value.reason is Reason.EMAIL_NOT_VERIFIED
