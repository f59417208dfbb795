"""Operators find, suspend, resume and erase accounts; what they do is in the audit log."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from accounts.browsers import Browser
from accounts.sessions import open_session
from core.engine.account_stops import cancel_all
from core.engine.leases_sql import LeasesSql
from reapi.v1 import account_pb2, admin_service_pb2
from simulator import Simulator
from storage.pool import open_pool
from tests.operator.operated import (
    IMAGE,
    OPERATOR,
    VAULT,
    asked,
    execute,
    member,
    operated,
    refused,
    slow,
)
from tests.webhooks.whole_core import Whole

pytestmark = pytest.mark.prove

pb: Any = admin_service_pb2
ADDRESS = "ada@example.com"
SECOND = 1.0


@pytest_asyncio.fixture
async def core(database_url: str, tmp_path: Path, simulator: Simulator) -> AsyncIterator[Whole]:
    async with operated(database_url, tmp_path / "outputs", simulator) as made:
        yield made


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> float:
    """Wait until it holds; how many seconds that took."""
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.02)
    return asyncio.get_running_loop().time() - began


async def audited(core: Whole, **wish: Any) -> list[Any]:
    found = await asked(core, "ListAuditEntries", pb.ListAuditEntriesRequest(**wish))
    return list(found.audit_entries)


async def listed(core: Whole, wish: str = "", **more: Any) -> list[str]:
    found = await asked(core, "ListAccounts", pb.ListAccountsRequest(filter=wish, **more))
    return [item.id for item in found.accounts]


async def state_of(url: str, id_: UUID) -> tuple[str, int]:
    ((state, charged),) = await execute(
        url, "SELECT state, charged_micros FROM generation WHERE id = %s", id_
    )
    return state, charged


async def started(core: Whole) -> UUID:
    """A generation that runs."""
    answer = await core.ask("POST", "/api/v1/images/generations", json=IMAGE)
    return UUID(hex=answer["id"].rpartition("_")[2])


async def test_the_keys_of_a_suspended_account_stop_within_a_second_and_work_again(
    core: Whole,
) -> None:
    id_ = core.account.hex

    async def status() -> int:
        return (await core.http.get("/api/v1/balance")).status_code

    was = await status()
    assert was == 200
    answer = await asked(core, "SuspendAccount", pb.SuspendAccountRequest(id=id_, reason="spam"))
    assert answer.account.state == account_pb2.Account.STATE_SUSPENDED

    async def is_stopped() -> bool:
        return await status() == 403

    assert await until(is_stopped) < SECOND
    answer = await asked(core, "ResumeAccount", pb.ResumeAccountRequest(id=id_))
    assert answer.account.state == account_pb2.Account.STATE_ACTIVE

    async def works() -> bool:
        return await status() == 200

    assert await until(works) < SECOND
    resumed, suspended = (await audited(core, account=f"accounts/{id_}"))[:2]
    assert (suspended.action, suspended.reason, suspended.actor) == (
        "account.suspend",
        "spam",
        "operator",
    )
    assert (resumed.action, resumed.resource) == ("account.resume", f"accounts/{id_}")


async def test_what_a_suspended_account_runs_ends_void(
    core: Whole, database_url: str, simulator: Simulator
) -> None:
    await slow(simulator, 20_000)
    id_ = await started(core)
    before = await execute(database_url, "SELECT pending FROM balance WHERE account_id = %s",
                           core.account)  # fmt: skip
    assert before[0][0] > 0

    await asked(core, "SuspendAccount", pb.SuspendAccountRequest(id=core.account.hex))
    await core.core.engine.drain(10)

    assert await state_of(database_url, id_) == ("cancelled", 0)
    ((pending,),) = await execute(
        database_url, "SELECT pending FROM balance WHERE account_id = %s", core.account
    )
    assert pending == 0


async def test_a_process_hears_of_what_was_accepted_while_the_account_was_suspended(
    core: Whole, database_url: str, simulator: Simulator
) -> None:
    """Nobody wrote a wish into that row; its owner finds it by its account."""
    await slow(simulator, 20_000)
    id_ = await started(core)
    ((epoch,),) = await execute(
        database_url, "SELECT owner_epoch FROM generation WHERE id = %s", id_
    )
    async with open_pool(database_url, name="test") as pool:
        assert await LeasesSql(pool).wishes(epoch) == []
        await execute(
            database_url,
            "UPDATE account SET suspended_at = now() WHERE account_id = %s",
            core.account,
        )
        assert await LeasesSql(pool).wishes(epoch) == [id_]
        assert await cancel_all(pool, uuid4()) == []

    async def is_void() -> bool:
        return await state_of(database_url, id_) == ("cancelled", 0)

    await until(is_void)


async def test_the_sessions_of_a_suspended_account_end(core: Whole, database_url: str) -> None:
    user = await member(database_url, core.account, ADDRESS)
    async with open_pool(database_url, name="test") as pool, pool.connection() as connection:
        await open_session(connection, VAULT, user, core.account, Browser(""), "")

    await asked(core, "SuspendAccount", pb.SuspendAccountRequest(id=core.account.hex))

    assert await execute(database_url, "SELECT FROM session") == []


async def test_a_repeat_does_nothing_and_another_request_under_its_id_is_refused(
    core: Whole,
) -> None:
    id_, request_id = core.account.hex, uuid4().hex
    suspend = pb.SuspendAccountRequest(id=id_, request_id=request_id)
    await asked(core, "SuspendAccount", suspend)
    await asked(core, "ResumeAccount", pb.ResumeAccountRequest(id=id_, request_id=request_id))

    again = await asked(core, "SuspendAccount", suspend)

    assert again.account.state == account_pb2.Account.STATE_ACTIVE, "it was resumed since"
    assert len(await audited(core, action="account.suspend")) == 1
    suspend.reason = "another"
    assert await refused(core, "SuspendAccount", suspend) == "ALREADY_EXISTS"


async def test_accounts_are_found_by_whatever_support_is_told(
    core: Whole, database_url: str
) -> None:
    await core.stranger()
    await member(database_url, core.account, ADDRESS)
    id_ = await started(core)
    await core.core.engine.drain(10)
    payment, account = uuid4(), core.account.hex
    await execute(
        database_url,
        "INSERT INTO payment (account_id, id, reference, booking_id, created_at, booked_at,"
        " paid_micros, tax_micros, refunded_micros, credited_micros, clawed_back_micros, version,"
        " state, origin, product, currency, payment_intent, customer_id, invoice_id, failure_code)"
        " VALUES (%s, %s, %s, %s, now(), now(), 0, 0, 0, 0, 0, 1, 'pending', 'checkout', 'custom',"
        " 'usd', 'pi_1', 'cus_1', '', '')",
        core.account,
        payment,
        uuid4(),
        uuid4(),
    )
    public_id = core.key.split("_")[2]
    told = (
        account,
        f"accounts/{account}",
        str(core.account),
        public_id,
        f"api_keys/{public_id}",
        f"rk_live_{public_id}",
        ADDRESS,
        f" {ADDRESS.upper()} ",
        id_.hex,
        f"gen_{id_.hex}",
        f"generations/task_{id_.hex}",
        f"payments/{payment.hex}",
    )
    for wish in told:
        assert await listed(core, wish) == [account], wish
    for wish in ("bob@example.com", uuid4().hex, "0" * 12):
        assert await listed(core, wish) == [], wish
    wrong = pb.ListAccountsRequest(filter="not an id")
    assert await refused(core, "ListAccounts", wrong) == "INVALID_ARGUMENT"


async def test_a_list_shows_balances_members_and_states_page_by_page(
    core: Whole, database_url: str
) -> None:
    for _ in range(2):
        await core.stranger()
    await member(database_url, core.account, ADDRESS)
    id_ = core.account.hex
    await asked(core, "SuspendAccount", pb.SuspendAccountRequest(id=id_))
    everybody = await listed(core)
    assert len(everybody) == 3
    assert everybody[-1] == id_, "newest first"
    first = await asked(core, "ListAccounts", pb.ListAccountsRequest(page_size=2))
    wanted = pb.ListAccountsRequest(page_size=2, page_token=first.next_page_token)
    rest = await asked(core, "ListAccounts", wanted)
    assert [item.id for item in (*first.accounts, *rest.accounts)] == everybody
    assert rest.next_page_token == ""
    wanted.filter = id_
    assert await refused(core, "ListAccounts", wanted) == "INVALID_ARGUMENT"

    suspended = account_pb2.Account.STATE_SUSPENDED
    answer = await core.ask(
        "GET",
        "/api/v1/admin/accounts",
        params={"states": "STATE_SUSPENDED", "filter": ADDRESS},
        headers=OPERATOR,
    )
    (item,) = answer["accounts"]
    assert (item["id"], item["member_count"], item["balance_micros"]) == (id_, 1, "10000000")
    assert item["account"]["state"] == account_pb2.Account.State.Name(suspended)
    assert "suspend_time" in item


async def test_an_erased_account_is_named_by_no_entry(core: Whole, database_url: str) -> None:
    id_, request_id = core.account.hex, uuid4().hex
    await asked(core, "SuspendAccount", pb.SuspendAccountRequest(id=id_, reason="a child"))
    erase = pb.EraseAccountRequest(id=id_, reason="reported", request_id=request_id)

    answer = await asked(core, "EraseAccount", erase)

    assert (await asked(core, "EraseAccount", erase)).rights_request == answer.rights_request
    (entry,) = await audited(core, action="account.erase")
    assert (entry.account, entry.resource, entry.reason) == ("", answer.rights_request, "reported")
    erase.request_id = uuid4().hex
    await asked(core, "EraseAccount", erase)
    assert len(await audited(core, action="account.erase")) == 2, "somebody asked once more"
    assert (await core.http.get("/api/v1/balance")).status_code in (401, 403)
    ((request,),) = await execute(database_url, "SELECT id FROM rights_request")
    assert answer.rights_request == f"rights_requests/{request.hex}"


async def test_what_there_is_not_is_not_found_and_reasons_have_a_length(core: Whole) -> None:
    nobody = uuid4().hex
    for method in ("SuspendAccount", "ResumeAccount", "EraseAccount"):
        message = getattr(pb, f"{method}Request")
        for id_ in (nobody, "", "x", "../"):
            assert await refused(core, method, message(id=id_)) == "NOT_FOUND", (method, id_)
        long = message(id=core.account.hex, reason="x" * 501)
        assert await refused(core, method, long) == "INVALID_ARGUMENT", method
    assert await audited(core, account=core.account.hex, action="account.suspend") == []


async def test_the_audit_log_is_filtered_and_read_page_by_page(core: Whole) -> None:
    id_ = core.account.hex
    for _ in range(3):
        await asked(core, "SuspendAccount", pb.SuspendAccountRequest(id=id_))
        await asked(core, "ResumeAccount", pb.ResumeAccountRequest(id=id_))
    grant = pb.GrantCreditsRequest(id=id_, credits="5", request_id="one")
    for _ in range(2):
        await asked(core, "GrantCredits", grant)
    every = await audited(core, account=id_)
    actions = ["credits.grant", *["account.resume", "account.suspend"] * 3, "account.create"]
    assert [entry.action for entry in every] == actions, "the repeated grant is noted once"
    assert every[0].changes == {"credited_micros": "5000"}

    found, request = [], pb.ListAuditEntriesRequest(account=id_, page_size=3)
    while True:
        page = await asked(core, "ListAuditEntries", request)
        found += page.audit_entries
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert [entry.name for entry in found] == [entry.name for entry in every]

    now = datetime.now(UTC)
    later = pb.ListAuditEntriesRequest(account=id_)
    later.start_time.FromDatetime(now + timedelta(hours=1))
    earlier = pb.ListAuditEntriesRequest(account=id_)
    earlier.end_time.FromDatetime(now - timedelta(hours=1))
    for wish in (later, earlier):
        assert not (await asked(core, "ListAuditEntries", wish)).audit_entries
    assert await audited(core, account=uuid4().hex) == []


@pytest.mark.parametrize("path", ["accounts", "audit_entries", "abuse_signals"])
async def test_a_customers_key_sees_nothing_of_it(core: Whole, path: str) -> None:
    assert (await core.http.get(f"/api/v1/admin/{path}")).status_code == 403
    nobody = {"authorization": "Bearer ra_wrong"}
    assert (await core.http.get(f"/api/v1/admin/{path}", headers=nobody)).status_code == 401


async def test_a_suspension_holds_in_the_other_process_and_ends_what_it_runs(
    core: Whole, database_url: str, tmp_path: Path, simulator: Simulator
) -> None:
    async with operated(database_url, tmp_path / "other", simulator) as other:
        other.http.headers["authorization"] = f"Bearer {core.key}"
        await slow(simulator, 20_000)
        id_ = await started(other)

        await asked(core, "SuspendAccount", pb.SuspendAccountRequest(id=core.account.hex))

        async def is_stopped() -> bool:
            return (await other.http.get("/api/v1/balance")).status_code == 403

        assert await until(is_stopped) < SECOND

        async def is_void() -> bool:
            return await state_of(database_url, id_) == ("cancelled", 0)

        await until(is_void)
