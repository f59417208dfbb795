"""Signing in with GitHub and Google, as a whole: there, back, linked, unlinked, and refused."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import uuid4

import pytest

from tests.fix_gateway import Gateway
from tests.travelling import PASSWORD, TRANSPORTS, Journey, new_address, travelling

pytestmark = pytest.mark.prove

SERVICES = ("github", "google")


@pytest.fixture(params=TRANSPORTS)
async def journey(request: pytest.FixtureRequest, gateway: Gateway) -> AsyncIterator[Journey]:
    async with travelling(gateway, request.param) as found:
        yield found


def somebody(**more: Any) -> dict[str, Any]:
    subject = str(uuid4().int % 10**9)
    return {"subject": subject, "email": new_address(), "name": "Octo", **more}


@pytest.mark.parametrize("service", SERVICES)
async def test_somebody_signs_up_in_and_out_with_another_service(
    journey: Journey, service: str
) -> None:
    who = somebody()
    await journey.is_at(service, **who)
    first = await journey.stranger.ask("FinishOAuth", **await journey.go(service))
    second = await journey.stranger.ask("FinishOAuth", **await journey.go(service))
    person, again = journey.person(first["grant"]), journey.person(second["grant"])
    profile = (await again.ask("GetProfile"))["profile"]
    await again.ask("SignOut")

    assert (first["created"], second["created"]) == (True, False)
    assert person.account == again.account
    assert profile["email"] == who["email"]
    assert profile["email_verified"]
    assert not profile["has_password"]
    assert await again.refused("GetProfile") == "SESSION_INVALID"
    assert await person.refused("UnlinkIdentity", provider=service) == "CONFLICT"
    assert await person.ask("GetProfile")


@pytest.mark.parametrize("service", SERVICES)
async def test_somebody_links_and_unlinks_an_identity(journey: Journey, service: str) -> None:
    person = await journey.arrive()
    await journey.is_at(service, **somebody())
    proof = {"current_password": PASSWORD}
    asked = await journey.go(service, person.caller, purpose="PURPOSE_LINK", **proof)
    linked = await person.ask("FinishOAuth", **asked)
    renewed = journey.person(linked["grant"])
    elsewhere = await journey.stranger.ask("FinishOAuth", **await journey.go(service))
    identities = (await renewed.ask("GetProfile"))["profile"]["identities"]
    left = await renewed.ask("UnlinkIdentity", provider=service, **proof)

    assert await person.refused("GetProfile") == "SESSION_INVALID", "the token from before"
    assert journey.person(elsewhere["grant"]).account == person.account
    assert [each["provider"] for each in identities] == [service]
    assert left["profile"]["identities"] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_an_answer_works_once_in_the_browser_that_asked(
    journey: Journey, service: str
) -> None:
    await journey.is_at(service, **somebody())
    other = await journey.begin(service)
    stolen = {**await journey.go(service), "browser_token": other["browser_token"]}
    used = await journey.go(service)
    await journey.stranger.ask("FinishOAuth", **used)

    assert await journey.stranger.refused("FinishOAuth", **stolen) == "TOKEN_INVALID"
    assert await journey.stranger.refused("FinishOAuth", **used) == "TOKEN_INVALID"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_code_for_another_challenge_proves_nothing(journey: Journey, service: str) -> None:
    await journey.is_at(service, **somebody())
    begun = await journey.begin(service)
    parts = urlsplit(begun["authorization_uri"])
    query = {**dict(parse_qsl(parts.query)), "code_challenge": "A" * 43}
    begun["authorization_uri"] = urlunsplit(parts._replace(query=urlencode(query)))
    asked = await journey.back(service, begun)

    assert await journey.stranger.refused("FinishOAuth", **asked) == "SIGN_IN_REFUSED"


@pytest.mark.parametrize("service", SERVICES)
async def test_an_address_links_only_where_both_sides_have_proved_it(
    journey: Journey, service: str
) -> None:
    unproved_here = await journey.sign_up()
    proved_here = (await journey.arrive()).email
    refusals = []
    for email, verified in ((unproved_here, True), (proved_here, False)):
        await journey.is_at(service, **somebody(email=email, verified=verified))
        refusals.append(await journey.stranger.refused("FinishOAuth", **await journey.go(service)))

    assert refusals == ["SIGN_IN_REFUSED"] * 2
    own = (await (await journey.sign_in(proved_here)).ask("GetProfile"))["profile"]
    assert own["identities"] == []


async def test_an_answer_that_comes_too_late_is_refused(journey: Journey) -> None:
    await journey.is_at("google", **somebody())
    asked = await journey.go("google")
    journey.run("UPDATE oauth_flow SET expires_at = now() - interval '1 second'")

    assert await journey.stranger.refused("FinishOAuth", **asked) == "TOKEN_INVALID"


async def test_a_fresh_sign_in_elsewhere_counts_as_proof_for_ten_minutes(journey: Journey) -> None:
    await journey.is_at("github", **somebody())
    found = await journey.stranger.ask("FinishOAuth", **await journey.go("github"))
    person = journey.person(found["grant"])
    session = person.session.removeprefix("sessions/")
    journey.run(
        "UPDATE session SET proved_at = proved_at - interval '11 minutes' WHERE session_id = %s",
        session,
    )
    old = await person.refused("ChangePassword", new_password=PASSWORD)
    found = await journey.stranger.ask("FinishOAuth", **await journey.go("github"))
    fresh = journey.person(found["grant"])
    changed = await fresh.ask("ChangePassword", new_password=PASSWORD)

    assert old == "REAUTHENTICATION_REQUIRED"
    assert changed["grant"]["profile"]["has_password"]
    assert (await journey.sign_in(fresh.email)).account == fresh.account
