"""What must be true of a world, whatever its seed."""

from collections import Counter
from typing import Any

from core.engine.events import Completed, Failed
from core.log import Defect
from core.model import GenerationState
from tests.dst import parts

MAXIMUM_ATTEMPTS = 4


def at_rest(world: Any) -> None:
    """While the processes still live: nothing is left over in them."""
    for gateway in world.gateways:
        if gateway.process.is_dead:
            continue
        assert gateway.admission.calls == 0, "a slot was kept"
        assert gateway.admission.bytes == 0, "bytes were kept"
        assert len(gateway.fleet.budgets.keys) == 0, "a key's budget was kept"
        assert len(gateway.fleet.budgets.channels) == 0, "a channel's budget was kept"
        loads = {health.channel: health.load.in_flight for health in gateway.fleet.health}
        assert not any(loads.values()), f"load was kept: {loads}"
        assert gateway.engine.running == 0, "a generation was kept"
        assert not gateway.engine._tasks, "a task was kept"


def check(world: Any) -> None:
    """After the end."""
    world.oracle.check()
    assert not world.loop.failures, f"nobody caught {world.loop.failures}"
    _books(world)
    _outputs(world)
    for caller in world.callers:
        caller.check()
        _told(world, caller)
    parts.check(world)
    assert not world.double, f"submitted twice: {world.double}"
    for gateway in world.gateways:
        defects = [event for event in gateway.emitted if isinstance(event, Defect | tuple)]
        assert not defects or world.database.unanswered, f"defects: {defects}"


def _books(world: Any) -> None:
    """Each generation has ended, and is paid for once or not at all."""
    books = world.database.books
    found = books.generations()
    for row in found:
        assert row.state.is_terminal, "a generation never ended"
        succeeded = row.state is GenerationState.SUCCEEDED
        kinds = books.resolutions(row.hold_id)
        expected = ("settle", row.charged_micros) if succeeded else ("void", row.quoted_micros)
        assert kinds == [expected], f"{row.state} was resolved by {kinds}"
        assert succeeded or row.charged_micros == 0
        assert succeeded == bool(row.delivered_count)
        assert row.charged_micros <= row.quoted_micros
        assert row.attempt_count <= MAXIMUM_ATTEMPTS * row.requested_count
    assert list(books.discrepancies()) == []
    assert books.held() == 0, "a hold was kept"
    assert books.in_flight() == 0, "a key's concurrency was kept"
    told = Counter(books.told())
    assert all(count == 1 for count in told.values()), "an end was told twice"


def _outputs(world: Any) -> None:
    """What rows promise is in the store; what no row knows is left only by who died."""
    known = set(world.database.books.asset_names())
    stored = set(world.store.objects)
    assert known <= stored, f"promised, but not stored: {known - stored}"
    if world.plan.is_calm and not world.database.unanswered:
        assert stored <= known, f"stored, but in no row: {stored - known}"


def _told(world: Any, caller: Any) -> None:
    """What a caller was told is what the rows say."""
    ending = caller.ending
    if ending is None:
        return
    row = world.database.books.generation(ending.generation.id)
    if row is None or (isinstance(ending, Failed) and world.database.unanswered):
        return
    match ending:
        case Completed():
            unsettled = world.database.unanswered and row.state is not GenerationState.SUCCEEDED
            assert unsettled or row.state is GenerationState.SUCCEEDED, f"told done, is {row.state}"
        case Failed(error):
            if row.reason is not None and error.reason != "still_running":
                pass
