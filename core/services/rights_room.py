"""Archives and erasure, wired."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

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
    ground: PeopleGround,
    repeats: Repeats,
    works: Works,
    public_url: str,
    close_pages: Callable[[UUID], Awaitable[bool]],
    emit: Emit,
) -> RightsRoom:
    """Open it; *close_pages* closes the payment pages of an account."""
    exports = Exports(works.pool, works.store, ground.vault, emit)
    erasures = Erasures(works.pool, works.store, exports.remove_all, emit, close_pages)
    return RightsRoom(
        (
            ExportCalls(ground, repeats, f"{public_url}/media/", exports.hurry),
            DeletionCalls(ground, repeats, works.engine.wish_to_cancel, erasures.hurry),
            RightsLog(ground),
        ),
        (
            ("exports", exports.keep),
            ("expired exports", exports.keep_removing),
            ("erasures", erasures.keep),
        ),
        exports.find,
    )
