"""Everything about people of one process, wired: sign-in, accounts, mail, rights."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from core.engine.supervisor import Supervisor
from core.ground import CoreConfig, Ground
from core.log import Emit
from core.vault import KeyringVault
from core.works import Works


@dataclass(frozen=True, slots=True)
class People:
    """What the contract and the supervisor need."""

    calls: tuple[object, ...]
    """Of AccountService."""
    admin: tuple[object, ...]
    """The operator's calls."""
    loops: tuple[tuple[str, Callable[[], Awaitable[None]]], ...]

    def start(self, supervisor: Supervisor) -> None:
        """Run the loops."""
        for name, loop in self.loops:
            supervisor.run(name, loop)


async def open_people(
    config: CoreConfig, stack: AsyncExitStack, ground: Ground, works: Works, emit: Emit
) -> People:
    """Open it; the stack closes it."""
    _vault = KeyringVault(config.keyring)
    calls: tuple[object, ...] = ()
    admin: tuple[object, ...] = ()
    loops: list[tuple[str, Callable[[], Awaitable[None]]]] = []
    return People(calls, admin, tuple(loops))
