"""What operators do to accounts, over both transports."""

from collections.abc import AsyncIterator

import pytest

from tests.fix_gateway import Gateway
from tests.journeying import until
from tests.travelling import (
    PASSWORD,
    TRANSPORTS,
    Journey,
    Person,
    fetched,
    give,
    gone,
    made,
    seconds_until_refused,
    travelling,
    until_answered,
)

pytestmark = pytest.mark.prove

WHY = "a complaint"


@pytest.fixture(params=TRANSPORTS)
async def journey(request: pytest.FixtureRequest, gateway: Gateway) -> AsyncIterator[Journey]:
    async with travelling(gateway, request.param) as found:
        yield found


def id_of(person: Person) -> str:
    return person.account.removeprefix("accounts/")


async def test_an_account_is_found_suspended_and_resumed_and_the_log_says_so(
    journey: Journey,
) -> None:
    person = await journey.arrive()
    id_ = id_of(person)
    key, _ = await person.key()
    found = (await journey.operator.ask("ListAccounts", filter=person.email))["accounts"]
    await journey.operator.ask("SuspendAccount", id=id_, reason=WHY)
    seconds = await seconds_until_refused(key, "GetBalance")
    reason = await key.refused("GetBalance")
    ended = await person.refused("GetProfile")
    again = await journey.sign_in(person.email)
    stopped = await again.refused("ListMembers")
    mine = await again.ask("CreateExport")
    await journey.operator.ask("ResumeAccount", id=id_, reason="it was settled")
    entries = await journey.operator.ask("ListAuditEntries", account=person.account)

    assert [each["account"]["name"] for each in found] == [person.account]
    assert seconds < 1.0
    assert reason == "ACCOUNT_SUSPENDED"
    assert ended == "SESSION_INVALID"
    assert stopped == "ACCOUNT_SUSPENDED"
    assert mine["export"]
    assert await until_answered(key)
    told = {each["action"]: each["reason"] for each in entries["audit_entries"]}
    assert told["account.suspend"] == WHY
    assert told["account.resume"] == "it was settled"


async def test_an_output_is_taken_down_by_its_link(journey: Journey) -> None:
    person = await journey.arrive()
    await give(journey, person)
    key, _ = await person.key()
    picture = await made(key)
    uri = picture["assets"][0]["uri"]
    assert (await fetched(uri)).status_code == 200
    await journey.operator.ask("TakeDownAsset", uri=uri, reason=WHY)
    left = (await key.ask("GetGeneration", name=picture["name"]))["generation"]

    assert await gone(uri)
    assert left["assets"] == []


async def test_a_reported_account_is_erased_and_nothing_of_it_works_again(journey: Journey) -> None:
    person = await journey.arrive()
    key, _ = await person.key()
    await journey.operator.ask("EraseAccount", id=id_of(person), reason="a child's")
    seconds = await seconds_until_refused(key, "GetBalance")

    async def unknown() -> bool:
        found = await journey.operator.ask("ListAccounts", filter=person.email)
        return not found["accounts"]

    await until(unknown, "the account is there still")
    assert seconds < 1.0
    assert await person.refused("GetProfile") == "SESSION_INVALID"
    asked = {"email": person.email, "password": PASSWORD}
    assert await journey.stranger.refused("SignIn", **asked) == "CREDENTIALS_INVALID"
    await journey.sign_up(person.email)
    await journey.verify(person.email, after=1)
    somebody_new = await journey.sign_in(person.email)
    assert somebody_new.account != person.account


async def test_nobody_but_the_operator_reads_the_reports(journey: Journey) -> None:
    person = await journey.arrive()
    key, _ = await person.key(scopes=[f"SCOPE_{name}" for name in SCOPES])
    signals = await journey.operator.ask("ListAbuseSignals")
    refusals = {
        await caller.refused(rpc)
        for caller in (key, person.caller)
        for rpc in ("ListAbuseSignals", "ListAuditEntries", "ListAccounts", "GetMarginReport")
    }

    assert "abuse_signals" in signals
    assert refusals <= {"API_KEY_INVALID", "PERMISSION_DENIED"}, refusals
    assert await journey.stranger.refused("ListAccounts") in ("API_KEY_MISSING", "API_KEY_INVALID")


SCOPES = (
    *("GENERATE", "READ_GENERATIONS", "DELETE_GENERATIONS", "READ_BILLING", "MANAGE_BILLING"),
    *("MANAGE_API_KEYS", "MANAGE_WEBHOOKS"),
)
