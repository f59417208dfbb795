"""Offers: what a request would cost at most, bound for a while, and who would serve it now."""

from collections.abc import Awaitable, Callable
from dataclasses import field
from math import ceil
from time import monotonic
from typing import Final

from accounts.limits import Limit, LimitExceeded
from core.body import Secret
from core.caller import Caller
from core.engine.ids import random_id
from core.engine.intake import Intake
from core.engine.order import Order
from core.engine.quotes import LIFE_SECONDS, Quote
from core.engine.refusals import refusal_error
from core.policy.failover import Fleet
from core.policy.pace import Pace
from core.policy.routing import Unroutable, eligible, likely
from core.values import dataclass

PER_MINUTE: Final = 60
"""Quotes of one key in this process: they cost nothing, and fetch what they are asked about."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A quote, as it is told."""

    quote: Quote
    token: Secret[str] = field(repr=False)
    channels: tuple[str, ...]
    """Who could serve it now, the likeliest first."""


class Quoting:
    """Makes offers. *clock* is the database's, in microseconds since 1970: it judges the expiry."""

    def __init__(
        self,
        intake: Intake,
        fleet: Fleet,
        clock: Callable[[], Awaitable[int]],
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._intake = intake
        self._fleet = fleet
        self._clock = clock
        self._now = now
        self._pace = Pace(60 / PER_MINUTE, PER_MINUTE)

    def begin(self, caller: Caller, model: str) -> None:
        """Count a quote of *model*, before anything is fetched for it.

        Raises RATE_LIMIT_EXCEEDED, MODEL_NOT_FOUND and MODEL_NOT_ALLOWED.
        """
        wait = self._pace.take(caller.key_id, self._now())
        if wait:
            raise refusal_error(LimitExceeded(Limit.REQUESTS, PER_MINUTE, ceil(wait * 1e6)))
        self._intake.permit(caller, model)

    async def offer(self, caller: Caller, order: Order) -> Offer:
        """An offer for what *order* asks; raises GatewayError as accepting it would.

        Nothing is held, and nobody upstream is asked.
        """
        if caller.sandbox:
            await self._intake.prepare()
        job = self._intake.examine(caller, order)
        plan = job.routing
        channels = eligible(plan.channels, plan.needs, plan.preference)
        if isinstance(channels, Unroutable):
            raise channels.to_error()
        expires_us = await self._clock() + LIFE_SECONDS * 1_000_000
        quote, token = self._intake.offer(caller, job, random_id(), expires_us)
        who = likely(channels, self._fleet.health, plan.operation, self._now())
        return Offer(quote, token, tuple([channel.name for channel in who]))
