"""A key manages only when it is not limited, and never gives more than it has."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from accounts.granting import EVERYTHING, Holder, Scope, Settings, excess, may_manage, scopes_of

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
FREE = Holder(
    scopes=EVERYTHING,
    allowed_models=(),
    has_budget=False,
    requests_per_minute=600,
    concurrency=50,
    expires_at=None,
    sandbox=False,
)


def test_a_key_without_stored_scopes_is_an_operators_and_may_do_everything():
    assert scopes_of([]) == EVERYTHING
    assert scopes_of(["generate"]) == {Scope.GENERATE}


@pytest.mark.parametrize(
    "limit",
    [
        {"allowed_models": ("m",)},
        {"has_budget": True},
        {"requests_per_minute": 599},
        {"concurrency": 49},
        {"sandbox": True},
        {"scopes": frozenset()},
    ],
)
def test_a_key_that_is_limited_manages_nothing(limit):
    assert may_manage(FREE, Scope.MANAGE_API_KEYS)
    assert not may_manage(replace(FREE, **limit), Scope.MANAGE_API_KEYS)


def test_a_scope_that_manages_one_thing_does_not_manage_another():
    holder = replace(FREE, scopes=frozenset({Scope.MANAGE_BILLING}))

    assert may_manage(holder, Scope.MANAGE_BILLING)
    assert not may_manage(holder, Scope.MANAGE_API_KEYS)


@pytest.mark.parametrize(
    ("has", "wants", "too_much"),
    [
        (
            {"scopes": frozenset({Scope.GENERATE})},
            {"scopes": frozenset({Scope.MANAGE_BILLING})},
            "scopes",
        ),
        ({}, {"requests_per_minute": 601}, "limits.requests_per_minute"),
        ({}, {"concurrency": 51}, "limits.concurrent_generations"),
        ({"expires_at": NOON}, {"expires_at": NOON.replace(hour=13)}, "expire_time"),
        ({"expires_at": NOON}, {"never_expires": True}, "expire_time"),
        ({"expires_at": NOON}, {"expires_at": NOON}, None),
        ({"expires_at": NOON}, {"name": "other"}, None),
        ({}, {"never_expires": True}, None),
        ({}, {"requests_per_minute": 600, "concurrency": 50, "scopes": EVERYTHING}, None),
    ],
)
def test_nobody_gives_more_than_they_have(has, wants, too_much):
    assert excess(replace(FREE, **has), Settings(**wants)) == too_much
