"""What people do with themselves: in and out, passwords, addresses, sessions, over both transports."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fix_gateway import ROOT, Gateway
from tests.travelling import OTHER, PASSWORD, TRANSPORTS, Journey, new_address, travelling

pytestmark = pytest.mark.prove


@pytest.fixture(params=TRANSPORTS)
async def journey(request: pytest.FixtureRequest, gateway: Gateway) -> AsyncIterator[Journey]:
    async with travelling(gateway, request.param) as found:
        yield found


async def test_somebody_signs_up_proves_the_address_signs_in_and_out(journey: Journey) -> None:
    options = await journey.stranger.ask("GetSignInOptions")
    email = await journey.sign_up(display_name="Ann")
    person = await journey.sign_in(email)
    unproved = await person.refused("CreateApiKey", api_key={})
    await journey.verify(email)
    profile = (await person.ask("GetProfile"))["profile"]
    renamed = await person.ask("UpdateProfile", profile={"display_name": "Ann B."})
    await person.ask("SignOut")

    assert options["password_enabled"]
    assert sorted(options["oauth_providers"]) == ["github", "google"]
    assert unproved == "EMAIL_NOT_VERIFIED"
    assert (profile["email"], profile["display_name"]) == (email, "Ann")
    assert profile["email_verified"]
    assert renamed["profile"]["display_name"] == "Ann B."
    assert await person.refused("GetProfile") == "SESSION_INVALID"


async def test_a_new_address_is_told_to_both_and_replaces_the_old_one(journey: Journey) -> None:
    person, fresh = await journey.arrive(), new_address()
    wrong = await person.refused("ChangeEmail", new_email=fresh, current_password=OTHER)
    waiting = await person.ask("ChangeEmail", new_email=fresh, current_password=PASSWORD)
    await journey.inbox.mail(person.email, "about to change")
    still = await journey.sign_in(person.email)
    await journey.verify(fresh)

    assert wrong == "REAUTHENTICATION_REQUIRED"
    assert waiting["profile"]["pending_email"] == fresh
    assert still.email == person.email
    assert (await journey.sign_in(fresh)).email == fresh
    old = await journey.stranger.refused("SignIn", email=person.email, password=PASSWORD)
    assert old == "CREDENTIALS_INVALID"


async def test_another_password_ends_the_other_sessions(journey: Journey) -> None:
    here = await journey.arrive()
    there = await journey.sign_in(here.email)
    weak = await here.refused(
        "ChangePassword", current_password=PASSWORD, new_password="password123"
    )
    changed = await here.ask("ChangePassword", current_password=PASSWORD, new_password=OTHER)
    await journey.inbox.mail(here.email, "password was changed")
    renewed = journey.person(changed["grant"])

    assert weak == "INVALID_PARAMETER"
    assert await there.refused("GetProfile") == "SESSION_INVALID"
    assert await here.refused("GetProfile") == "SESSION_INVALID", "the old token of this session"
    assert renewed.session == here.session
    assert await renewed.ask("GetProfile")
    old = await journey.stranger.refused("SignIn", email=here.email, password=PASSWORD)
    assert old == "CREDENTIALS_INVALID"


async def test_a_forgotten_password_is_reset_once_and_ends_all_sessions(journey: Journey) -> None:
    person = await journey.arrive()
    await journey.stranger.ask("RequestPasswordReset", email=person.email)
    token = await journey.inbox.token(person.email, "/reset-password")
    await journey.stranger.ask("ResetPassword", token=token, new_password=OTHER)
    again = await journey.stranger.refused("ResetPassword", token=token, new_password=PASSWORD)

    assert await person.refused("GetProfile") == "SESSION_INVALID"
    assert again == "TOKEN_INVALID"
    assert (await journey.sign_in(person.email, OTHER)).email == person.email


async def test_sessions_are_seen_and_ended_one_by_one_and_all_together(journey: Journey) -> None:
    here = await journey.arrive()
    there, elsewhere = await journey.sign_in(here.email), await journey.sign_in(here.email)
    listed = (await here.ask("ListSessions"))["sessions"]
    await here.ask("RevokeSession", name=there.session)
    ended = await there.refused("GetProfile")
    others = await here.ask("RevokeOtherSessions")

    assert {each["name"] for each in listed} == {here.session, there.session, elsewhere.session}
    assert [each["name"] for each in listed if each["current"]] == [here.session]
    assert ended == "SESSION_INVALID"
    assert others["revoked_count"] == 1
    assert await elsewhere.refused("GetProfile") == "SESSION_INVALID"
    assert await here.ask("GetProfile")


async def test_decisions_are_recorded_and_can_be_withdrawn(
    journey: Journey,
) -> None:
    person = await journey.arrive(newsletter=True)
    given = (await person.ask("ListConsents"))["consents"]
    await person.ask("RecordConsent", consent={"subject": "SUBJECT_NEWSLETTER", "given": False})
    withdrawn = (await person.ask("GetProfile"))["profile"]["newsletter"]
    again = await person.ask("UpdateProfile", profile={"newsletter": True})
    rights = (await person.ask("ListRightsRequests"))["rights_requests"]

    assert {each["subject"] for each in given if each["given"]} >= {
        *("SUBJECT_TERMS", "SUBJECT_PRIVACY", "SUBJECT_AGE", "SUBJECT_NEWSLETTER")
    }
    assert not withdrawn
    assert again["profile"]["newsletter"]
    assert "RIGHT_OBJECTION" in {each["right"] for each in rights}


async def test_one_click_of_a_mail_program_stops_the_newsletter(
    journey: Journey, tmp_path: Path
) -> None:
    person, other = await journey.arrive(newsletter=True), await journey.arrive(newsletter=True)
    letter = tmp_path / "letter.txt"
    letter.write_text("Pears are here.")
    subject = f"News {new_address()}"
    command = ["newsletter", "send", "--subject", subject, "--text", str(letter), "--yes"]
    sent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *command),
        cwd=ROOT,
        env={**os.environ, "REAPI_HOME": str(journey.gateway.home)},
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await sent.wait() == 0
    mail = await journey.inbox.mail(person.email, subject)
    headers = {name.lower(): value for name, value in mail["headers"].items()}
    link = urlsplit(headers["list-unsubscribe"].strip("<>"))
    token = parse_qs(link.query)["token"][0]
    await journey.stranger.ask("Unsubscribe", token=token)
    await journey.stranger.ask("Unsubscribe", token=token)

    assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert not (await person.ask("GetProfile"))["profile"]["newsletter"]
    assert (await other.ask("GetProfile"))["profile"]["newsletter"]
    assert await journey.stranger.refused("Unsubscribe", token=token[:-2] + "AA") == "TOKEN_INVALID"


async def test_anybody_reads_the_documents_and_writes_to_the_operator(journey: Journey) -> None:
    listed = (await journey.stranger.ask("ListPolicies"))["policies"]
    privacy = await journey.stranger.ask("GetPolicy", name="policies/privacy")
    companies = (await journey.stranger.ask("ListSubprocessors"))["subprocessors"]
    subject = f"A question {new_address()}"
    await journey.stranger.ask(
        "SendContactMessage", email=new_address(), subject=subject, text="How do I begin?"
    )

    assert {"policies/privacy", "policies/terms"} <= {each["name"] for each in listed}
    assert "16" in privacy["policy"]["markdown"]
    assert isinstance(companies, list)
    assert await journey.inbox.mail("operator@example.com", subject)
