"""AccountService: signing in with other services."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from grpc import aio

from accounts import oauth, people
from accounts.addresses import is_address
from accounts.arriving import Arrival, Arrived, Refused, Twice, arrive, join
from accounts.consents import Decision
from accounts.invitations import InvitationError, redeem
from accounts.mail_queue import Kind
from accounts.oauth import Flow, Unlinked
from accounts.people import NewPerson
from accounts.people_ground import PeopleGround
from accounts.people_letters import tell
from accounts.places import first_place
from accounts.security_log import Action, note
from accounts.sessions import Grant, SessionError, open_session, renew_token
from accounts.throttle import Pace
from core.bot_check import BotCheck
from core.caller import (
    Caller,
    current_browser,
    current_caller,
    current_network,
    current_subject,
)
from core.engine.repeats import Repeats
from core.errors import GatewayError, Reason
from core.oauth import SignInService, Told, Trip, refused
from core.services import identity_words as words
from core.services.convert import timestamp
from core.services.password_calls import without_passwords
from core.services.people_words import invalid, sign_up_closed, too_often
from core.services.profiles import read_profile
from core.services.proving import require_proof, require_verified, still_proved
from core.services.repeatable import personal
from core.services.session_words import ended, grant_message
from core.settings_sign_up import SignUpMode
from core.values import dataclass
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"
Agreed: TypeAlias = Callable[[bool, Sequence[str]], Sequence[Decision]]
"""What somebody new agreed to, by age and policies (`policies/{id}@{version}`); GatewayError if
that is too little."""

BEGINNINGS: Final = Pace(20, timedelta(seconds=15))
"""From one network: many people share one, and nobody signs in twenty times a minute."""
_TOKEN_BYTES: Final = 32
"""Of states, nonces and browsers' tokens: nobody finds 256 bits by trying."""
_VERIFIER_BYTES: Final = 48
"""64 characters; RFC 7636 4.1 wants 43 to 128."""
_LONGEST_CODE: Final = 2_048
"""Characters of a code or a state that are looked at; services send a tenth."""
_MOST_POLICIES: Final = 20
_LONGEST_POLICY: Final = 100
_LONGEST_INVITATION: Final = 200
_NAME_LENGTH: Final = 100
"""Characters of a display name, as the contract says."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who may sign up, and how this deployment is known."""

    agreed: Agreed
    mode: SignUpMode
    public_url: str
    """Browsers come back to `{public_url}/auth/{provider}/callback`, and nowhere else."""


class OAuthCalls:
    """Serves BeginOAuth, FinishOAuth and UnlinkIdentity. *services* are by name."""

    def __init__(
        self,
        ground: PeopleGround,
        services: Mapping[str, SignInService],
        repeats: Repeats,
        *,
        bots: BotCheck,
        terms: Terms,
    ) -> None:
        self._ground = ground
        self._services = services
        self._repeats = repeats
        self._bots = bots
        self._terms = terms

    async def BeginOAuth(
        self, request: pb.BeginOAuthRequest, context: Context
    ) -> pb.BeginOAuthResponse:
        """Send a browser to a service."""
        service = self._service(request.provider)
        page = f"{self._terms.public_url}/auth/{request.provider}/callback"
        if request.redirect_uri not in ("", page):
            raise invalid("redirect_uri", "is not this deployment's page for the service")
        links = request.purpose == pb.BeginOAuthRequest.PURPOSE_LINK
        caller = current_caller()
        if links:
            await self._require_linker(caller, request.current_password)
        await self._pace()
        if not links:
            await self._bots.check(request.bot_check_token, current_network())
        flow = _flow(request, page, caller.user_id if links else None)
        state, browser_token = _token(), _token()
        trip = Trip(state, flow.verifier, flow.nonce, flow.redirect_uri)
        uri = await service.authorization_uri(trip)
        async with self._ground.pool.connection() as connection:
            expires = await oauth.begin_flow(
                connection, self._ground.vault, state, browser_token, flow
            )
        return pb.BeginOAuthResponse(
            authorization_uri=uri, browser_token=browser_token, expire_time=timestamp(expires)
        )

    async def FinishOAuth(
        self, request: pb.FinishOAuthRequest, context: Context
    ) -> pb.FinishOAuthResponse:
        """Take what a service sent the browser back with."""
        provider = request.provider
        service = self._service(provider)
        if len(request.state) > _LONGEST_CODE or len(request.browser_token) > _LONGEST_CODE:
            raise words.answer_invalid()
        async with self._ground.pool.connection() as connection:
            flow = await oauth.take_flow(
                connection, self._ground.vault, request.state, request.browser_token
            )
        caller = current_caller()
        is_own = flow is not None and flow.user_id in (None, caller.user_id)
        if flow is None or flow.provider != provider or not is_own:
            raise words.answer_invalid()
        if request.error or not request.code:
            raise refused(provider, words.DECLINED)
        if len(request.code) > _LONGEST_CODE:
            raise words.answer_invalid()
        trip = Trip(request.state, flow.verifier, flow.nonce, flow.redirect_uri)
        told = await service.identify(request.code, trip)
        try:
            try:
                return await self._arrived(flow, told, caller)
            except Twice:
                return await self._arrived(flow, told, caller)
        except InvitationError:
            raise words.invitation_invalid() from None

    async def UnlinkIdentity(
        self, request: pb.UnlinkIdentityRequest, context: Context
    ) -> pb.UnlinkIdentityResponse:
        """Forget an identity; the last way to sign in stays."""
        caller, ground = current_caller(), self._ground
        user_id = _person(caller)
        proved = await require_proof(ground, caller, request.current_password)
        known, vault = self._repeats.of(personal(without_passwords(request))), ground.vault
        async with ground.pool.connection() as connection, connection.transaction():
            person = await still_proved(connection, ground, caller, proved)
            if await known(connection, user_id) is None:
                came_of_it = await oauth.unlink(connection, user_id, request.provider)
                if came_of_it is not Unlinked.DONE:
                    raise _kept(request.provider, came_of_it)
                facts = {"provider": request.provider}
                await tell(connection, ground, person, Kind.SIGN_IN_REMOVED, facts)
                await note(connection, self._action(caller, "identity.unlink", request.provider))
            return pb.UnlinkIdentityResponse(profile=await read_profile(connection, vault, user_id))

    async def _arrived(self, flow: Flow, told: Told, caller: Caller) -> pb.FinishOAuthResponse:
        """What comes of it; raises Twice. A refusal is on record before it is told."""
        ground, vault = self._ground, self._ground.vault
        email = told.email if is_address(told.email) else ""
        arrival = Arrival(
            flow.provider,
            told.subject,
            email,
            vouched=told.email_verified and bool(email),
            suffices=told.suffices,
        )
        async with ground.pool.connection() as connection, connection.transaction():
            if flow.user_id is None:
                found = await arrive(
                    connection, vault, arrival, lambda: self._newcomer(flow, told, arrival)
                )
            else:
                found = await join(connection, vault, arrival, flow.user_id)
            if isinstance(found, Arrived):
                grant = await self._granted(connection, flow, found, caller)
                profile = await read_profile(connection, vault, found.user_id)
                return pb.FinishOAuthResponse(
                    grant=grant_message(grant, profile), created=found.created
                )
            await self._note_refusal(connection, flow, found)
        raise words.refusal(flow.provider, found.cause)

    async def _granted(
        self, connection: oauth.Connection, flow: Flow, found: Arrived, caller: Caller
    ) -> Grant:
        """A session for who signs in; for who links, the same with another token."""
        ground, vault = self._ground, self._ground.vault
        if flow.user_id is not None:
            if caller.session_id is None:
                raise ended()
            try:
                grant = await renew_token(connection, vault, caller.session_id, proved=True)
            except SessionError:
                raise ended() from None
        else:
            account_id = await self._joined(connection, flow, found)
            grant = await open_session(
                connection, vault, found.user_id, account_id, current_browser(), current_network()
            )
        await self._tell(connection, flow, found)
        session = grant.session
        actions = ["sign_up"] if found.created else ["identity.link"] if found.linked else []
        actions += [] if flow.user_id else ["sign_in"]
        for action in actions:
            await note(
                connection,
                Action(
                    ground.new_id(),
                    session.account_id,
                    action,
                    f"identities/{flow.provider}",
                    user_id=found.user_id,
                    network=current_network(),
                ),
            )
        return grant

    async def _tell(self, connection: oauth.Connection, flow: Flow, found: Arrived) -> None:
        """Mail whoever gains a way to sign in, and was here before."""
        if not found.linked or found.created:
            return
        person = await people.read(connection, self._ground.vault, found.user_id)
        if person is not None:
            facts = {"provider": flow.provider}
            await tell(connection, self._ground, person, Kind.SIGN_IN_ADDED, facts)

    async def _joined(
        self, connection: oauth.Connection, flow: Flow, found: Arrived
    ) -> UUID | None:
        """The account that invited who is known already; somebody new joined when made."""
        vault = self._ground.vault
        person = await people.read(connection, vault, found.user_id)
        if not flow.invitation or found.created or person is None:
            return None
        return await redeem(connection, vault, flow.invitation, found.user_id, person.email)

    async def _note_refusal(self, connection: oauth.Connection, flow: Flow, found: Refused) -> None:
        if found.user_id is None:
            return
        action = Action(
            self._ground.new_id(),
            await first_place(connection, self._ground.vault, found.user_id),
            "identity.link" if flow.user_id else "sign_in",
            f"identities/{flow.provider}",
            user_id=found.user_id,
            network=current_network(),
            succeeded=False,
        )
        await note(connection, action)

    def _newcomer(self, flow: Flow, told: Told, arrival: Arrival) -> NewPerson:
        """Raises SIGN_IN_REFUSED where consent is missing, or PERMISSION_DENIED."""
        if not self._terms.mode.lets_in(invited=bool(flow.invitation)):
            raise sign_up_closed()
        try:
            decisions = self._terms.agreed(flow.age_confirmed, flow.accepted_policies)
        except GatewayError:
            raise words.sign_up_needed(flow.provider) from None
        name = "".join(filter(str.isprintable, told.display_name)).strip()
        return NewPerson(
            self._ground.new_id(),
            arrival.email,
            email_verified=True,
            display_name=name[:_NAME_LENGTH],
            invitation=flow.invitation,
            decisions=decisions,
        )

    async def _require_linker(self, caller: Caller, current_password: str) -> None:
        """Who links has proved the address, and now who it is: a way in is made."""
        _person(caller)
        await require_verified(self._ground.pool, caller)
        await require_proof(self._ground, caller, current_password)

    async def _pace(self) -> None:
        async with self._ground.pool.connection() as connection:
            wait = await self._ground.throttle.take(
                connection, "oauth", current_subject(), BEGINNINGS
            )
        if wait is not None:
            raise too_often("sign_in", wait)

    def _service(self, provider: str) -> SignInService:
        service = self._services.get(provider)
        if service is None:
            raise invalid("provider", "is none that this deployment offers")
        return service

    def _action(self, caller: Caller, action: str, provider: str) -> Action:
        return Action(
            self._ground.new_id(),
            caller.account_id,
            action,
            f"identities/{provider}",
            user_id=caller.user_id,
            network=current_network(),
        )


def _flow(request: pb.BeginOAuthRequest, page: str, user_id: UUID | None) -> Flow:
    policies = tuple(request.accepted_policies)
    if len(policies) > _MOST_POLICIES or any(len(each) > _LONGEST_POLICY for each in policies):
        raise invalid("accepted_policies", "names policies that there are none of")
    if len(request.invitation_token) > _LONGEST_INVITATION:
        raise invalid("invitation_token", "is none")
    return Flow(
        provider=request.provider,
        user_id=user_id,
        verifier=secrets.token_urlsafe(_VERIFIER_BYTES),
        nonce=_token(),
        redirect_uri=page,
        age_confirmed=request.age_confirmed,
        accepted_policies=policies,
        invitation="" if user_id else request.invitation_token,
    )


def _token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


def _person(caller: Caller) -> UUID:
    if caller.user_id is None:
        raise GatewayError(
            Reason.API_KEY_MISSING,
            "You are not signed in. Send the session's token as `Authorization: Bearer rs_…`.",
        )
    return caller.user_id


def _kept(provider: str, came_of_it: Unlinked) -> GatewayError:
    if came_of_it is Unlinked.UNKNOWN:
        return GatewayError(
            Reason.NOT_FOUND, "No such identity is linked.", metadata={"resource": "identity"}
        )
    return GatewayError(
        Reason.CONFLICT,
        "This is the last way to sign in: set a password or link another service first.",
        metadata={"provider": provider, "cause": "last_way_to_sign_in"},
    )
