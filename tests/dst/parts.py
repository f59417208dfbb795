"""What must be true of generations that several calls make, or two calls for the same outputs."""

from collections import Counter
from typing import Any

from core.engine.events import Charged, Completed, Failed, OutputReady
from core.model import AttemptState, GenerationState, Kind, Preview
from tests.dst.database import MemoryBooks
from tests.dst.pictures import PICTURES, SHADES

MAXIMUM_ATTEMPTS = 4
"""Of each part, with those before its division."""
REFUSALS = ("content_policy", "bad_request")
"""They end a race, too."""
SOON = 0.01
"""Seconds within which a connection is cut."""


def check(world: Any) -> None:
    """After the end."""
    books = world.database.books
    if not isinstance(books, MemoryBooks):
        return
    for caller in world.callers:
        if world.plan.is_calm:
            _nothing_goes_on(world, caller)
        for id_ in caller.ids:
            row = books.generation(id_)
            if row is None:
                continue
            _attempts(world, caller, row)
            if row.state is GenerationState.SUCCEEDED:
                _outputs(world, caller, row)


def _outputs(world: Any, caller: Any, row: Any) -> None:
    """Delivered, stored, charged and told are the same."""
    books, asked = world.database.books, row.requested_count
    assets = sorted(books.assets(row.id))
    made = len(assets)
    assert made == row.delivered_count, f"{made} stored, {row.delivered_count} delivered"
    if row.kind is not Kind.IMAGE:
        return
    assert row.charged_micros == -(-row.quoted_micros * made // asked), "charged for what was made"
    assert [index for index, _ in assets] == list(range(made)), "outputs are numbered"
    for stream in caller.streams:
        events = [event for _, event in stream]
        if not (events and isinstance(events[-1], Completed)):
            continue
        told = [event.asset.output_index for event in events if isinstance(event, OutputReady)]
        assert told == list(range(made)), f"{told} were told, {made} made"
        charges = [event.charged_micros for event in events if isinstance(event, Charged)]
        assert set(charges) <= {row.charged_micros}, "one charge is told"
    if "seed" in caller.wish.given:
        shades = [PICTURES.index(world.store.objects[name][0]) for _, name in assets]
        places = [(shade - caller.wish.given["seed"]) % SHADES for shade in shades]
        assert places == sorted(set(places)), f"no output twice, and in order: {places}"
        assert max(places) < asked, f"a seed that nobody asked for: {places}"


def _attempts(world: Any, caller: Any, row: Any) -> None:
    """Their rows, and what the operator paid for."""
    attempts = world.database.books.attempts(row.id)
    of_shards = Counter(each.shard for each in attempts)
    assert all(count <= MAXIMUM_ATTEMPTS for count in of_shards.values()), f"{of_shards} attempts"
    hedges = Counter(each.shard for each in attempts if each.is_hedge)
    assert all(count == 1 for count in hedges.values()), "a shard is hedged once"
    assert world.plan.hedges or not hedges, "who is not asked to hedge does not"
    for attempt in attempts:
        _loss(world, caller, row, attempt, _peer(attempts, attempt))


def _peer(attempts: list[Any], attempt: Any) -> Any:
    """The attempt that it ran beside, if it did."""
    shard = [each for each in attempts if each.shard == attempt.shard]
    at = shard.index(attempt)
    if attempt.is_hedge:
        return shard[at - 1]
    return shard[at + 1] if shard[at + 1 :] and shard[at + 1].is_hedge else None


def _loss(world: Any, caller: Any, row: Any, attempt: Any, peer: Any) -> None:
    """Who lost a race is paid for by the operator, where its channel bills for it."""
    loss = world.database.books.loss(attempt.mark)
    if peer is not None and peer.state is AttemptState.DONE and caller.wish.count == 1:
        _is_cancelled(world, caller, attempt.channel, peer.channel)
    has_lost = peer is not None and peer.state is AttemptState.DONE and not attempt.fault
    if peer is not None and (caller.wish.partials or peer.fault in REFUSALS):
        # The other had shown something before it failed, or the request was refused.
        has_lost = has_lost or not attempt.fault
    has_lost = has_lost and attempt.state is AttemptState.FAILED
    if loss is not None and loss.kind == "hedge_loss":
        assert has_lost, "who has not lost a race is no loss"
        shares = [
            -(-row.quoted_micros * outputs // row.requested_count)
            for outputs in range(1, row.requested_count + 1)
        ]
        assert loss.amount_micros in shares, "a loss is the price of its outputs"
        bills = world.catalogue.channels[attempt.channel].bills_on_cancel
        assert bills or _was_answered(world, caller, attempt), "nothing was billed"
    elif has_lost and row.state is GenerationState.SUCCEEDED:
        bills = world.catalogue.channels[attempt.channel].bills_on_cancel
        assert not bills, "a race that was lost is paid for"


def _is_cancelled(world: Any, caller: Any, loser: str, winner: str) -> None:
    """Who has lost is left at once."""
    ends = [
        request.ended
        for request in world.providers[winner].requests
        if request.prompt == caller.wish.name and request.is_answered
    ]
    for request in world.providers[loser].requests:
        if request.prompt == caller.wish.name and ends:
            assert _is_over(request, max(ends) + SOON), "who has lost goes on"


def _was_answered(world: Any, caller: Any, attempt: Any) -> bool:
    return any(
        request.is_answered and request.prompt == caller.wish.name
        for request in world.providers[attempt.channel].requests
    )


def _nothing_goes_on(world: Any, caller: Any) -> None:
    """No provider works on what has ended, or what another one's preview was seen of."""
    if caller.left or not caller.times:
        return
    requests = [
        request
        for provider in world.providers.values()
        for request in provider.requests
        if request.prompt == caller.wish.name
    ]
    events = [event for stream in caller.streams for _, event in stream]
    for at, event in zip(caller.times, events, strict=True):
        going = [each for each in requests if each.at < at and not _is_over(each, at + SOON)]
        if isinstance(event, Completed | Failed):
            assert not going, f"{going} goes on after the end"
        elif isinstance(event, Preview) and caller.wish.count == 1:
            assert len(going) <= 1, f"{going} race after a preview"


def _is_over(request: Any, at: float) -> bool:
    return request.ended is not None and request.ended <= at
