"""What people do with accounts: keys, members, budgets, archives, deletion; over both transports."""

import asyncio
import base64
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fix_gateway import Gateway
from tests.journeying import until
from tests.travelling import (
    PASSWORD,
    PICTURE,
    TRANSPORTS,
    Journey,
    Person,
    fetched,
    give,
    gone,
    made,
    new_address,
    seconds_until_refused,
    travelling,
    until_answered,
)

pytestmark = pytest.mark.prove


@pytest.fixture(params=TRANSPORTS)
async def journey(request: pytest.FixtureRequest, gateway: Gateway) -> AsyncIterator[Journey]:
    async with travelling(gateway, request.param) as found:
        yield found


async def test_a_key_is_made_limited_to_networks_rotated_and_stops_within_a_second(
    journey: Journey,
) -> None:
    person = await journey.arrive()
    await give(journey, person)
    key, name = await person.key(display_name="first")
    picture = await made(key)
    change = {"name": name, "allowed_networks": ["192.0.2.0/24"]}
    await person.ask("UpdateApiKey", api_key=change)
    elsewhere = await seconds_until_refused(key, "GetBalance")
    reason = await key.refused("GetBalance")
    change["allowed_networks"] = ["127.0.0.0/8", "::1/128"]
    await person.ask("UpdateApiKey", api_key=change)

    rotated = await person.ask("RotateApiKey", name=name, grace="600s")
    new = key.holding(rotated["secret"])
    both = [await until_answered(one) for one in (key, new)]
    await person.ask("RevokeApiKey", name=rotated["api_key"]["name"])
    revoked = await seconds_until_refused(new, "GetBalance")

    assert picture["charged_micros"] != "0"
    assert reason == "NETWORK_NOT_ALLOWED"
    assert all(both)
    assert await new.refused("GetBalance") == "API_KEY_INVALID"
    assert max(elsewhere, revoked) < 1.0, (elsewhere, revoked)


async def test_a_test_key_costs_nothing_and_says_so(journey: Journey) -> None:
    person = await journey.arrive()
    await give(journey, person)
    key, _ = await person.key(mode="MODE_TEST")
    before = await person.ask("GetBalance")
    picture = await made(key)

    assert picture["sandbox"]
    assert int(picture.get("charged_micros", 0)) == 0
    assert await person.ask("GetBalance") == before


async def test_people_are_invited_change_roles_and_leave_with_their_keys(journey: Journey) -> None:
    owner, known, address = await journey.arrive(), await journey.arrive(), new_address()
    for email, role in ((known.email, "ROLE_DEVELOPER"), (address, "ROLE_BILLING")):
        await owner.ask("CreateInvitation", invitation={"email": email, "role": role})
    token = await journey.inbox.token(known.email, "/accept-invitation")
    member = (await known.ask("AcceptInvitation", token=token))["member"]
    again = await known.refused("AcceptInvitation", token=token)
    moved = journey.person((await known.ask("SwitchAccount", account=owner.account))["grant"])
    token = await journey.inbox.token(address, "/accept-invitation")
    await journey.sign_up(address, invitation_token=token)
    accountant = await journey.sign_in(address)
    key, _ = await moved.key()
    working = await until_answered(key)
    refusals = [
        await moved.refused("CreateBudget", budget={"period": "PERIOD_MONTH"}),
        await moved.refused("CreateInvitation", invitation={"email": new_address()}),
        await accountant.refused("CreateApiKey", api_key={}),
        await accountant.refused("UpdateMember", member={"name": member["name"], "role": 1}),
    ]
    await owner.ask("RemoveMember", name=member["name"])
    seconds = await seconds_until_refused(key, "GetBalance")

    assert again == "TOKEN_INVALID"
    assert accountant.account == owner.account
    assert working
    assert set(refusals) == {"PERMISSION_DENIED"}
    assert seconds < 1.0
    assert await key.refused("GetBalance") == "API_KEY_INVALID"
    assert await moved.refused("GetProfile") == "SESSION_INVALID"
    members = (await owner.ask("ListMembers"))["members"]
    assert {each["email"] for each in members} == {owner.email, accountant.email}
    actions = {
        each["action"] for each in (await owner.ask("ListSecurityEvents"))["security_events"]
    }
    assert actions >= {"invitation.create", "member.remove"}, actions


async def test_a_person_governs_money_without_a_key(journey: Journey) -> None:
    person = await journey.arrive()
    await give(journey, person)
    _, name = await person.key()
    budget = (
        await person.ask(
            "CreateBudget",
            budget={"api_key": name, "period": "PERIOD_MONTH", "limit_micros": "5000000"},
        )
    )["budget"]
    renamed = await person.ask("UpdateAccount", account={"display_name": "Pears Ltd"})
    started = await person.refused("CreateGeneration", spec=PICTURE)
    quoted = await person.ask("QuoteGeneration", spec=PICTURE)
    bought = await person.ask(
        "CreateCheckoutSession",
        credit_pack=(await person.ask("ListCreditPacks"))["credit_packs"][0]["name"],
        success_uri=f"{journey.gateway.rest}/ok",
        cancel_uri=f"{journey.gateway.rest}/no",
    )
    await person.ask("DeleteBudget", name=budget["name"])

    assert renamed["account"]["display_name"] == "Pears Ltd"
    assert started == "PERMISSION_DENIED"
    assert quoted
    assert bought["checkout_session"]["name"].startswith("checkout_sessions/")
    assert (await person.ask("ListBudgets"))["budgets"] == []


async def test_an_archive_is_downloaded_and_then_everything_is_deleted_and_stops(
    journey: Journey,
) -> None:
    person = await journey.arrive(display_name="Ann")
    await give(journey, person)
    key, _ = await person.key()
    picture = await made(key)
    output = picture["assets"][0]["uri"]
    archive = await ready(person, (await person.ask("CreateExport"))["export"]["name"])
    content = await fetched(archive["uri"])
    with zipfile.ZipFile(io.BytesIO(content.content)) as opened:
        names = opened.namelist()
        profile = json.loads(opened.read(next(name for name in names if "profile" in name)))
    before = (await fetched(output)).status_code
    account = (await person.ask("GetAccount"))["account"]["display_name"]
    wrong = await person.refused("DeleteAccount", confirmation=account, current_password="no")
    await person.ask("DeleteAccount", confirmation=account, current_password=PASSWORD)
    seconds = await seconds_until_refused(key, "GetBalance")
    signed_out = await person.refused("GetProfile")

    assert len(content.content) == int(archive["size_bytes"])
    assert hashlib.sha256(content.content).digest() == base64.b64decode(archive["sha256"])
    assert person.email in json.dumps(profile)
    assert before == 200
    assert wrong == "REAUTHENTICATION_REQUIRED"
    assert seconds < 1.0
    assert signed_out == "SESSION_INVALID"
    await until(lambda: gone(output), "the output is there still")
    await until(lambda: gone(archive["uri"]), "the archive is there still")

    async def unknown() -> bool:
        asked = {"email": person.email, "password": PASSWORD}
        return await journey.stranger.refused("SignIn", **asked) == "CREDENTIALS_INVALID"

    await until(unknown, "the person can sign in still")


async def ready(person: Person, name: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            export: dict[str, Any] = (await person.ask("GetExport", name=name))["export"]
            if export["state"] != "STATE_PREPARING":
                assert export["state"] == "STATE_READY"
                return export
            await asyncio.sleep(0.05)
