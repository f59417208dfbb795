"""Looks at a payment: reads it at Stripe, and books what the ledger misses of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import uuid4

from billing.ledger import AccountUnknown
from billing.payments import (
    Booked,
    Decision,
    PaymentProblem,
    missing,
    purchase_of,
    vanished,
)
from billing.payments_sql import BookPayment, PaymentMoved, Payments
from billing.stripe_client import GONE, PaymentRefused, PaymentServiceUnavailable, StripePayments
from billing.stripe_objects import EventHint, PaymentSnapshot
from core.log import Emit, PaymentOdd
from storage.commits import Commit, Commits, Committed

TRIES: Final = 8
"""Each time somebody else was faster; more than that at once is a storm, and Stripe sends again."""


class Outcome(StrEnum):
    """What came of a look."""

    BOOKED = "booked"
    """The books say what Stripe says."""
    NOT_OURS = "not_ours"
    PROBLEM = "problem"
    """Nothing was moved; it was reported."""


@dataclass(frozen=True, slots=True)
class Look:
    """What came of a look, and what it booked."""

    outcome: Outcome
    decision: Decision | None = None


class PaymentLooks:
    """Looks at payments. Any number of processes may look at one at the same time.

    What is read at Stripe is booked only if nobody booked another look since it was asked for:
    so the last look that is booked has seen all that any of them had.
    """

    def __init__(
        self, stripe: StripePayments, payments: Payments, commits: Commits, emit: Emit
    ) -> None:
        self._stripe = stripe
        self._payments = payments
        self._commits = commits
        self._emit = emit

    async def look(self, payment_intent: str, event: EventHint | None = None) -> Look:
        """Book what is missing; *event* is recorded in the same commit.

        Raises PaymentServiceUnavailable, PaymentRefused and StorageUnavailable: look again later.
        """
        for _ in range(TRIES):
            booked = await self._payments.booked(payment_intent)
            decision = await self._decision(payment_intent, booked)
            if decision is None:
                return Look(Outcome.NOT_OURS)
            if isinstance(decision, PaymentProblem):
                return self._problem(decision, payment_intent)
            version = 0 if booked is None else booked.version
            booking = BookPayment(uuid4(), decision, version, event)
            is_late = await self._is_late(decision)
            verdict = await self._commits.commit(Commit((booking, *decision.parts())))
            if isinstance(verdict, Committed):
                if not verdict.resent:
                    if is_late:
                        self._emit(PaymentOdd("account_deleted", payment_intent))
                    return Look(Outcome.BOOKED, decision)
                # Some of it was there: ours, whose answer was lost, or another look's, which may
                # have seen less. The next round says.
                continue
            if isinstance(verdict.refusal, AccountUnknown):
                return self._problem(PaymentProblem.ACCOUNT_UNKNOWN, payment_intent)
            if not isinstance(verdict.refusal, PaymentMoved):
                return self._problem(PaymentProblem.LEDGER_MISMATCH, payment_intent)
        raise PaymentServiceUnavailable

    async def _decision(
        self, payment_intent: str, booked: Booked | None
    ) -> Decision | PaymentProblem | None:
        """What to write; None for a payment that has nothing to do with us."""
        snapshot = await self._snapshot(payment_intent)
        if snapshot is None:
            return None if booked is None else await self._vanished(booked)
        purchase = purchase_of(snapshot)
        if purchase is None or isinstance(purchase, PaymentProblem):
            return purchase
        if booked is None:
            owner = await self._payments.account_of(snapshot.customer)
        else:
            owner = booked.row.account_id
        if owner != purchase.account_id:
            return PaymentProblem.CUSTOMER_MISMATCH
        return missing(snapshot, purchase, booked)

    async def _snapshot(self, payment_intent: str) -> PaymentSnapshot | None:
        try:
            return await self._stripe.payment(payment_intent)
        except PaymentRefused as refused:
            if refused.code == GONE:
                return None
            raise

    async def _vanished(self, booked: Booked) -> Decision | PaymentProblem:
        """Take it back, unless Stripe does not know its payer either.

        Then another account of Stripe is configured than the one that was paid: no reason to
        take anything from anybody.
        """
        if await self._stripe.knows_customer(booked.row.customer):
            return vanished(booked)
        return PaymentProblem.OTHER_STRIPE

    async def _is_late(self, decision: Decision) -> bool:
        """Whether money came for an account that is being erased, or is: it is booked, nobody's."""
        if not decision.credit_micros:
            return False
        return await self._payments.is_leaving(decision.row.account_id)

    def _problem(self, problem: PaymentProblem, payment_intent: str) -> Look:
        self._emit(PaymentOdd(problem.value, payment_intent))
        return Look(Outcome.PROBLEM)
