"""AccountService: signing in with a password. A wrong address and a wrong password are one."""

from typing import Any, Final, TypeAlias
from uuid import UUID

from grpc import aio

from accounts import people
from accounts.passwords import TooBusy
from accounts.people import Connection, Person
from accounts.people_changes import account_of, renew_hash
from accounts.people_ground import PeopleGround
from accounts.security_log import Action, note
from accounts.sessions import Grant, open_session
from accounts.sign_in_door import NOBODY, Door
from core.bot_check import BotCheck
from core.caller import current_browser, current_network, current_subject
from core.services.names import user_name
from core.services.people_fields import missing
from core.services.people_words import busy, credentials_invalid, too_often
from core.services.profiles import read_profile
from core.services.session_words import grant_message
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_REFUSED: Final = "sign_in.refused"


class SignInCalls:
    """Serves SignIn."""

    def __init__(self, ground: PeopleGround, bots: BotCheck) -> None:
        self._ground = ground
        self._bots = bots
        self._door = Door(ground.throttle)

    async def SignIn(self, request: pb.SignInRequest, context: Context) -> pb.SignInResponse:
        """Open a session; an address that is not verified may sign in, to have the mail again."""
        if not request.email or not request.password:
            raise missing("password" if request.email else "email")
        await self._bots.check(request.bot_check_token, current_network())
        person = await self._knocked(request.email)
        hash_ = None if person is None else person.password_hash
        try:
            right = await self._ground.passwords.is_right(request.password, hash_)
        except TooBusy:
            raise busy() from None
        if person is None or hash_ is None or not right:
            await self._refuse(person)
            raise credentials_invalid()
        newer = await self._renewed(request.password, hash_)
        async with self._ground.pool.connection() as connection:
            await self._door.enter(connection, request.email, current_subject(), person.user_id)
            async with connection.transaction():
                grant = await self._opened(connection, person, newer)
                profile = await read_profile(connection, self._ground.vault, person.user_id)
        return pb.SignInResponse(grant=grant_message(grant, profile))

    async def _knocked(self, email: str) -> Person | None:
        """Whose address it is, once the try is counted; raises RATE_LIMIT_EXCEEDED."""
        async with self._ground.pool.connection() as connection:
            person = await people.find_by_email(connection, self._ground.vault, email)
            if person is not None and person.deleting:
                person = None
            who = NOBODY if person is None else person.user_id
            wait = await self._door.knock(connection, email, current_subject(), who)
        if wait is not None:
            raise too_often("sign_in", wait)
        return person

    async def _renewed(self, password: str, hash_: str) -> str | None:
        """Another hash of the same password, where the parameters were changed since."""
        if not self._ground.passwords.is_outdated(hash_):
            return None
        try:
            return await self._ground.passwords.hash(password)
        except TooBusy:
            return None  # next time

    async def _opened(self, connection: Connection, person: Person, newer: str | None) -> Grant:
        """The session, unless the password was changed while it was checked."""
        ground = self._ground
        now = await people.lock(connection, ground.vault, person.user_id)
        if now is None or now.deleting or now.password_hash != person.password_hash:
            raise credentials_invalid()
        if newer is not None and person.password_hash is not None:
            await renew_hash(connection, person.user_id, person.password_hash, newer)
        grant = await open_session(
            connection, ground.vault, person.user_id, None, current_browser(), current_network()
        )
        await note(connection, self._deed(grant.session.account_id, "sign_in", person))
        return grant

    async def _refuse(self, person: Person | None) -> None:
        """Write a refusal down where the person's account reads it."""
        async with self._ground.pool.connection() as connection:
            account_id = await account_of(connection, NOBODY if person is None else person.user_id)
            if person is not None and account_id is not None:
                await note(connection, self._deed(account_id, _REFUSED, person))

    def _deed(self, account_id: UUID, action: str, person: Person) -> Action:
        return Action(
            self._ground.new_id(),
            account_id,
            action,
            user_name(person.user_id),
            user_id=person.user_id,
            network=current_network(),
            succeeded=action != _REFUSED,
        )
