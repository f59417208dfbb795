"""A refund that is asked for again after the server keys were exchanged is still the same one."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest_asyncio

from billing.packs import Offer
from billing.payments_read import PaymentReads
from billing.refunds import Refunds
from core.caller import OPERATOR, enter_call
from core.engine.payment_room import PURPOSE
from core.engine.repeats import Repeats
from core.keyring import Keyring
from core.sealing import Sealer
from core.services.operator_refunds import Counter, OperatorRefunds
from reapi.v1 import admin_service_pb2 as pb
from tests.operator.test_refunds import DOLLAR, bought
from tests.paying import Till, open_till

OLD, NEW = bytes(32), b"n" * 32


@pytest_asyncio.fixture
async def till(database_url: str) -> AsyncIterator[Till]:
    async with open_till(database_url) as opened:
        yield opened


async def test_a_repeat_after_a_rotation_pays_nothing_back_twice(till: Till) -> None:
    _, payment, intent = await bought(till)
    request = pb.RefundPaymentRequest(
        name=f"payments/{payment.hex}", refund_micros=4 * DOLLAR, request_id="one"
    )

    for keys in ([OLD], [NEW, OLD]):
        enter_call(OPERATOR, "", "203.0.113.9")
        refunds = OperatorRefunds(
            PaymentReads(till.pool, Sealer(Keyring(keys), PURPOSE)),
            Repeats(Keyring(keys)),
            Offer,
            Counter(Refunds(till.pool, till.room.stripe), till.room.looks),
        )
        await refunds.RefundPayment(request, cast(Any, None))

    assert await till.row(intent) == ("partially_refunded", 10 * DOLLAR, 4 * DOLLAR)
