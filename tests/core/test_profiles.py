"""Profiles, and what people agree to."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import aio

from reapi.v1 import account_pb2
from reapi.v1 import account_service_pb2 as pb
from storage.pool import Pool
from tests.entrance import EMAIL, Entrance, open_entrance, reason

Consent = account_pb2.Consent


async def refusal(entrance: Entrance, method: str, request: Any) -> tuple[str, dict[str, str]]:
    with pytest.raises(aio.AioRpcError) as caught:
        await entrance.ask(method, request)
    return reason(caught.value)


async def update(entrance: Entrance, *paths: str, request_id: str = "", **fields: Any) -> Any:
    mask = FieldMask(paths=paths) if paths else None
    profile = account_pb2.Profile(**fields)
    request = pb.UpdateProfileRequest(profile=profile, update_mask=mask, request_id=request_id)
    return (await entrance.ask("UpdateProfile", request)).profile


async def record(entrance: Entrance, subject: Any, *, given: bool = True, version: str = "") -> Any:
    consent = Consent(subject=subject, given=given, policy_version=version)
    request = pb.RecordConsentRequest(consent=consent)
    return (await entrance.ask("RecordConsent", request)).consent


async def consents(entrance: Entrance, **page: Any) -> Any:
    return await entrance.ask("ListConsents", pb.ListConsentsRequest(**page))


async def test_a_profile_says_what_is_known(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up(display_name="Ann", locale="pt-BR")
        await entrance.enter()
        profile = (await entrance.ask("GetProfile", pb.GetProfileRequest())).profile

        assert profile.name.startswith("users/")
        assert (profile.email, profile.display_name, profile.locale) == (EMAIL, "Ann", "pt-BR")
        assert profile.has_password
        assert profile.product_notices
        assert profile.billing_notices
        assert not profile.newsletter
        assert not profile.identities


async def test_what_is_set_changes_and_the_rest_stays(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up(display_name="Ann", newsletter=True)
        await entrance.enter()
        changed = await update(entrance, locale="fr")
        cleared = await update(entrance, "display_name", "billing_notices")

        assert (changed.display_name, changed.locale, changed.newsletter) == ("Ann", "fr", True)
        assert (cleared.display_name, cleared.locale) == ("", "fr")
        assert not cleared.billing_notices


async def test_another_name_is_a_rectification(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up(display_name="Ann")
        await entrance.enter()
        for name in ("Ann", "Anna"):
            await update(entrance, display_name=name)
        rights = await entrance.rows(
            "SELECT kind, account_id IS NOT NULL, user_id IS NOT NULL, done_at IS NOT NULL"
            " FROM rights_request"
        )

        assert rights == [("rectification", True, True, True)]


async def test_a_newsletter_that_is_no_longer_wanted_is_a_withdrawn_consent(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up(newsletter=True)
        await entrance.enter()
        for _ in range(2):
            await update(entrance, "newsletter")
        page = await consents(entrance, page_size=1)
        rights = await entrance.rows("SELECT kind FROM rights_request")

        assert page.consents[0].subject == Consent.SUBJECT_NEWSLETTER
        assert not page.consents[0].given
        assert rights == [("objection",)]
        assert len((await consents(entrance)).consents) == 5


async def test_the_same_request_changes_once(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.enter()
        await update(entrance, display_name="One", request_id="r")
        await update(entrance, display_name="Two")
        again = await update(entrance, display_name="One", request_id="r")

        assert again.display_name == "Two"


@pytest.mark.parametrize(
    ("paths", "fields", "parameter"),
    [
        (("email",), {"email": "x@example.com"}, "update_mask"),
        ((), {"display_name": "x" * 101}, "profile.display_name"),
        ((), {"locale": "?"}, "profile.locale"),
    ],
)
async def test_what_cannot_be_so_is_named(
    pool: Pool, paths: tuple[str, ...], fields: dict[str, str], parameter: str
) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.enter()
        with pytest.raises(aio.AioRpcError) as caught:
            await update(entrance, *paths, **fields)

        assert reason(caught.value) == ("INVALID_PARAMETER", {"parameter": parameter})


async def test_consents_are_a_log_newest_first(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.enter()
        await record(entrance, Consent.SUBJECT_SUPPORT_COOKIES)
        await record(entrance, Consent.SUBJECT_SUPPORT_COOKIES, given=False)
        first = await consents(entrance, page_size=2)
        rest = await consents(entrance, page_size=2, page_token=first.next_page_token)

        assert [(each.subject, each.given) for each in first.consents] == [
            (Consent.SUBJECT_SUPPORT_COOKIES, False),
            (Consent.SUBJECT_SUPPORT_COOKIES, True),
        ]
        assert len(rest.consents) == 2
        assert {each.policy_version for each in rest.consents} == {"2026-11-22"}


async def test_the_newsletter_follows_the_consent(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.enter()
        await record(entrance, Consent.SUBJECT_NEWSLETTER)

        assert await entrance.rows("SELECT newsletter FROM app_user") == [(True,)]


async def test_a_consent_is_about_the_version_that_holds(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.enter()
        kept = await record(entrance, Consent.SUBJECT_TERMS)

        assert kept.policy_version == "2026-11-22"


@pytest.mark.parametrize(
    ("consent", "parameter"),
    [
        (Consent(given=True), "consent.subject"),
        (Consent(subject=Consent.SUBJECT_AGE), "consent.given"),
        (Consent(subject=Consent.SUBJECT_TERMS), "consent.given"),
        (
            Consent(subject=Consent.SUBJECT_PRIVACY, given=True, policy_version="2020-01-01"),
            "consent.policy_version",
        ),
    ],
)
async def test_what_cannot_be_decided_is_refused(
    pool: Pool, consent: account_pb2.Consent, parameter: str
) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.enter()
        why = await refusal(entrance, "RecordConsent", pb.RecordConsentRequest(consent=consent))

        assert why == ("INVALID_PARAMETER", {"parameter": parameter})


async def test_people_see_their_own_consents_only(pool: Pool) -> None:
    async with open_entrance(pool) as entrance:
        await entrance.sign_up()
        await entrance.sign_up("bob@example.com")
        await entrance.enter("bob@example.com")
        await record(entrance, Consent.SUBJECT_SUPPORT_COOKIES)
        await entrance.enter()

        assert len((await consents(entrance)).consents) == 3
