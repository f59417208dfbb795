"""People as protobuf messages."""

from collections.abc import Iterable

from accounts.people import Person
from core.services.convert import timestamp
from core.services.names import user_name
from reapi.v1 import account_pb2 as pb


def profile_message(person: Person, identities: Iterable[pb.Identity] = ()) -> pb.Profile:
    """The resource; *identities* are the services that the person can sign in with."""
    return pb.Profile(
        name=user_name(person.user_id),
        email=person.email,
        email_verified=person.email_verified,
        pending_email=person.pending_email,
        display_name=person.display_name,
        locale=person.locale,
        newsletter=person.newsletter,
        product_notices=person.product_notices,
        billing_notices=person.billing_notices,
        has_password=person.password_hash is not None,
        identities=identities,
        create_time=timestamp(person.created_at),
    )
