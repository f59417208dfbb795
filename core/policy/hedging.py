"""When a second attempt begins beside one that takes long. Pure; `now` is an argument.

Whether it may begin (a healthy channel, the retry budgets, nothing shown yet) is the failover
machine's: `Failover.hedge`. docs/decisions/0017-fan-out.md says more.
"""

from core.policy.decisions import Attempt


def patience(attempt: Attempt, now: float) -> float | None:
    """How many seconds from now the first output byte of *attempt* is waited for.

    Until the live 95th percentile of its channel: one request in twenty is hedged, then. None
    where too few succeeded lately to tell, and where its own deadline is sooner.
    """
    usual = attempt.health.latency_p95(now)
    if usual is None or usual >= attempt.deadlines.first_byte:
        return None
    return max(0.0, attempt.started + usual - now)
