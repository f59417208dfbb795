"""The profile of a person, read whole: with the services that they can sign in with."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from accounts import oauth, people
from accounts.vault import Vault
from core.services.identity_words import identity_message
from core.services.profile_words import profile_message
from core.services.session_words import ended
from reapi.v1 import account_pb2


async def read_profile(
    connection: AsyncConnection[Any], vault: Vault, user_id: UUID
) -> account_pb2.Profile:
    """The resource; raises SESSION_INVALID where the person is no more."""
    person = await people.read(connection, vault, user_id)
    if person is None:
        raise ended()
    found = await oauth.identities(connection, vault, user_id)
    return profile_message(person, map(identity_message, found))
