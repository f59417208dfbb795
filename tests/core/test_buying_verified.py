"""Whoever buys has proved the address."""

from pathlib import Path
from uuid import UUID

import pytest

from accounts.roles import Role
from core.caller import Caller, enter_call
from core.errors import GatewayError, Reason
from core.services import payments
from reapi.v1 import billing_service_pb2, webhook_service_pb2_grpc
from reapi.v1 import webhook_service_pb2 as hooks_pb
from storage.pool import Pool
from tests.account_house import by, open_house, reason
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


@pytest.mark.parametrize("verified", [True, False])
async def test_what_reaches_out_or_brings_credits_takes_a_proved_address(
    database_url: str, tmp_path: Path, *, verified: bool
) -> None:
    async with open_house("local", database_url, tmp_path) as house:
        person = await somebody(house.pool, verified=verified)
        token = await house.token(person)
        hooks = webhook_service_pb2_grpc.WebhookServiceStub(house.whole.channel)
        name = f"webhook_endpoints/{'0' * 32}"
        make = hooks_pb.CreateWebhookEndpointRequest()
        make.webhook_endpoint.uri = "https://example.com/hook"
        change = hooks_pb.UpdateWebhookEndpointRequest()
        change.webhook_endpoint.name = name
        rotate = hooks_pb.RotateWebhookSecretRequest(name=name)
        redeem = billing_service_pb2.RedeemPromoCodeRequest(code="NO-SUCH-CODE")
        calls = (
            hooks.CreateWebhookEndpoint(make, **by(token)),
            hooks.UpdateWebhookEndpoint(change, **by(token)),
            hooks.RotateWebhookSecret(rotate, **by(token)),
            house.billing.RedeemPromoCode(redeem, **by(token)),
        )
        if verified:
            await calls[0]
            assert [await reason(call) for call in calls[1:]] == ["NOT_FOUND"] * 3
        else:
            assert [await reason(call) for call in calls] == ["EMAIL_NOT_VERIFIED"] * 4
