"""Archives and erasure, wired."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from accounts.people_ground import PeopleGround
from core.engine.repeats import Repeats
from core.log import Emit
from core.rights.erasing import Erasures
from core.rights.exporting import Exports
from core.services.assets import Archives
from core.services.rights import DeletionCalls, ExportCalls, RightsLog
from core.works import Works


@dataclass(frozen=True, slots=True)
class RightsRoom:
    """What the contract and the supervisor need."""

    calls: tuple[object, ...]
    loops: tuple[tuple[str, Callable[[], Awaitable[None]]], ...]
    archives: Archives
    """What `ReadAsset` finds archives with."""


def open_rights_room(
    ground: PeopleGround, repeats: Repeats, works: Works, public_url: str, emit: Emit
) -> RightsRoom:
    """Open it."""
    exports = Exports(works.pool, works.store, ground.vault)
    erasures = Erasures(works.pool, works.store, exports.remove_all, emit)
    return RightsRoom(
        (
            ExportCalls(ground, repeats, f"{public_url}/media/", exports.hurry),
            DeletionCalls(ground, repeats, works.engine.wish_to_cancel, erasures.hurry),
            RightsLog(ground),
        ),
        (("exports", exports.keep), ("erasures", erasures.keep)),
        exports.find,
    )
