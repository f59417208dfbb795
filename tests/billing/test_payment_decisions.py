"""What a look at a payment books: the same in the end, whatever was seen before, and how often."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.ledger import Clawback, Credit, OperatorBook, Reinstatement
from billing.payments import (
    CENT_MICROS,
    Booked,
    Decision,
    PaymentProblem,
    PaymentState,
    after,
    is_settled,
    missing,
    purchase_of,
    vanished,
)
from billing.stripe_objects import (
    DisputeSnapshot,
    Origin,
    PaymentSnapshot,
    Purchase,
    RefundSnapshot,
)

ACCOUNT = UUID(int=7)
PURCHASE = Purchase(ACCOUNT, UUID(int=8), Origin.CHECKOUT, "starter", 1_000, "usd", 10_500_000)


def payment(**changes: object) -> PaymentSnapshot:
    """Ten dollars that were paid for 10,500 credits."""
    paid = PaymentSnapshot(
        payment_intent="pi_1",
        customer="cus_1",
        amount=1_000,
        amount_received=1_000,
        currency="usd",
        status="succeeded",
        created=1_800_000_000,
        metadata=PURCHASE.metadata(),
    )
    return replace(paid, **changes)  # type: ignore[arg-type] # fields of any type


def refund(name: str, amount: int, status: str = "succeeded") -> RefundSnapshot:
    return RefundSnapshot(name, amount, "usd", status)


LOST = DisputeSnapshot("du_1", 1_000, "usd", "lost", (-1_000,))
WON = DisputeSnapshot("du_1", 1_000, "usd", "won", (-1_000, 1_000))
OPEN = DisputeSnapshot("du_1", 1_000, "usd", "needs_response", (-1_000,))
INQUIRY = DisputeSnapshot("du_1", 1_000, "usd", "warning_needs_response", ())


class Books:
    """Applies looks one after the other, and adds up what they moved."""

    def __init__(self) -> None:
        self.booked: Booked | None = None
        self.balance = 0
        self.ids: list[UUID] = []

    def see(self, snapshot: PaymentSnapshot) -> Decision:
        return self._apply(missing(snapshot, PURCHASE, self.booked))

    def miss(self) -> Decision:
        assert self.booked is not None
        return self._apply(vanished(self.booked))

    def _apply(self, decision: Decision) -> Decision:
        self.booked = after(decision, self.booked)
        for part in decision.parts():
            assert part.transfer_id not in self.ids
            self.ids.append(part.transfer_id)
            gives = isinstance(part, Credit | Reinstatement)
            self.balance += part.amount_micros if gives else -part.amount_micros
            assert self.balance >= 0
        row = decision.row
        assert row.credited_micros - row.clawed_back_micros == self.balance
        assert 0 <= row.refunded_micros <= row.paid_micros
        return decision


def test_a_payment_is_credited_once() -> None:
    books = Books()

    first, second = books.see(payment()), books.see(payment())

    credit = Credit(first.row.payment_id, ACCOUNT, 10_500_000, OperatorBook.CASH)
    assert first.parts() == (credit,)
    assert second.parts() == ()
    assert second.row.state is PaymentState.SUCCEEDED
    assert second.row.paid_micros == 1_000 * CENT_MICROS


@pytest.mark.parametrize("status", ["requires_payment_method", "processing", "requires_action"])
def test_what_is_not_paid_credits_nothing(status: str) -> None:
    decision = Books().see(payment(status=status, amount_received=0))

    assert decision.parts() == ()
    assert decision.row.state is PaymentState.PENDING


def test_a_declined_card_fails_the_payment_until_another_one_pays_it() -> None:
    books = Books()

    declined = books.see(
        payment(status="requires_payment_method", amount_received=0, failure_code="card_declined")
    )
    paid = books.see(payment())

    assert (declined.row.state, declined.row.failure_code) == (PaymentState.FAILED, "card_declined")
    assert (paid.row.state, paid.credit_micros) == (PaymentState.SUCCEEDED, 10_500_000)


def test_less_money_than_the_price_buys_fewer_credits() -> None:
    assert Books().see(payment(amount_received=500)).credit_micros == 5_250_000


def test_tax_buys_no_credits() -> None:
    decision = Books().see(payment(amount_received=1_190, tax=190))

    assert decision.credit_micros == 10_500_000
    assert decision.row.tax_micros == 190 * CENT_MICROS


def test_refunds_that_do_not_divide_add_up_to_the_whole_credit() -> None:
    books = Books()
    books.see(payment())
    thirds = (refund("re_1", 333), refund("re_2", 333), refund("re_3", 334))

    taken = [
        part.amount_micros
        for count in range(1, 4)
        for part in books.see(payment(refunds=thirds[:count])).parts()
        if isinstance(part, Clawback)
    ]

    assert taken == [3_496_500, 3_496_500, 3_507_000]
    assert books.balance == 0
    assert books.booked is not None
    assert books.booked.row.state is PaymentState.REFUNDED


def test_a_refund_that_fails_gives_the_credits_back() -> None:
    books = Books()
    books.see(payment(refunds=(refund("re_1", 400),)))

    decision = books.see(payment(refunds=(refund("re_1", 400, "failed"),)))

    assert isinstance(decision.parts()[0], Reinstatement)
    assert (books.balance, decision.row.state) == (10_500_000, PaymentState.SUCCEEDED)


def test_a_refund_takes_its_credits_before_it_has_arrived() -> None:
    books = Books()

    decision = books.see(payment(refunds=(refund("re_1", 400, "pending"),)))
    done = books.see(payment(refunds=(refund("re_1", 400),)))

    assert (books.balance, decision.row.state) == (6_300_000, PaymentState.PARTIALLY_REFUNDED)
    assert done.parts() == ()


def test_a_dispute_takes_the_credits_with_the_money_and_returns_them_with_it() -> None:
    books = Books()
    books.see(payment())

    asked = books.see(payment(disputes=(INQUIRY,))).row.state
    assert (asked, books.balance) == (PaymentState.DISPUTED, 10_500_000)
    contested = books.see(payment(disputes=(OPEN,))).row.state
    assert (contested, books.balance) == (PaymentState.DISPUTED, 0)
    won = books.see(payment(disputes=(WON,))).row.state
    assert (won, books.balance) == (PaymentState.SUCCEEDED, 10_500_000)
    again = replace(WON, status="lost", movements=(-1_000, 1_000, -1_000))
    lost = books.see(payment(disputes=(again,))).row.state
    assert (lost, books.balance) == (PaymentState.DISPUTE_LOST, 0)


@pytest.mark.parametrize("movements", [(-923, 918), (-1_000, -1_500, 1_000), (-923, 930)])
def test_a_dispute_that_is_won_gives_back_whatever_its_money_came_to(
    movements: tuple[int, ...],
) -> None:
    """The balance at Stripe may be in euros, whose rate moves; and its fee stays there."""
    books = Books()
    books.see(payment(disputes=(OPEN,)))

    row = books.see(payment(disputes=(replace(WON, movements=movements),))).row

    assert (books.balance, row.state) == (10_500_000, PaymentState.SUCCEEDED)


def test_more_money_back_than_was_paid_takes_no_more_credits_than_there_were() -> None:
    books = Books()

    decision = books.see(payment(refunds=(refund("re_1", 700),), disputes=(LOST,)))

    assert books.balance == 0
    assert decision.row.refunded_micros == decision.row.paid_micros


def test_credits_of_a_payment_that_stripe_does_not_have_are_taken() -> None:
    books = Books()
    books.see(payment(refunds=(refund("re_1", 300),)))

    gone, again = books.miss(), books.miss()

    assert books.balance == 0
    assert again.parts() == ()
    assert gone.row.state is PaymentState.FAILED
    found = books.see(payment())
    assert (books.balance, found.row.state) == (10_500_000, PaymentState.SUCCEEDED)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, None),
        ({"reapi_account": "x"}, PaymentProblem.UNREADABLE),
        ({"reapi_credited_micros": None}, PaymentProblem.UNREADABLE),
        ({"reapi_credited_micros": "-1"}, PaymentProblem.UNREADABLE),
        ({"reapi_price": "0"}, PaymentProblem.UNREADABLE),
        ({"reapi_currency": "eur"}, PaymentProblem.CURRENCY_MISMATCH),
    ],
)
def test_what_is_not_as_we_wrote_it_is_not_booked(
    changes: dict[str, str | None], found: PaymentProblem | None
) -> None:
    words = {**(PURCHASE.metadata() if changes else {"order": "12"}), **changes}
    kept = {name: word for name, word in words.items() if word is not None}

    assert purchase_of(payment(metadata=kept)) == found
    assert purchase_of(payment()) == PURCHASE


@pytest.mark.parametrize("status", ["needs_response", "won"])
def test_money_back_in_another_currency_is_a_problem(status: str) -> None:
    back = RefundSnapshot("re_1", 1_000, "eur", "succeeded")
    contested = DisputeSnapshot("du_1", 1_000, "eur", status, (-1_000,))

    assert purchase_of(payment(refunds=(back,))) is PaymentProblem.CURRENCY_MISMATCH
    assert purchase_of(payment(disputes=(contested,))) is PaymentProblem.CURRENCY_MISMATCH
    assert purchase_of(payment(refunds=(refund("re_1", 1),), disputes=(LOST,))) == PURCHASE


def test_a_list_tells_which_payments_need_a_closer_look() -> None:
    books = Books()
    row = books.see(payment()).row

    assert is_settled(payment(), row)
    assert not is_settled(payment(amount_refunded=1), row)
    assert not is_settled(payment(is_disputed=True), row)
    assert not is_settled(payment(status="processing", amount_received=0), row)
    assert not is_settled(payment(), replace(row, state=PaymentState.PENDING))


statuses = st.sampled_from(["pending", "succeeded", "failed", "canceled"])
refund_lists = st.lists(st.tuples(st.integers(1, 400), statuses), max_size=4).map(
    lambda made: tuple(refund(f"re_{n}", amount, s) for n, (amount, s) in enumerate(made))
)
dispute_lists = st.sampled_from([(), (INQUIRY,), (OPEN,), (WON,), (LOST,)])
snapshots = st.builds(
    lambda refunds, disputes, is_paid: (
        payment(refunds=refunds, disputes=disputes)
        if is_paid
        else payment(status="processing", amount_received=0)
    ),
    refund_lists,
    dispute_lists,
    st.sampled_from([True, True, True, False]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(snapshots, max_size=8), snapshots)
def test_after_a_look_at_the_last_state_it_does_not_matter_what_was_seen_before(
    seen: list[PaymentSnapshot], last: PaymentSnapshot
) -> None:
    straight, crooked = Books(), Books()
    wanted = straight.see(last).row
    was_paid = last.has_succeeded or any(snapshot.has_succeeded for snapshot in seen)

    for snapshot in seen:
        crooked.see(snapshot)
    found = crooked.see(last).row

    assert crooked.balance == straight.balance
    assert found.state == wanted.state
    if was_paid == last.has_succeeded:
        assert found == wanted
    assert crooked.see(last).parts() == ()


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(5)), st.lists(st.integers(1, 199), min_size=5, max_size=5))
def test_refunds_come_to_the_same_in_any_order(order: list[int], amounts: list[int]) -> None:
    made = [refund(f"re_{number}", amount) for number, amount in enumerate(amounts)]
    books = Books()
    for count in range(6):
        books.see(payment(refunds=tuple(made[number] for number in order[:count])))

    assert books.balance == 10_500_000 - 10_500_000 * sum(amounts) // 1_000
