"""What members of an account may do. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from accounts.granting import EVERYTHING, Scope


class Role(StrEnum):
    """A member's place in an account; stored by these names."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"


SCOPES: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.OWNER: EVERYTHING,
    Role.ADMIN: EVERYTHING,
    Role.DEVELOPER: EVERYTHING - {Scope.MANAGE_BILLING},
    Role.BILLING: frozenset({Scope.READ_BILLING, Scope.MANAGE_BILLING}),
}
"""What a member may do of what keys may. A developer manages keys of his own only."""

GOVERN: Final = frozenset({Role.OWNER, Role.ADMIN})
"""Who changes the account and its members."""


def may_place(actor: Role, current: Role | None, wanted: Role | None) -> bool:
    """Whether *actor* may give somebody with the role *current* the role *wanted*.

    No *current*: to invite; no *wanted*: to remove. Only owners make, change and remove owners.
    """
    if actor is Role.OWNER:
        return True
    return actor in GOVERN and Role.OWNER not in (current, wanted)
