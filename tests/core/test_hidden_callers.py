"""Who says that it is somewhere else is counted where it is, and names no requests."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from accounts.roles import Role
from core.log import CallEnded
from core.services.mail_paces import NETWORK
from reapi.v1 import account_service_pb2 as pb
from tests.account_house import House, by, open_house, reason, refused
from tests.members_of import somebody

LIES = (("x-reapi-client-ip", "198.51.100.1"),)
NAMED = "req_" + "0" * 32


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house("real", database_url, tmp_path) as opened:
        yield opened


async def test_a_made_up_address_frees_nobody_from_the_pace_of_the_network(house: House) -> None:
    async def ask(number: int) -> str:
        lies = (("x-reapi-client-ip", f"198.51.100.{number}"),)
        request = pb.VerifyEmailRequest(token="A" * 43)
        return await reason(house.account.VerifyEmail(request, metadata=lies, timeout=20))

    found = [await ask(number) for number in range(NETWORK.burst + 1)]

    assert found == ["TOKEN_INVALID"] * NETWORK.burst + ["RATE_LIMIT_EXCEEDED"]


async def test_a_made_up_address_frees_nobody_who_guesses_passwords(house: House) -> None:
    async def ask() -> str:
        request = pb.SignInRequest(email="somebody@example.com", password="wrong-wrong")
        return await reason(house.account.SignIn(request, metadata=LIES, timeout=20))

    found = [await ask() for _ in range(11)]

    assert found == ["CREDENTIALS_INVALID"] * 10 + ["RATE_LIMIT_EXCEEDED"]


async def test_only_bridges_name_requests(house: House) -> None:
    token = await house.token(await somebody(house.pool))
    told = {**by(token), "metadata": (*by(token)["metadata"], ("x-request-id", NAMED))}
    await house.account.GetProfile(pb.GetProfileRequest(), **told)
    stub = type(house.account)(house.whole.channel)  # in process, as the bridge
    await stub.GetProfile(pb.GetProfileRequest(), **told)

    named = [event.request_id == NAMED for event in house.whole.emitted if _is_read(event)]
    assert named == [False, True]


async def test_one_account_keeps_no_other_from_inviting(house: House) -> None:
    owners = [await somebody(house.pool) for _ in range(2)]
    tokens = [await house.token(owner) for owner in owners]

    async def invite(token: str) -> Any:
        request = pb.CreateInvitationRequest()
        request.invitation.email = "wanted@example.com"
        request.invitation.role = 3  # developer
        return await house.account.CreateInvitation(request, **by(token))

    for _ in range(3):
        await invite(tokens[0])
    assert (await refused(invite(tokens[0])))[1] == {"limit": "invitation-to"}
    assert await invite(tokens[1])


async def test_two_members_may_use_one_request_id_for_themselves(house: House) -> None:
    owner = await somebody(house.pool)
    tokens = [(await house.colleague(owner, Role.DEVELOPER))[1] for _ in range(2)]
    request = pb.UpdateProfileRequest(request_id="same")
    request.profile.display_name = "Bob"
    names = [
        (await house.account.UpdateProfile(request, **by(token))).profile.display_name
        for token in tokens
    ]
    request.profile.display_name = "Eve"

    assert names == ["Bob", "Bob"]
    call = house.account.UpdateProfile(request, **by(tokens[1]))
    assert await reason(call) == "IDEMPOTENCY_MISMATCH"


async def test_signing_out_elsewhere_is_not_taken_for_a_colleague_s(house: House) -> None:
    owner = await somebody(house.pool)
    people = [(await house.colleague(owner, Role.DEVELOPER))[:2] for _ in range(2)]
    for person, _ in people:
        await house.token(person, owner.account_id)
    request = pb.RevokeOtherSessionsRequest(request_id="same")
    answers = [await house.account.RevokeOtherSessions(request, **by(token)) for _, token in people]

    assert [answer.revoked_count for answer in answers] == [1, 1]


def _is_read(event: Any) -> bool:
    return isinstance(event, CallEnded) and event.method.endswith("/GetProfile")
