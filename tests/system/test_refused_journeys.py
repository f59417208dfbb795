"""What must not work: old and used tokens, guesses, questions after people, other sites, bots."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from simulator.bot_check import SECRET
from tests.fix_gateway import Gateway, running
from tests.journeying import RestWire, asked_over_rest, refused_by
from tests.travelling import OTHER, PASSWORD, TRANSPORTS, Journey, new_address, travelling

pytestmark = pytest.mark.prove

SESSION, CSRF = "__Host-reapi_session", "__Host-reapi_csrf"
COOKIE = {"x-reapi-session": "cookie"}
FORGED = "rs_" + "A" * 43


@pytest.fixture(params=TRANSPORTS)
async def journey(request: pytest.FixtureRequest, gateway: Gateway) -> AsyncIterator[Journey]:
    async with travelling(gateway, request.param) as found:
        yield found


async def test_tokens_of_mails_work_once_and_not_for_ever(journey: Journey) -> None:
    email = await journey.sign_up()
    token = await journey.inbox.token(email, "/verify-email")
    journey.run("UPDATE person_token SET expires_at = now() - interval '1 second'")
    late = await journey.stranger.refused("VerifyEmail", token=token)
    person = await journey.sign_in(email)
    await person.ask("SendVerificationEmail")
    another = await journey.inbox.token(email, "/verify-email", after=1)
    await journey.stranger.ask("VerifyEmail", token=another)
    used = await journey.stranger.refused("VerifyEmail", token=another)
    await journey.stranger.ask("RequestPasswordReset", email=email)
    reset = await journey.inbox.token(email, "/reset-password")
    mixed = await journey.stranger.refused("VerifyEmail", token=reset)
    journey.run("UPDATE person_token SET expires_at = now() - interval '1 second'")
    old = await journey.stranger.refused("ResetPassword", token=reset, new_password=OTHER)

    assert {late, used, mixed, old} == {"TOKEN_INVALID"}
    assert len({token, another, reset}) == 3
    assert min(map(len, (token, another, reset))) >= 43, "256 bits in base64url"


async def test_an_invitation_is_worth_nothing_to_others_nor_after_seven_days(
    journey: Journey,
) -> None:
    owner, thief, email = await journey.arrive(), await journey.arrive(), new_address()
    asked = {"email": email, "role": "ROLE_ADMIN"}
    await owner.ask("CreateInvitation", invitation=asked)
    token = await journey.inbox.token(email, "/accept-invitation")
    stolen = await thief.refused("AcceptInvitation", token=token)
    meant = await journey.arrive(email)
    journey.run("UPDATE invitation SET expires_at = now() - interval '1 second'")
    late = await meant.refused("AcceptInvitation", token=token)

    assert {stolen, late} == {"TOKEN_INVALID"}


async def test_a_session_ends_by_itself(journey: Journey) -> None:
    person = await journey.arrive()
    id_ = person.session.removeprefix("sessions/")
    journey.run(
        "UPDATE session SET last_seen_at = now() - interval '8 days' WHERE session_id = %s", id_
    )
    idle = await person.refused("GetProfile")
    later = await journey.sign_in(person.email)
    journey.run(
        "UPDATE session SET expires_at = now() - interval '1 second' WHERE session_id = %s",
        later.session.removeprefix("sessions/"),
    )

    assert idle == "SESSION_INVALID"
    assert await later.refused("GetProfile") == "SESSION_INVALID"
    assert await journey.stranger.holding(FORGED).refused("GetProfile") == "SESSION_INVALID"


async def test_nobody_learns_who_has_an_account(journey: Journey) -> None:
    known, unknown, stranger = await journey.sign_up(), new_address(), journey.stranger
    wrong = [
        await stranger.refusal("SignIn", email=email, password=OTHER) for email in (known, unknown)
    ]
    again = {
        "password": PASSWORD,
        "age_confirmed": True,
        "accepted_policies": await journey.agreed(),
    }
    signed_up = [await stranger.ask("SignUp", email=email, **again) for email in (known, unknown)]
    reset = [
        await stranger.ask("RequestPasswordReset", email=email) for email in (known, new_address())
    ]

    assert wrong[0].shown == wrong[1].shown
    assert wrong[0].reason == "CREDENTIALS_INVALID"
    assert signed_up[0] == signed_up[1] == reset[0] == reset[1] == {}
    assert await journey.inbox.mail(known, "already have an account")


async def test_guesses_wait_and_whoever_was_there_before_does_not(journey: Journey) -> None:
    person = await journey.arrive()
    refusals = [
        await journey.stranger.refused("SignIn", email=person.email, password=OTHER)
        for _ in range(11)
    ]

    assert refusals == ["CREDENTIALS_INVALID"] * 10 + ["RATE_LIMIT_EXCEEDED"]
    late = await journey.stranger.refused("SignIn", email=person.email, password=PASSWORD)
    assert late == "RATE_LIMIT_EXCEEDED"
    assert await person.ask("GetProfile"), "who is signed in stays so"
    assert (await journey.arrive()).email, "others come in from there"


class Browser:
    """Cookies as a browser keeps them, over plain http for tests."""

    def __init__(self, gateway: Gateway, http: httpx.AsyncClient) -> None:
        self.origin = gateway.rest
        self.http = http
        self.cookies: dict[str, str] = {}

    async def ask(self, rpc: str, fields: dict[str, object], **headers: str) -> httpx.Response:
        asked = asked_over_rest(rpc, fields)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        kept = {"cookie": cookie} if cookie else {}
        answer = await self.http.request(**asked, headers={**COOKIE, **kept, **headers})
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer


@pytest.fixture
async def browser(gateway: Gateway) -> AsyncIterator[tuple[Journey, Browser]]:
    async with travelling(gateway, "rest") as journey:
        assert isinstance(journey.stranger.wire, RestWire)
        yield journey, Browser(gateway, journey.stranger.wire.http)


async def test_a_cookie_changes_nothing_without_its_csrf_token_nor_for_other_sites(
    browser: tuple[Journey, Browser],
) -> None:
    journey, tab = browser
    email = await journey.sign_up()
    await tab.ask("SignIn", {"email": email, "password": PASSWORD}, origin=tab.origin)
    change: dict[str, object] = {"profile": {"display_name": "Eve"}}
    token = tab.cookies[CSRF]
    refused = [
        await tab.ask("UpdateProfile", change, origin=tab.origin),
        await tab.ask("UpdateProfile", change, **{"x-csrf-token": "A" * 43}),
        await tab.ask(
            "UpdateProfile", change, **{"x-csrf-token": token, "origin": "https://evil.example"}
        ),
        await tab.ask("GetProfile", {}, origin="https://evil.example"),
        await tab.ask("GetProfile", {}, **{"sec-fetch-site": "cross-site"}),
    ]
    read = await tab.ask("GetProfile", {})
    changed = await tab.ask("UpdateProfile", change, **{"x-csrf-token": token})

    assert {refused_by(answer).reason for answer in refused} == {"CSRF_TOKEN_INVALID"}
    assert read.json()["profile"]["display_name"] == ""
    assert changed.status_code == 200


async def test_a_session_token_in_a_url_is_nobody(browser: tuple[Journey, Browser]) -> None:
    journey, tab = browser
    person = await journey.arrive()
    for name in ("session_token", "access_token", "authorization", "token", SESSION):
        answer = await tab.http.get("/api/v1/profile", params={name: person.caller.credential})
        assert answer.status_code in (400, 401), name


async def test_nothing_can_be_browsed(gateway: Gateway) -> None:
    paths = (
        "/media",
        "/media/",
        "/media/tasks/",
        "/media/tasks/..%2f..",
        "/.git/config",
        "/static/",
    )
    async with httpx.AsyncClient(base_url=gateway.rest, timeout=20, trust_env=False) as http:
        found = [(await http.get(path)).status_code for path in paths]

    assert found == [404] * len(paths)


async def test_a_cookie_from_before_signing_in_is_not_the_one_after(
    browser: tuple[Journey, Browser],
) -> None:
    journey, tab = browser
    email = await journey.sign_up()
    asked: dict[str, object] = {"email": email, "password": PASSWORD}
    tab.cookies = {SESSION: FORGED}
    planted = await tab.ask("SignIn", asked)
    assert planted.status_code == 403, "a cookie that signs in without its CSRF token"
    tab.cookies = {}
    signed_in = await tab.ask("SignIn", asked)
    first = tab.cookies[SESSION]
    csrf = {"x-csrf-token": tab.cookies[CSRF]}
    passwords: dict[str, object] = {"current_password": PASSWORD, "new_password": OTHER}
    changed = await tab.ask("ChangePassword", passwords, **csrf)
    second = tab.cookies[SESSION]

    assert signed_in.status_code == changed.status_code == 200
    assert len({FORGED, first, second}) == 3
    assert first not in signed_in.text
    assert second not in changed.text
    for old in (FORGED, first):
        assert await journey.stranger.holding(old).refused("GetProfile") == "SESSION_INVALID"
    assert (await tab.ask("GetProfile", {})).status_code == 200


@pytest.fixture(scope="module")
def guarded(shared_gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A second gateway, with the bot check of the first one's simulator."""
    with running(
        tmp_path_factory.mktemp("guarded"),
        REAPI_BOT_CHECK_SITE_KEY="a-site",
        REAPI_BOT_CHECK_SECRET_KEY=SECRET,
        REAPI_BOT_CHECK_URL=f"{shared_gateway.demo['simulator_url']}/_bot_check/siteverify",
    ) as found:
        yield found


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_forms_wait_for_the_bot_check_where_there_is_one(
    guarded: Gateway, transport: str
) -> None:
    async with travelling(guarded, transport) as journey:
        email, stranger = new_address(), journey.stranger
        options = await stranger.ask("GetSignInOptions")
        form = {
            "email": email,
            "password": PASSWORD,
            "age_confirmed": True,
            "accepted_policies": await journey.agreed(),
        }
        door = {"email": email, "password": PASSWORD}
        back = f"{guarded.rest}/auth/github/callback"
        refusals = [
            await stranger.refused("SignUp", **form),
            await stranger.refused("SignUp", **form, bot_check_token="fail"),
            await stranger.refused("SignIn", **door),
            await stranger.refused("RequestPasswordReset", email=email),
            await stranger.refused("BeginOAuth", provider="github", redirect_uri=back),
            await stranger.refused("SendContactMessage", email=email, text="Hello"),
        ]
        passes = [f"pass-{email}-{number}" for number in range(2)]
        await stranger.ask("SignUp", **form, bot_check_token=passes[0])
        spent = await stranger.refused("SignIn", **door, bot_check_token=passes[0])
        found = await stranger.ask("SignIn", **door, bot_check_token=passes[1])

    assert options["bot_check_site_key"] == "a-site"
    assert {*refusals, spent} == {"BOT_CHECK_FAILED"}
    assert found["grant"]["session_token"]
