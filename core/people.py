"""Everything about people of one process, wired: sign-in, accounts, mail, rights."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID

from accounts.passwords import Passwords
from accounts.people_ground import PeopleGround
from accounts.throttle import Throttle
from core.bot_check import BotCheck
from core.catalog.entries import Catalogue
from core.engine.ids import new_id
from core.engine.repeats import Repeats
from core.engine.supervisor import Supervisor
from core.ground import CoreConfig, Ground
from core.log import Emit
from core.services.account_room import account_calls
from core.services.agreeing import Agreeing
from core.services.assets import Archives, no_archives
from core.services.entrance import House, current_policies, entrance_calls, mode_of, providers_of
from core.services.law_room import open_law_room
from core.services.mail_room import open_mail_room
from core.services.oauth import Terms
from core.services.oauth_room import open_oauth_calls
from core.services.operator import operator_calls
from core.services.rights_room import open_rights_room
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
    users: tuple[Callable[[Catalogue], None], ...] = ()
    """Who is handed another catalogue."""
    archives: Archives = no_archives
    """What `ReadAsset` finds archives with."""

    def start(self, supervisor: Supervisor) -> None:
        """Run the loops."""
        for name, loop in self.loops:
            supervisor.run(name, loop)


async def open_people(
    config: CoreConfig,
    stack: AsyncExitStack,
    ground: Ground,
    works: Works,
    model_id: Callable[[str], str],
    close_pages: Callable[[UUID], Awaitable[bool]],
    emit: Emit,
) -> People:
    """Open it; the stack closes it. *model_id* finds models by id or alias.

    *close_pages* closes the payment pages of an account; whether all are closed.
    """
    pool, settings = ground.pool, config.people
    vault, repeats = KeyringVault(config.keyring), Repeats(config.keyring)
    stack.callback((passwords := Passwords()).close)
    persons = PeopleGround(pool, vault, Throttle(vault), passwords, new_id)
    bots = await stack.enter_async_context(BotCheck(settings.bot_check))
    law = await open_law_room(config, ground, works.catalogue, vault)
    mail = open_mail_room(config, stack, ground, vault, bots, emit)
    rights = open_rights_room(persons, repeats, works, config.public_url, close_pages, emit)
    agreeing, mode = Agreeing(current_policies(law.policies), new_id), mode_of(settings)
    house = House(bots, agreeing, mode, providers_of(settings))
    terms = Terms(agreeing, mode, config.public_url)
    oauth = await open_oauth_calls(settings.oauth, stack, persons, repeats, bots, terms)
    return People(
        calls=(
            *law.calls,
            *mail.calls,
            *account_calls(pool, vault, repeats, model_id),
            *entrance_calls(persons, repeats, house),
            *oauth,
            *rights.calls,
        ),
        admin=operator_calls(pool, works.store, works.engine, vault, repeats),
        loops=(*law.loops, *mail.loops, *rights.loops),
        users=law.users,
        archives=rights.archives,
    )
