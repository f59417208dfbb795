"""Operators pay money back: once for each request, and the credits follow."""

from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from billing.packs import Offer
from billing.payments import transfer_id
from billing.payments_read import PaymentReads
from billing.refunds import Refunds
from billing.stripe_client import PaymentServiceUnavailable
from core.caller import OPERATOR, enter_call
from core.engine.payment_room import PURPOSE
from core.engine.repeats import Repeats
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from core.sealing import Sealer
from core.services.operator_refunds import Counter, OperatorRefunds
from reapi.v1 import admin_service_pb2 as pb
from reapi.v1 import billing_pb2
from tests.paying import Till, open_till

KEYRING = Keyring([bytes(32)])
DOLLAR = 1_000_000


@pytest.fixture
async def till(database_url: str) -> AsyncIterator[Till]:
    async with open_till(database_url) as opened:
        yield opened


def servicer(till: Till, *, open_: bool = True) -> OperatorRefunds:
    reads = PaymentReads(till.pool, Sealer(KEYRING, PURPOSE))
    counter = Counter(Refunds(till.pool, till.room.stripe), till.room.looks) if open_ else None
    return OperatorRefunds(reads, Repeats(KEYRING), Offer, counter)


async def refund(till: Till, payment: UUID, micros: int = 0, key: str = "one", **more: Any) -> Any:
    enter_call(OPERATOR, "", "203.0.113.9")
    request = pb.RefundPaymentRequest(
        name=f"payments/{payment.hex}", refund_micros=micros, request_id=key, **more
    )
    answer = await servicer(till).RefundPayment(request, cast(Any, None))
    return answer.payment


async def bought(till: Till) -> tuple[UUID, UUID, str]:
    """An account that paid ten dollars for ten; the payment's id, and Stripe's."""
    account = await till.account()
    intent = await till.checkout(account)
    await till.room.looks.look(intent)
    return account, transfer_id(intent, 0), intent


async def test_what_is_paid_back_takes_its_credits_at_once(till: Till) -> None:
    account, payment, intent = await bought(till)

    part = await refund(till, payment, 4 * DOLLAR, reason="broken")
    assert part.state == billing_pb2.Payment.STATE_PARTIALLY_REFUNDED
    assert (part.refunded_micros, part.clawed_back_micros) == (4 * DOLLAR, 4 * DOLLAR)
    assert (await till.balance(account)).posted_micros == 6 * DOLLAR

    rest = await refund(till, payment, key="two")
    assert rest.state == billing_pb2.Payment.STATE_REFUNDED
    assert (await till.balance(account)).posted_micros == 0
    assert await till.row(intent) == ("refunded", 10 * DOLLAR, 10 * DOLLAR)
    assert await till.discrepancies() == []
    notes = await till.query(
        "SELECT action, target, reason, changes, host(network) FROM audit_log"
        " WHERE account_id = %s ORDER BY at", account
    )  # fmt: skip
    target = f"payments/{payment.hex}"
    assert notes == [
        ("payment.refund", target, "broken", {"refund_micros": "4000000"}, "203.0.113.9"),
        ("payment.refund", target, "", {"refund_micros": "6000000"}, "203.0.113.9"),
    ]


async def test_a_repeat_pays_back_nothing_twice(till: Till) -> None:
    account, payment, _ = await bought(till)

    for _ in range(3):
        await refund(till, payment, 4 * DOLLAR)

    assert (await till.balance(account)).posted_micros == 6 * DOLLAR
    assert len(await till.query("SELECT FROM payment_refund")) == 1
    assert len(await till.query("SELECT FROM audit_log")) == 1
    with pytest.raises(GatewayError) as other:
        await refund(till, payment, 5 * DOLLAR)
    assert other.value.reason is Reason.IDEMPOTENCY_MISMATCH


async def test_who_got_no_answer_asks_again_and_pays_back_once(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, payment, _ = await bought(till)
    whole = till.room.stripe.refund

    async def unanswered(*values: Any) -> str:
        await whole(*values)
        raise PaymentServiceUnavailable

    monkeypatch.setattr(till.room.stripe, "refund", unanswered)
    with pytest.raises(GatewayError) as lost:
        await refund(till, payment, 4 * DOLLAR)
    assert lost.value.reason is Reason.PAYMENT_SERVICE_UNAVAILABLE
    monkeypatch.undo()

    answer = await refund(till, payment, 4 * DOLLAR)

    assert answer.refunded_micros == 4 * DOLLAR
    assert (await till.balance(account)).posted_micros == 6 * DOLLAR


async def test_spent_credits_that_are_paid_back_become_a_debt(till: Till) -> None:
    account, payment, _ = await bought(till)
    await till.spend(account, 7 * DOLLAR)

    await refund(till, payment)

    balance = await till.balance(account)
    assert (balance.posted_micros, balance.debt_micros) == (0, 7 * DOLLAR)
    assert await till.discrepancies() == []


@pytest.mark.parametrize("micros", [11 * DOLLAR, 1, 10_001, -10_000])
async def test_more_than_is_left_or_no_whole_cents_are_refused(till: Till, micros: int) -> None:
    _, payment, _ = await bought(till)

    with pytest.raises(GatewayError) as error:
        await refund(till, payment, micros)

    assert (error.value.reason, error.value.parameter) == (
        Reason.INVALID_PARAMETER,
        "refund_micros",
    )
    assert await till.query("SELECT FROM payment_refund") == []


async def test_what_stripe_refuses_moves_nothing(till: Till) -> None:
    account, payment, intent = await bought(till)
    till.stripe.dashboard.refund(intent, 900, None)  # nobody has told us yet

    with pytest.raises(GatewayError) as error:
        await refund(till, payment, 4 * DOLLAR)

    assert error.value.reason is Reason.CONFLICT
    assert error.value.metadata["resource"] == "payment"
    assert (await till.balance(account)).posted_micros == 10 * DOLLAR


async def test_an_unknown_payment_a_missing_key_and_no_stripe_are_told_apart(till: Till) -> None:
    _, payment, _ = await bought(till)
    with pytest.raises(GatewayError) as unknown:
        await refund(till, uuid4())
    assert unknown.value.reason is Reason.NOT_FOUND
    with pytest.raises(GatewayError) as keyless:
        await refund(till, payment, key="")
    assert keyless.value.parameter == "request_id"
    request = pb.RefundPaymentRequest(name=f"payments/{payment.hex}", request_id="x")
    with pytest.raises(GatewayError) as closed:
        await servicer(till, open_=False).RefundPayment(request, cast(Any, None))
    assert closed.value.reason is Reason.ENDPOINT_NOT_AVAILABLE
    await refund(till, payment)
    with pytest.raises(GatewayError) as nothing:
        await refund(till, payment, key="again")
    assert nothing.value.metadata["cause"] == "nothing_left"


async def test_the_note_of_a_refund_to_an_erased_account_does_not_name_it(till: Till) -> None:
    account, payment, _ = await bought(till)
    await till.execute(
        "UPDATE account SET deleting_at = now(), erased_at = now() WHERE account_id = %s", account
    )
    await refund(till, payment, reason="asked for it")

    lines = await till.query("SELECT account_id, target, t::text FROM audit_log t")
    assert [line[:2] for line in lines] == [(UUID(int=0), f"payments/{payment.hex}")]
    assert str(account) not in lines[0][2]
    assert account.hex not in lines[0][2]
