"""AccountService: a person's profile."""

from typing import Any, Final, TypeAlias
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask
from grpc import aio

from accounts import people
from accounts.consents import Decision, Subject, record
from accounts.people import Connection, Person
from accounts.people_changes import Settings, change_settings, note_right
from accounts.people_ground import PeopleGround
from core.caller import current_caller
from core.engine.repeats import Repeats
from core.services import people_fields as fields
from core.services.managing import noted
from core.services.names import user_name
from core.services.people_words import invalid
from core.services.profiles import read_profile
from core.services.repeatable import personal
from core.services.session_words import ended
from reapi.v1 import account_pb2
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_MUTABLE: Final = ("display_name", "locale", "newsletter", "product_notices", "billing_notices")


class ProfileCalls:
    """Serves GetProfile and UpdateProfile."""

    def __init__(self, ground: PeopleGround, repeats: Repeats) -> None:
        self._ground = ground
        self._repeats = repeats

    async def GetProfile(
        self, request: pb.GetProfileRequest, context: Context
    ) -> pb.GetProfileResponse:
        """Read the profile of who is signed in."""
        async with self._ground.pool.connection() as connection:
            profile = await read_profile(connection, self._ground.vault, signed_in())
        return pb.GetProfileResponse(profile=profile)

    async def UpdateProfile(
        self, request: pb.UpdateProfileRequest, context: Context
    ) -> pb.UpdateProfileResponse:
        """Change name, language and what is mailed."""
        user_id, vault = signed_in(), self._ground.vault
        mask = request.update_mask if request.HasField("update_mask") else None
        wanted = _settings(request.profile, mask)
        known = self._repeats.of(personal(request))
        async with self._ground.pool.connection() as connection, connection.transaction():
            person = await people.lock(connection, vault, user_id)
            if person is None:
                raise ended()
            if await known(connection, self._ground.new_id()) is None:
                await change_settings(connection, vault, user_id, wanted)
                await self._log(connection, person, wanted)
            profile = await read_profile(connection, vault, user_id)
        return pb.UpdateProfileResponse(profile=profile)

    async def _log(self, connection: Connection, person: Person, wanted: Settings) -> None:
        """Write down what follows for the person's rights."""
        new_id, user_id = self._ground.new_id, person.user_id
        await noted(connection, "profile.update", user_name(user_id))
        if wanted.display_name not in (None, person.display_name):
            await note_right(
                connection, new_id(), current_caller().account_id, user_id, "rectification"
            )
        if wanted.newsletter not in (None, person.newsletter):
            given = bool(wanted.newsletter)
            await record(connection, user_id, Decision(new_id(), Subject.NEWSLETTER, given))
            if not given:
                await note_right(
                    connection, new_id(), current_caller().account_id, user_id, "objection"
                )


def signed_in() -> UUID:
    """The person of the session that calls; raises SESSION_INVALID."""
    user_id = current_caller().user_id
    if user_id is None:
        raise ended()
    return user_id


def _settings(message: account_pb2.Profile, mask: FieldMask | None) -> Settings:
    """What is to change: the fields of *mask*, or those that are set. Raises GatewayError."""
    set_ = {field.name for field, _ in message.ListFields()}
    names = [name for name in _MUTABLE if name in set_] if mask is None else list(mask.paths)
    if any(name not in _MUTABLE for name in names):
        raise invalid("update_mask", f"may name {', '.join(_MUTABLE)}")
    name, language = message.display_name, message.locale
    return Settings(
        display_name=fields.display_name(name, "profile.display_name")
        if "display_name" in names
        else None,
        locale=fields.locale(language, "profile.locale") if "locale" in names else None,
        newsletter=message.newsletter if "newsletter" in names else None,
        product_notices=message.product_notices if "product_notices" in names else None,
        billing_notices=message.billing_notices if "billing_notices" in names else None,
    )
