"""AccountService: passwords that were forgotten, and that are changed."""

from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import UUID

from google.protobuf.message import Message
from grpc import aio

from accounts import oauth, people, people_tokens
from accounts.mail_queue import Kind
from accounts.passwords import TooBusy
from accounts.people import Connection, Person
from accounts.people_changes import (
    Proof,
    account_of,
    forget_pending_email,
    prove_address,
    set_password,
)
from accounts.people_ground import PeopleGround
from accounts.people_letters import ask_to_reset, tell
from accounts.people_tokens import Purpose, redeem
from accounts.security_log import Action, note
from accounts.sessions import Grant, SessionError, end_sessions, renew_token
from core.bot_check import BotCheck
from core.caller import current_caller, current_network
from core.engine.repeats import Repeats
from core.services import people_fields as fields
from core.services.even_answers import EvenAnswers
from core.services.mail_paces import Cause, MailPaces
from core.services.managing import noted
from core.services.names import user_name
from core.services.people_words import busy, token_invalid
from core.services.profile import signed_in
from core.services.profiles import read_profile
from core.services.proving import require_proof, still_proved
from core.services.repeatable import personal
from core.services.session_words import ended, grant_message
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class PasswordCalls:
    """Serves RequestPasswordReset, ResetPassword and ChangePassword."""

    def __init__(
        self, ground: PeopleGround, repeats: Repeats, bots: BotCheck, answers: EvenAnswers
    ) -> None:
        self._ground = ground
        self._repeats = repeats
        self._bots = bots
        self._answers = answers
        self._paces = MailPaces(ground)

    async def RequestPasswordReset(
        self, request: pb.RequestPasswordResetRequest, context: Context
    ) -> pb.RequestPasswordResetResponse:
        """Mail a link to whoever has the address; the same answer if nobody has."""
        email = fields.address(request.email)
        await self._paces.require_network()
        await self._bots.check(request.bot_check_token, current_network())
        if await self._paces.may_send(Cause.RESET, email):
            async with self._answers.alike():
                await self._mail_reset(email)
        return pb.RequestPasswordResetResponse()

    async def ResetPassword(
        self, request: pb.ResetPasswordRequest, context: Context
    ) -> pb.ResetPasswordResponse:
        """Set another password: all sessions end, and the address is proved."""
        await self._paces.require_network()
        async with self._ground.pool.connection() as connection:
            async with connection.transaction(force_rollback=True):  # a refused one costs no token
                person = await self._redeemed(connection, request.token)
            fields.password(request.new_password, person.email, "new_password")
        hash_ = await self._hashed(request.new_password)
        async with self._ground.pool.connection() as connection, connection.transaction():
            person = await self._redeemed(connection, request.token)
            removed, kept = await oauth.forget_strange(
                connection, self._ground.vault, person.user_id, person.email
            )
            await self._replace(connection, person, hash_, removed, kept)
            await end_sessions(connection, person.user_id)
            account_id = await account_of(connection, person.user_id)
            if account_id is not None:
                await note(
                    connection,
                    self._action(
                        account_id, person.user_id, "password.reset", user_name(person.user_id)
                    ),
                )
                for provider in removed:
                    await note(
                        connection,
                        self._action(
                            account_id, person.user_id, "identity.unlink", f"identities/{provider}"
                        ),
                    )
        return pb.ResetPasswordResponse()

    async def ChangePassword(
        self, request: pb.ChangePasswordRequest, context: Context
    ) -> pb.ChangePasswordResponse:
        """Set another password: all other sessions end, and this one has another token."""
        caller, user_id = current_caller(), signed_in()
        assert caller.session_id is not None
        async with self._ground.pool.connection() as connection:
            person = await people.read(connection, self._ground.vault, user_id)
        if person is None:
            raise ended()
        fields.password(request.new_password, person.email, "new_password")
        proved = await require_proof(self._ground, caller, request.current_password)
        hash_ = await self._hashed(request.new_password)
        known = self._repeats.of(personal(without_passwords(request)))
        async with self._ground.pool.connection() as connection, connection.transaction():
            now = await still_proved(connection, self._ground, caller, proved)
            await known(connection, caller.session_id)
            linked = await oauth.identities(connection, self._ground.vault, user_id)
            await self._replace(connection, now, hash_, (), [each.provider for each in linked])
            await end_sessions(connection, user_id, caller.session_id)
            grant = await self._renewed(connection, caller.session_id)
            await noted(connection, "password.change", user_name(user_id))
            profile = await read_profile(connection, self._ground.vault, user_id)
        return pb.ChangePasswordResponse(grant=grant_message(grant, profile))

    async def _redeemed(self, connection: Connection, token: str) -> Person:
        """Whose *token* it is, whose address is proved by it; raises TOKEN_INVALID."""
        found = await redeem(connection, self._ground.vault, token, Purpose.RESET_PASSWORD)
        if found is None or await prove_address(connection, found) is not Proof.ADDRESS:
            raise token_invalid()
        person = await people.lock(connection, self._ground.vault, found.user_id)
        if person is None:
            raise token_invalid()
        return person

    async def _mail_reset(self, email: str) -> None:
        async with self._ground.pool.connection() as connection, connection.transaction():
            person = await people.find_by_email(connection, self._ground.vault, email)
            if person is not None and not person.deleting:
                await ask_to_reset(connection, self._ground, person)

    async def _replace(
        self,
        connection: Connection,
        person: Person,
        hash_: str,
        removed: Sequence[str],
        kept: Sequence[str],
    ) -> None:
        """Another password; whoever knew the old one has no way left to come back.

        *removed* and *kept*: other services to sign in with, which the mail names.
        """
        await set_password(connection, person.user_id, hash_)
        await people_tokens.forget(connection, person.user_id)
        await forget_pending_email(connection, person.user_id)
        facts = {"removed": " ".join(removed), "kept": " ".join(kept)}
        await tell(connection, self._ground, person, Kind.PASSWORD_CHANGED, facts)

    async def _renewed(self, connection: Connection, session_id: UUID) -> Grant:
        try:
            return await renew_token(connection, self._ground.vault, session_id, proved=True)
        except SessionError:
            raise ended() from None

    async def _hashed(self, password: str) -> str:
        try:
            return await self._ground.passwords.hash(password)
        except TooBusy:
            raise busy() from None

    def _action(self, account_id: UUID, user_id: UUID, action: str, resource: str) -> Action:
        return Action(
            self._ground.new_id(),
            account_id,
            action,
            resource,
            user_id=user_id,
            network=current_network(),
        )


def without_passwords(message: Message) -> Message:
    """What a request is known by when it comes again: not even a digest of a password is kept."""
    found = type(message)()
    found.CopyFrom(message)
    for name in ("current_password", "new_password"):
        if name in message.DESCRIPTOR.fields_by_name:
            found.ClearField(name)
    return found
