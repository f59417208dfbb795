"""`reapi accounts` and `reapi takedown`: finds, stops and erases, on a running gateway."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final
from uuid import uuid4

from core.services.money import credits_text
from gateway.operator_link import FAILED, Operator, run_as_operator
from gateway.tables import table
from reapi.v1 import admin_service_pb2 as pb
from reapi.v1.account_pb2 import Account
from reapi.v1.admin_pb2 import AccountOverview

_PAGE: Final = 100
_COLUMNS: Final = ("ID", "STATE", "BALANCE", "HELD", "DEBT", "MEMBERS", "MADE", "NAME")
_STATES: Final[Mapping[int, str]] = {
    Account.STATE_ACTIVE: "active",
    Account.STATE_SUSPENDED: "suspended",
    Account.STATE_DELETING: "being erased",
}

Facts = dict[str, Any]


def list_accounts(
    env: Mapping[str, str], core: str, wish: str, limit: int, *, as_json: bool
) -> int:
    """Print accounts, newest first; returns the exit code."""

    async def work(gateway: Operator) -> None:
        found: list[AccountOverview] = []
        request = pb.ListAccountsRequest(page_size=min(limit, _PAGE), filter=wish)
        while len(found) < limit:
            page = await gateway.ask("ListAccounts", request)
            found += page.accounts
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        facts = [_facts(item) for item in found[:limit]]
        if as_json:
            print(json.dumps(facts, indent=2))
            return
        print(
            "\n".join(table([_COLUMNS, *([str(value) for value in row.values()] for row in facts)]))
        )

    return run_as_operator(work, env, core)


def change(env: Mapping[str, str], core: str, command: str, id_: str, reason: str) -> int:
    """Suspend or resume an account; returns the exit code."""

    async def work(gateway: Operator) -> None:
        asked = {"id": id_, "reason": reason, "request_id": uuid4().hex}
        if command == "suspend":
            await gateway.ask("SuspendAccount", pb.SuspendAccountRequest(**asked))
            print(
                "suspended: its keys and sessions stop within a second, and what runs is cancelled"
            )
            return
        await gateway.ask("ResumeAccount", pb.ResumeAccountRequest(**asked))
        print("resumed: within a second its keys work again, and its members may sign in")

    return run_as_operator(work, env, core)


def erase(env: Mapping[str, str], core: str, id_: str, reason: str, *, is_meant: bool) -> int:
    """Erase an account; returns the exit code."""
    if not is_meant:
        print("reapi: nothing brings an erased account back: say --yes", file=sys.stderr)
        return FAILED

    async def work(gateway: Operator) -> None:
        request = pb.EraseAccountRequest(id=id_, reason=reason, request_id=uuid4().hex)
        answer = await gateway.ask("EraseAccount", request)
        print(
            f"its keys and sessions have stopped, and it is being erased: {answer.rights_request}"
        )

    return run_as_operator(work, env, core)


def take_down(env: Mapping[str, str], core: str, uri: str, reason: str) -> int:
    """Delete an output by its link; returns the exit code."""

    async def work(gateway: Operator) -> None:
        request = pb.TakeDownAssetRequest(uri=uri, reason=reason, request_id=uuid4().hex)
        gone = await gateway.ask("TakeDownAsset", request)
        print(
            f"output {gone.output_index} of {gone.generation} is deleted; it was {gone.account}'s"
        )

    return run_as_operator(work, env, core)


def _facts(item: AccountOverview) -> Facts:
    return {
        "id": item.id,
        "state": _STATES.get(item.account.state, "unknown"),
        "balance": credits_text(item.balance_micros),
        "held": credits_text(item.held_micros),
        "debt": credits_text(item.debt_micros),
        "members": item.member_count,
        "made": item.account.create_time.ToDatetime(UTC).isoformat(timespec="seconds"),
        "name": item.account.display_name,
    }
