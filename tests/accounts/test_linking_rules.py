"""Whom a sign-in at another service signs in: every case, as a table."""

from uuid import UUID

import pytest

from accounts.linking import (
    Known,
    Link,
    Refusal,
    SignIn,
    SignUp,
    whether_to_link,
    whom_to_sign_in,
)

ME, OTHER = UUID(int=1), UUID(int=2)


def known(
    user_id: UUID = ME, *, verified: bool = True, has: bool = False, deleting: bool = False
) -> Known:
    return Known(user_id, verified, has, deleting)


@pytest.mark.parametrize("vouched", [True, False])
@pytest.mark.parametrize("holder", [None, known(OTHER), known(OTHER, verified=False)])
def test_who_is_known_by_the_identity_is_signed_in_whoever_has_the_address(holder, vouched) -> None:
    owner = known(verified=False, has=True)

    assert whom_to_sign_in(owner, holder, vouched=vouched) == SignIn(ME)


@pytest.mark.parametrize(
    "holder", [None, known(), known(verified=False), known(deleting=True), known(has=True)]
)
def test_an_address_that_nobody_vouches_for_tells_nothing_of_who_has_it_here(holder) -> None:
    assert whom_to_sign_in(None, holder, vouched=False) is Refusal.EMAIL_NOT_VERIFIED


@pytest.mark.parametrize(
    ("holder", "verdict"),
    [
        (None, SignUp()),
        (known(), Link(ME)),
        (known(verified=False), Refusal.ACCOUNT_EXISTS),
        (known(has=True), Refusal.ACCOUNT_EXISTS),
        (known(deleting=True), Refusal.ACCOUNT_DELETING),
    ],
)
def test_an_address_links_only_where_both_sides_have_verified_it(holder, verdict) -> None:
    assert whom_to_sign_in(None, holder, vouched=True) == verdict


def test_an_address_that_anybody_else_may_have_by_now_finds_nobody() -> None:
    for holder in (known(), known(verified=False), known(has=True)):
        verdict = whom_to_sign_in(None, holder, vouched=True, suffices=False)
        assert verdict is Refusal.ACCOUNT_EXISTS
    assert whom_to_sign_in(None, None, vouched=True, suffices=False) == SignUp()


def test_who_is_being_erased_is_not_signed_in() -> None:
    owner = known(deleting=True, has=True)

    assert whom_to_sign_in(owner, None, vouched=True) is Refusal.ACCOUNT_DELETING


@pytest.mark.parametrize(
    ("owner", "person", "vouched", "verdict"),
    [
        (None, known(), True, Link(ME)),
        (None, known(), False, Refusal.EMAIL_NOT_VERIFIED),
        (None, known(has=True), True, Refusal.ANOTHER_LINKED),
        (known(has=True), known(has=True), True, SignIn(ME)),
        (known(OTHER, has=True), known(), True, Refusal.LINKED_ELSEWHERE),
        (None, known(deleting=True), True, Refusal.ACCOUNT_DELETING),
    ],
)
def test_whether_who_is_signed_in_gains_an_identity(owner, person, vouched, verdict) -> None:
    assert whether_to_link(owner, person, vouched=vouched) == verdict
