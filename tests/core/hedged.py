"""A model that is hedged, and what became of its hedges."""

from dataclasses import replace

from core.engine.records import Listing
from core.log import HedgeEnded
from tests.fix_core import catalogue

A, B, C = "openai-a", "openai-b", "openai-c"
OPERATION = "image.generate"
PRICE = 7
USUAL = 0.02
"""Seconds that the first channel takes in most cases."""


def hedging(**traits):
    """The demo's catalogue, with hedges."""
    known = catalogue()
    model = replace(known.models["gpt-image-2"], hedge=True)
    routes = tuple(replace(each, **traits) for each in known.routes["gpt-image-2"])
    return replace(
        known,
        models={**known.models, "gpt-image-2": model},
        routes={**known.routes, "gpt-image-2": routes},
    )


def measured(core, *names):
    """The channels have served enough to tell what is usual."""
    for name in names:
        health = core.fleet.health.of(name, OPERATION)
        for _ in range(40):
            now = core.engine._now()
            health.succeeded(health.admit(now - USUAL, 60), now)


async def records(core):
    page = await core.records.generations(core.account, Listing(10))
    return sorted(
        await core.records.attempts(core.account, page[0].id), key=lambda item: item.number
    )


def hedges(core):
    return [event for event in core.emitted if isinstance(event, HedgeEnded)]


def losses(core):
    return -core.ledger.operator_balance("hedge_loss")
