"""Nobody reaches what another account has, by any name that any RPC or route takes."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.errors import GatewayError
from core.permissions import permit
from rest_bridge.routes import build_routes
from tests.journeying import BINDINGS, METHODS, Caller, Refused, RestWire, refused_by
from tests.naming import ACCOUNTS, ELSEWHERE, Naming, namings, texts
from tests.two_accounts import Stranger, TwoAccounts, two_accounts

pytestmark = pytest.mark.prove

ABSENT = {"NOT_FOUND", "GENERATION_NOT_FOUND", "ASSET_NOT_FOUND"}
FILTERS = {
    *("ListBudgets.api_key", "ListUsage.api_keys", "SummarizeUsage.api_keys"),
    *("ListWebhookDeliveries.webhook_endpoint", "ListWebhookDeliveries.generation"),
}
"""What narrows a list down: of nothing, to nothing."""
TYPED = {"UpdateAutoTopUp.auto_top_up.payment_method": {"INVALID_PARAMETER"}}
"""What says which field of a setting is none of the caller's, and says it of what nobody has too."""
SECRETS = {"quotes"}
"""Asked after below: an unknown one is answered otherwise than another's."""
OTHERS: Mapping[str, Mapping[str, Any]] = {
    "UpdateMember": {"role": "ROLE_DEVELOPER"},
    "UpdateApiKey": {"display_name": "taken"},
    "CreateBudget": {"period": "PERIOD_MONTH", "limit_micros": "1000"},
    "UpdateBudget": {"limit_micros": "1000"},
    "UpdateWebhookEndpoint": {"display_name": "taken"},
    "UpdateAutoTopUp": {
        "enabled": True,
        "threshold_micros": "1000000",
        "amount_micros": "20000000",
        "monthly_limit_micros": "40000000",
    },
}
"""What else such a request needs to be looked at."""
VIDEOS = (
    *(("GET", "/v1/videos/{id}"), ("DELETE", "/v1/videos/{id}")),
    *(("GET", "/v1/videos/{id}/content"), ("GET", "/videos/{id}"), ("DELETE", "/videos/{id}")),
    *(("GET", "/videos/{id}/content"),),
)
TASKS = (("GET", "/api/v1/tasks/{id}"), ("GET", "/api/v1/tasks/{id}/trace"))
SAME_FOR_ALL = {
    *("ListModels", "ListPolicies", "ListSubprocessors", "ListCreditPacks", "ListLedgerKeys"),
}
"""Lists of what everybody sees."""
NAMED = re.compile(r"\{(?:(\w+)\.)?name=(\w+)/")
NOT_SERVED = {"refuse", "remix", "characters"}
"""Handlers that say to everybody that there is no such thing here."""
NO_NAMES = {
    *("/v1/models/{id=**}", "/models/{id=**}", "/media/{path=**}", "/callbacks/{channel}/{token}"),
}
"""Public, or secrets in themselves."""


@pytest.fixture(params=["grpc", "rest"])
async def two(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncIterator[TwoAccounts]:
    async with two_accounts(database_url, tmp_path / "outputs", request.param) as made:
        yield made


@pytest.fixture
async def behind_rest(database_url: str, tmp_path: Path) -> AsyncIterator[TwoAccounts]:
    async with two_accounts(database_url, tmp_path / "outputs", "rest") as made:
        yield made


def test_every_field_that_names_something_is_known() -> None:
    found, unknown = namings()
    fields = {
        f"{method.name}.{path}" for method in METHODS.values() for path in texts(method.input_type)
    }

    assert not unknown, "say in tests/naming.py what these name"
    assert {*ACCOUNTS, *ELSEWHERE} <= fields, "fields that are no more"
    assert len(found) > 30


def may(stranger: Stranger, naming: Naming) -> bool:
    """Whether they may call that RPC at all."""
    try:
        permit(
            f"/{naming.method.containing_service.full_name}/{naming.method.name}", stranger.known
        )
    except GatewayError:
        return False
    return True


def of_nobody(name: str) -> str:
    """A name of that kind that nobody has."""
    kind, _, id_ = name.partition("/")
    prefix, _, rest = id_.rpartition("_")
    return f"{kind}/{prefix}{'_' if prefix else ''}{rest[::-1]}"


async def answer(caller: Caller, naming: Naming, name: str) -> Refused | dict[str, Any]:
    fields = naming.fields(name, OTHERS.get(naming.method.name, {}))
    if naming.method.name == "GetReceipt":
        fields = {"name": f"{name}/receipt"}
    try:
        return await caller.ask(naming.method.name, **fields)
    except Refused as refusal:
        return refusal


def judged(naming: Naming, stranger: Stranger, theirs: Any, nobodys: Any) -> str:
    """What is wrong with an answer, or nothing."""
    if isinstance(theirs, Refused):
        if not isinstance(nobodys, Refused) or theirs.shown != nobodys.shown:
            return f"{theirs.reason}, but otherwise for a name that nobody has"
        absent = TYPED.get(naming.field, ABSENT)
        allowed = absent if may(stranger, naming) else {"PERMISSION_DENIED"}
        return "" if theirs.reason in allowed else theirs.reason
    if naming.field not in FILTERS:
        return "answered"
    return "" if theirs == nobodys else "a filter that tells who exists"


async def test_what_another_account_has_is_not_there(two: TwoAccounts) -> None:
    found, _ = namings()
    is_rest = isinstance(two.wire, RestWire)
    before, wrong = await two.rows(), []
    for naming in found:
        if naming.kind in SECRETS or (is_rest and naming.method.name not in BINDINGS):
            continue
        name = two.names[naming.kind]
        for stranger in two.strangers:
            theirs = await answer(stranger.caller, naming, name)
            nobodys = await answer(stranger.caller, naming, of_nobody(name))
            if complaint := judged(naming, stranger, theirs, nobodys):
                wrong.append(f"{naming.field} by {stranger.who}: {complaint}")

    assert not wrong, "\n".join(wrong)
    assert not changed(before, await two.rows())


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [table for table, digest in after.items() if before[table] != digest]


async def test_the_names_are_good_for_who_owns_them(two: TwoAccounts) -> None:
    """Without this the test above could ask for nonsense."""
    wrong = []
    for naming in namings()[0]:
        is_read = naming.method.name.startswith(("Get", "List", "Explain", "Summarize"))
        if is_read and naming.kind not in SECRETS:
            told = await answer(two.owner, naming, two.names[naming.kind])
            if isinstance(told, Refused):
                wrong.append(f"{naming.field}: {told.reason}")

    assert not wrong


async def test_a_page_of_another_account_is_not_gone_on_with(two: TwoAccounts) -> None:
    stranger = two.strangers[0].caller
    tried, wrong = 0, []
    for name, method in METHODS.items():
        is_list = "page_token" in method.input_type.fields_by_name
        if not is_list or method.containing_service.name == "AdminService":
            continue
        page = await two.owner.ask(name, page_size=1)
        token = page["next_page_token"]
        if not token or name in SAME_FOR_ALL:
            continue
        tried += 1
        try:
            told = await stranger.ask(name, page_size=100, page_token=token)
        except Refused as refusal:
            if refusal.reason != "INVALID_PARAMETER":
                wrong.append(f"{name}: {refusal.reason}")
        else:
            own = await stranger.ask(name, page_size=100)
            wrong += [name for row in items(told) if row not in items(own)]

    assert not wrong
    assert tried >= 3


def items(page: Mapping[str, Any]) -> list[Any]:
    """The rows of a page, whatever they are called."""
    return [row for value in page.values() if isinstance(value, list) for row in value]


async def test_a_quote_of_another_account_buys_nothing(two: TwoAccounts) -> None:
    spec = {"model": "gpt-image-2", "parameters": {"prompt": "a pear"}}
    quote = await two.owner.ask("QuoteGeneration", spec=spec)
    before = await two.rows()
    key = next(each.caller for each in two.strangers if each.who == "every scope")
    quoted = {**spec, "quote_token": quote["quote_token"]}

    assert await key.refused("CreateGeneration", spec=quoted) == "QUOTE_MISMATCH"
    assert not changed(before, await two.rows())


async def test_the_routes_of_other_dialects_find_nothing_of_others(
    behind_rest: TwoAccounts,
) -> None:
    id_ = behind_rest.names["generations"].removeprefix("generations/")
    key = next(each.caller for each in behind_rest.strangers if each.who == "every scope")
    headers = {"authorization": f"Bearer {key.credential}"}
    before, wrong = await behind_rest.rows(), []
    for prefix, routes in (("video_", VIDEOS), ("task_", TASKS)):
        for method, template in routes:
            path = template.replace("{id}", prefix + id_)
            said = await behind_rest.whole.http.request(method, path, headers=headers)
            if refused_by(said).reason != "GENERATION_NOT_FOUND":
                wrong.append(f"{method} {path}: {said.status_code}")

    assert not wrong
    assert not changed(before, await behind_rest.rows())


async def test_no_route_with_a_name_is_forgotten(behind_rest: TwoAccounts) -> None:
    transcoded = {(binding.method, binding.template) for binding in BINDINGS.values()}
    asked = {*VIDEOS, *TASKS}
    left = {
        (method, route.template)
        for method, route in build_routes(behind_rest.whole.channel)
        if re.search(r"\{", route.template)
        and route.template not in NO_NAMES
        and (method, route.template) not in {*transcoded, *asked}
        and getattr(route.handler, "__name__", "") not in NOT_SERVED
    }

    assert not left


async def test_only_the_operators_token_opens_the_operators_calls(behind_rest: TwoAccounts) -> None:
    wrong = []
    for method in METHODS.values():
        if method.containing_service.name != "AdminService":
            continue
        for stranger in behind_rest.strangers:
            fields: dict[str, Any] = {}
            if "id" in method.input_type.fields_by_name:
                fields = {"id": behind_rest.person.account_id.hex}
            if found := NAMED.search(BINDINGS[method.name].template):
                named = {"name": f"{found[2]}/openai-a"}
                fields = {found[1]: named} if found[1] else named
            reason = await stranger.caller.refused(method.name, **fields)
            if reason not in ("PERMISSION_DENIED", "API_KEY_INVALID"):
                wrong.append(f"{method.name} by {stranger.who}: {reason}")

    assert not wrong
