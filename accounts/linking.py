"""Whom a sign-in at another service signs in here: docs/decisions/0023. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID


class Refusal(StrEnum):
    """Why nobody is signed in; these words are shown to callers."""

    EMAIL_NOT_VERIFIED = "email_not_verified"
    """The service does not vouch for the address."""
    ACCOUNT_EXISTS = "account_exists"
    """Somebody has the address here and is not known to be the same person."""
    ACCOUNT_DELETING = "account_deleting"
    """The person is being erased."""
    LINKED_ELSEWHERE = "linked_elsewhere"
    """The identity belongs to another person here."""
    ANOTHER_LINKED = "another_linked"
    """The person has another identity of the same service."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """A person who is known by the identity."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class Link:
    """A person who gains the identity."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class SignUp:
    """Somebody new."""


Verdict: TypeAlias = SignIn | Link | SignUp | Refusal


@dataclass(frozen=True, slots=True)
class Known:
    """A person here, as far as it matters."""

    user_id: UUID
    email_verified: bool
    has_identity: bool
    """Of the same service: this one, or another."""
    deleting: bool


def whom_to_sign_in(
    owner: Known | None, holder: Known | None, *, vouched: bool, suffices: bool = True
) -> Verdict:
    """Who comes back from a service.

    *owner* has the identity. *holder* has the address that the service told, which it has verified
    where *vouched*; that tells who has it now only where it *suffices*.
    """
    if owner is not None:
        return Refusal.ACCOUNT_DELETING if owner.deleting else SignIn(owner.user_id)
    if not vouched:
        return Refusal.EMAIL_NOT_VERIFIED
    if holder is None:
        return SignUp()
    if holder.deleting:
        return Refusal.ACCOUNT_DELETING
    if not suffices or not holder.email_verified or holder.has_identity:
        return Refusal.ACCOUNT_EXISTS
    return Link(holder.user_id)


def whether_to_link(owner: Known | None, person: Known, *, vouched: bool) -> Verdict:
    """Whether *person*, who is signed in, gains the identity that *owner* has, if anybody."""
    if person.deleting:
        return Refusal.ACCOUNT_DELETING
    if owner is not None:
        is_own = owner.user_id == person.user_id
        return SignIn(person.user_id) if is_own else Refusal.LINKED_ELSEWHERE
    if not vouched:
        return Refusal.EMAIL_NOT_VERIFIED
    return Refusal.ANOTHER_LINKED if person.has_identity else Link(person.user_id)
