"""What a refused commit means to the caller."""

from accounts.limits import KeyProblem, KeyRefused, Limit, LimitExceeded, ModelNotAllowed
from billing.budgets import BudgetExceeded
from billing.ledger import InDebt, InsufficientCredits
from core.engine.quote_uses import QuoteOver
from core.engine.records import IdempotencyMismatch
from core.errors import GatewayError, Reason


def refusal_error(refusal: object) -> GatewayError:
    """The error for a refusal that ends a request; INTERNAL for one that nobody expects."""
    match refusal:
        case InsufficientCredits(needed, available):
            return GatewayError(
                Reason.INSUFFICIENT_CREDITS,
                "You do not have enough credits for this request. Add credits, or ask for less.",
                metadata={"needed_micros": str(needed), "available_micros": str(available)},
            )
        case InDebt(debt):
            return GatewayError(
                Reason.ACCOUNT_IN_DEBT,
                "A payment was taken back after its credits were spent. Add credits: they pay "
                "the debt first.",
                metadata={"debt_micros": str(debt)},
            )
        case BudgetExceeded():
            return _budget_error(refusal)
        case ModelNotAllowed(model):
            return GatewayError(
                Reason.MODEL_NOT_ALLOWED,
                f"This API key may not use the model {model}. Its owner can allow it.",
                parameter="model",
            )
        case LimitExceeded():
            return _limit_error(refusal)
        case KeyRefused(KeyProblem.SUSPENDED):
            return GatewayError(
                Reason.ACCOUNT_SUSPENDED, "The account is suspended; contact the operator."
            )
        case KeyRefused():
            return GatewayError(Reason.API_KEY_INVALID, "The API key is no longer valid.")
        case QuoteOver(was_used):
            return GatewayError(
                Reason.QUOTE_EXPIRED,
                "The quote was used by another request; ask for another one."
                if was_used
                else "The quote has expired; ask for another one.",
            )
        case IdempotencyMismatch():
            return GatewayError(
                Reason.IDEMPOTENCY_MISMATCH,
                "This idempotency key was used for another request within the last 24 hours. "
                "Use a new key.",
            )
        case _:
            return GatewayError(Reason.INTERNAL, "The request could not be recorded.")


def _budget_error(refusal: BudgetExceeded) -> GatewayError:
    scope = "key" if refusal.is_of_key else "account"
    return GatewayError(
        Reason.BUDGET_EXCEEDED,
        f"This request does not fit the budget {scope}/{refusal.period}. Raise the budget, wait "
        "until it starts again, or ask for less.",
        metadata={
            "budget": f"{scope}/{refusal.period}",
            "budget_id": refusal.budget_id.hex,
            "limit_micros": str(refusal.limit_micros),
            "needed_micros": str(refusal.needed_micros),
            "available_micros": str(refusal.left_micros),
        },
    )


def _limit_error(refusal: LimitExceeded) -> GatewayError:
    if refusal.limit is Limit.CONCURRENCY:
        return GatewayError(
            Reason.CONCURRENCY_LIMIT_EXCEEDED,
            f"Rate limit reached: {refusal.maximum} generations of this key are running.",
            retry_after=1,
            metadata={"limit": str(refusal.maximum)},
        )
    seconds = refusal.retry_after_us / 1e6
    return GatewayError(
        Reason.RATE_LIMIT_EXCEEDED,
        f"Rate limit reached: {refusal.maximum} requests a minute. Try again in {seconds:.3f} s.",
        retry_after=seconds,
        metadata={
            "limit": str(refusal.maximum),
            "remaining": "0",
            "reset_ms": str(refusal.retry_after_us // 1000 + 1),
        },
    )
