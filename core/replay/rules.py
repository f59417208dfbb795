"""The rules of a replay: the constants of the policy machines, and others in their place."""

from dataclasses import dataclass

from core.policy.budgets import RETRY_MINIMUM, RETRY_SHARE, BudgetRules, Budgets
from core.policy.circuit import (
    EJECT_AFTER,
    EJECT_SECONDS,
    EJECT_SECONDS_MAX,
    RATE_LIMIT,
    RATE_MINIMUM,
    CircuitRules,
)
from core.policy.failover import MAXIMUM_ATTEMPTS, Fleet
from core.policy.health import Chance, HealthBook


@dataclass(frozen=True, slots=True)
class Rules:
    """Without arguments, what the gateway does."""

    maximum_attempts: int = MAXIMUM_ATTEMPTS
    eject_after: int = EJECT_AFTER
    eject_seconds: float = EJECT_SECONDS
    eject_seconds_max: float = EJECT_SECONDS_MAX
    rate_minimum: int = RATE_MINIMUM
    rate_limit: float = RATE_LIMIT
    retry_share: float = RETRY_SHARE
    retry_minimum: int = RETRY_MINIMUM
    hedging: bool = False
    """Of every model; in the gateway, of those whose catalogue entry says so."""

    def fleet(self, chance: Chance) -> Fleet:
        """The real machines, under these rules."""
        circuits = CircuitRules(
            self.eject_after,
            self.eject_seconds,
            self.eject_seconds_max,
            self.rate_minimum,
            self.rate_limit,
        )
        budgets = Budgets(BudgetRules(self.retry_share, self.retry_minimum))
        return Fleet(HealthBook(circuits), budgets, chance, self.maximum_attempts)
