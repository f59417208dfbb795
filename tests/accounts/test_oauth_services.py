"""Services that fail, lie or are heard by others: what comes of sign-ins there."""

import logging
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from simulator.oauth_books import parse_fault
from storage.pool import Pool
from tests.accounts.oauth_house import House, cause, nobody_came, open_house, refused

PROVIDERS = pytest.mark.parametrize("provider", ["github", "google"])


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


@pytest.mark.parametrize(
    "fault", ["nonce", "audience", "issuer", "azp", "expired", "key", "unsigned"]
)
async def test_an_id_token_that_proves_nothing_is_refused(house, fault) -> None:
    house.is_at("google")
    answer = await house.go("google")
    house.simulator.oauth.google.put_fault(*parse_fault({"kind": fault}))

    assert await refused(house.finish(answer)) == cause("google", "identity_not_proved")
    assert await nobody_came(house)


@PROVIDERS
@pytest.mark.parametrize(
    "fault", [{"kind": "status"}, {"kind": "status", "status": 403}, {"kind": "garbage"}]
)
async def test_a_service_that_is_broken_is_unavailable(house, provider, fault) -> None:
    house.is_at(provider)
    answer = await house.go(provider)
    getattr(house.simulator.oauth, provider).put_fault(*parse_fault(fault))

    found = await refused(house.finish(answer))

    assert found == ("SIGN_IN_SERVICE_UNAVAILABLE", {"provider": provider})
    assert await nobody_came(house)


@PROVIDERS
async def test_a_service_that_does_not_answer_is_given_up(house, provider, monkeypatch) -> None:
    house.is_at(provider)
    answer = await house.go(provider)
    getattr(house.simulator.oauth, provider).put_fault(*parse_fault({"kind": "hang"}))
    monkeypatch.setattr(house.google._calls, "_seconds", 0.2)
    began = monotonic()

    assert (await refused(house.finish(answer)))[0] == "SIGN_IN_SERVICE_UNAVAILABLE"
    assert monotonic() - began < 3


@PROVIDERS
async def test_an_error_that_comes_with_success_is_an_error(house, provider) -> None:
    house.is_at(provider)
    answer = await house.go(provider)
    getattr(house.simulator.oauth, provider).put_fault(*parse_fault({"kind": "error"}))

    assert await refused(house.finish(answer)) == cause(provider, "code_refused")


async def test_no_library_may_log_what_passes(house, capfd) -> None:
    from core.log import silence_libraries

    kept = logging.root.handlers[:], logging.root.level
    try:
        silence_libraries()
        for name in ("", "httpx", "httpcore", "authlib", "joserfc", "asyncio"):
            logging.getLogger(name).setLevel(logging.DEBUG)  # the worst that an operator can do
        house.is_at("google", email="secret@example.com", name="Secret Name")
        answer = await house.go("google")
        await house.finish(answer)
    finally:
        logging.root.handlers[:] = kept[0]
        for name in ("httpx", "httpcore", "authlib", "joserfc", "asyncio"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        logging.root.setLevel(kept[1])

    said = "".join(capfd.readouterr())
    assert "httpx" in said  # it did try
    told = (answer.code, answer.state, answer.browser_token, "secret@example.com", "Secret", "ya29")
    assert not [text for text in told if text in said]
    assert "_oauth" not in said
