"""AccountService: how to sign in here, and signing up. Nobody learns who has signed up before."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from grpc import aio

from accounts import people
from accounts.consents import Decision, Subject
from accounts.invitations import InvitationError, Problem, redeem
from accounts.mail_queue import Kind
from accounts.passwords import TooBusy
from accounts.people import Connection, NewPerson, Person, create_person
from accounts.people_ground import PeopleGround
from accounts.people_letters import ask_to_verify, tell
from accounts.places import first_place
from accounts.security_log import Action, note
from core.bot_check import BotCheck
from core.caller import current_network
from core.services import people_fields as fields
from core.services.agreeing import Agreeing
from core.services.even_answers import EvenAnswers
from core.services.mail_paces import Cause, MailPaces
from core.services.names import user_name
from core.services.people_words import busy, sign_up_closed, token_invalid
from core.settings_sign_up import SignUpMode
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_LONGEST_TOKEN: Final = 200
"""Characters of an invitation's token that are looked at; ours have 43."""


class SignUpCalls:
    """Serves GetSignInOptions and SignUp. *providers* are the services to sign in with."""

    def __init__(
        self,
        ground: PeopleGround,
        bots: BotCheck,
        agreeing: Agreeing,
        mode: SignUpMode,
        providers: Sequence[str],
        answers: EvenAnswers,
    ) -> None:
        self._ground = ground
        self._bots = bots
        self._agreeing = agreeing
        self._mode = mode
        self._providers = tuple(providers)
        self._answers = answers
        self._paces = MailPaces(ground)

    async def GetSignInOptions(
        self, request: pb.GetSignInOptionsRequest, context: Context
    ) -> pb.GetSignInOptionsResponse:
        """Tell which ways there are."""
        return pb.GetSignInOptionsResponse(
            oauth_providers=self._providers,
            password_enabled=True,
            sign_up_enabled=self._mode is SignUpMode.OPEN,
            bot_check_site_key=self._bots.site_key,
            bot_check_script_uri=self._bots.script_uri,
        )

    async def SignUp(self, request: pb.SignUpRequest, context: Context) -> pb.SignUpResponse:
        """Make a person and an account; the same answer, and as much work, if there is one."""
        if not self._mode.lets_in(invited=bool(request.invitation_token)):
            raise sign_up_closed()
        new = self._new_person(request)
        await self._paces.require_network()
        await self._bots.check(request.bot_check_token, current_network())
        may_mail = await self._paces.may_send(Cause.SIGN_UP, new.email)
        try:
            hash_ = await self._ground.passwords.hash(request.password)
        except TooBusy:
            raise busy() from None
        new = replace(new, password_hash=hash_)
        try:
            async with (
                self._answers.alike(),
                self._ground.pool.connection() as connection,
                connection.transaction(),
            ):
                await self._sign_up(connection, new, may_mail=may_mail)
        except InvitationError:
            raise token_invalid("invitation_token") from None
        return pb.SignUpResponse()

    def _new_person(self, request: pb.SignUpRequest) -> NewPerson:
        """Who signs up, without a password yet; raises GatewayError naming the field."""
        email = fields.address(request.email)
        fields.password(request.password, email, "password")
        if len(request.invitation_token) > _LONGEST_TOKEN:
            raise token_invalid("invitation_token")
        decisions = self._agreeing(request.age_confirmed, request.accepted_policies)
        if request.newsletter:
            decisions.append(Decision(self._ground.new_id(), Subject.NEWSLETTER, given=True))
        return NewPerson(
            self._ground.new_id(),
            email,
            display_name=fields.display_name(request.display_name),
            locale=fields.locale(request.locale),
            newsletter=request.newsletter,
            invitation=request.invitation_token,
            decisions=decisions,
        )

    async def _sign_up(self, connection: Connection, new: NewPerson, *, may_mail: bool) -> None:
        ground = self._ground
        if await create_person(connection, ground.vault, new) is None:
            known = await people.find_by_email(connection, ground.vault, new.email)
            await self._meet(connection, new, known, may_mail=may_mail)
            return
        person = await people.read(connection, ground.vault, new.user_id)
        assert person is not None
        if not person.email_verified and may_mail:
            await ask_to_verify(connection, ground, person)
        account_id = await first_place(connection, ground.vault, person.user_id)
        await note(
            connection,
            Action(
                ground.new_id(),
                account_id,
                "sign_up",
                user_name(person.user_id),
                user_id=person.user_id,
                network=current_network(),
            ),
        )

    async def _meet(
        self, connection: Connection, new: NewPerson, known: Person | None, *, may_mail: bool
    ) -> None:
        """Somebody has the address: only its owner is told, by mail.

        An invitation is judged as it would be for somebody new, and stays good.
        """
        if known is None:  # being made by another call at this moment, which will mail
            return
        if new.invitation:
            try:
                async with connection.transaction(force_rollback=True):
                    await redeem(
                        connection, self._ground.vault, new.invitation, known.user_id, new.email
                    )
            except InvitationError as error:
                if error.problem is not Problem.MEMBER:
                    raise
        if may_mail and not known.deleting:
            await tell(connection, self._ground, known, Kind.ALREADY_SIGNED_UP)
