"""Letters to people: the address and the name of a person's row, opened."""

from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID

from accounts.letter import Letter
from accounts.people import ADDRESS, NAME
from accounts.vault import Vault

COLUMNS: Final = "user_id, email_sealed, display_name_sealed, locale"
"""Of `app_user`, as an `Addressee` has them."""


class Addressee(NamedTuple):
    """Who a letter goes to."""

    user_id: UUID
    email_sealed: bytes
    display_name_sealed: bytes | None
    locale: str


def addressed(vault: Vault, draft: Letter, person: Addressee) -> Letter:
    """*draft* as a letter to that person; whose it is in the queue, the draft says."""
    owner, name = person.user_id.bytes, person.display_name_sealed
    return replace(
        draft,
        to=vault.open(ADDRESS, person.email_sealed, owner),
        name="" if name is None else vault.open(NAME, name, owner),
        locale=person.locale,
    )
