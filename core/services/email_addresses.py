"""AccountService: addresses of people, proved and changed."""

from typing import Any, TypeAlias
from uuid import UUID

from grpc import aio

from accounts import people, people_tokens
from accounts.addresses import address_digest, address_digests
from accounts.mail_queue import Kind
from accounts.people import Connection, Person
from accounts.people_changes import Proof, account_of, note_right, prove_address, set_pending_email
from accounts.people_ground import PeopleGround
from accounts.people_letters import ask_to_verify, ask_to_verify_new, tell
from accounts.people_tokens import Purpose, redeem
from accounts.security_log import Action, note
from core.caller import current_caller, current_network
from core.engine.repeats import Repeats
from core.services import people_fields as fields
from core.services.even_answers import EvenAnswers
from core.services.mail_paces import Cause, MailPaces
from core.services.managing import noted
from core.services.names import user_name
from core.services.password_calls import without_passwords
from core.services.people_words import invalid, token_invalid
from core.services.profile import signed_in
from core.services.profiles import read_profile
from core.services.proving import require_proof, still_proved
from core.services.repeatable import personal
from core.services.session_words import ended
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class AddressCalls:
    """Serves SendVerificationEmail, VerifyEmail and ChangeEmail."""

    def __init__(self, ground: PeopleGround, repeats: Repeats, answers: EvenAnswers) -> None:
        self._ground = ground
        self._answers = answers
        self._repeats = repeats
        self._paces = MailPaces(ground)

    async def SendVerificationEmail(
        self, request: pb.SendVerificationEmailRequest, context: Context
    ) -> pb.SendVerificationEmailResponse:
        """Mail the link again: for the new address if one waits, else for one not proved yet."""
        ground, user_id = self._ground, signed_in()
        known = self._repeats.of(personal(request))
        await self._paces.require_network()
        async with ground.pool.connection() as connection:
            person = await people.read(connection, ground.vault, user_id)
        if person is None:
            raise ended()
        if person.email_verified and not person.pending_email:
            return pb.SendVerificationEmailResponse()
        await self._paces.require_address(Cause.VERIFY, person.pending_email or person.email)
        async with ground.pool.connection() as connection, connection.transaction():
            now = await people.lock(connection, ground.vault, user_id)
            if now is None or await known(connection, ground.new_id()) is not None:
                return pb.SendVerificationEmailResponse()
            if not now.pending_email:
                await ask_to_verify(connection, ground, now)
            elif now.pending_email == person.pending_email:
                await self._ask(connection, now, now.pending_email)
        return pb.SendVerificationEmailResponse()

    async def VerifyEmail(
        self, request: pb.VerifyEmailRequest, context: Context
    ) -> pb.VerifyEmailResponse:
        """Take the token of a mail: its address is proved, and the one to sign in with."""
        ground = self._ground
        await self._paces.require_network()
        async with ground.pool.connection() as connection, connection.transaction():
            found = await redeem(connection, ground.vault, request.token, Purpose.VERIFY_EMAIL)
            proof = Proof.NOTHING if found is None else await prove_address(connection, found)
            if found is None or proof is Proof.NOTHING:
                raise token_invalid()
            if proof is Proof.NEW_ADDRESS:  # mails to the old one are worth nothing any more
                await people_tokens.forget(connection, found.user_id)
            await self._note(connection, found.user_id, proof)
        return pb.VerifyEmailResponse()

    async def ChangeEmail(
        self, request: pb.ChangeEmailRequest, context: Context
    ) -> pb.ChangeEmailResponse:
        """Let another address wait for its verification; the same answer if somebody has it."""
        ground, caller, user_id = self._ground, current_caller(), signed_in()
        address = fields.address(request.new_email, "new_email")
        await self._paces.require_network()
        proved = await require_proof(ground, caller, request.current_password)
        await self._paces.require_person(user_id)
        may_mail = await self._paces.may_send(Cause.CHANGE, address)
        known = self._repeats.of(personal(without_passwords(request)))
        async with (
            self._answers.alike(),
            ground.pool.connection() as connection,
            connection.transaction(),
        ):
            person = await still_proved(connection, ground, caller, proved)
            if address_digest(ground.vault, address) in address_digests(ground.vault, person.email):
                raise invalid("new_email", "is your address already")
            if await known(connection, ground.new_id()) is None:
                await set_pending_email(connection, ground.vault, user_id, address)
                await tell(connection, ground, person, Kind.EMAIL_CHANGING)
                if may_mail:
                    await self._ask(connection, person, address)
                await note_right(
                    connection, ground.new_id(), caller.account_id, user_id, "rectification"
                )
                await noted(connection, "email.change", user_name(user_id))
            profile = await read_profile(connection, ground.vault, user_id)
        return pb.ChangeEmailResponse(profile=profile)

    async def _ask(self, connection: Connection, person: Person, address: str) -> None:
        """Mail a link to the new address, or tell whoever has it; the caller never learns which."""
        ground = self._ground
        holder = await people.find_by_email(connection, ground.vault, address)
        if holder is None:
            await ask_to_verify_new(connection, ground, person, address)
        elif not holder.deleting:
            await tell(connection, ground, holder, Kind.ALREADY_SIGNED_UP)

    async def _note(self, connection: Connection, user_id: UUID, proof: Proof) -> None:
        account_id = await account_of(connection, user_id)
        if account_id is not None:
            deed = Action(
                self._ground.new_id(),
                account_id,
                "email.replace" if proof is Proof.NEW_ADDRESS else "email.verify",
                user_name(user_id),
                user_id=user_id,
                network=current_network(),
            )
            await note(connection, deed)
