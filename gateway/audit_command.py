"""`reapi audit` and `reapi abuse`: what operators did, and what looks like abuse."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.operator_link import Operator, run_as_operator
from gateway.tables import table
from reapi.v1 import admin_service_pb2 as pb
from reapi.v1.admin_pb2 import AbuseSignal, AuditEntry

_PAGE: Final = 100
_ENTRY: Final = ("TIME", "ACTION", "BY", "FROM", "ACCOUNT", "RESOURCE", "CHANGES", "REASON")
_SIGNAL: Final = ("SIGN", "OBSERVED", "THRESHOLD", "LAST SEEN", "ACCOUNT", "KEY")
_SIGNS: Final[Mapping[int, str]] = {
    AbuseSignal.TYPE_REFUSAL_RATE: "share of refused generations",
    AbuseSignal.TYPE_CARD_TESTING: "failed payments",
    AbuseSignal.TYPE_KEY_SHARING: "networks of one key on a day",
    AbuseSignal.TYPE_PROVIDER_COST: "dollars that nobody paid for",
}
_MILLI: Final = 1_000

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries to print; empty texts: all."""

    account: str
    action: str
    limit: int


def show_audit(env: Mapping[str, str], core: str, asked: Asked, *, as_json: bool) -> int:
    """Print what operators did; returns the exit code."""

    async def work(gateway: Operator) -> None:
        found: list[AuditEntry] = []
        request = pb.ListAuditEntriesRequest(
            page_size=min(asked.limit, _PAGE), account=asked.account, action=asked.action
        )
        while len(found) < asked.limit:
            page = await gateway.ask("ListAuditEntries", request)
            found += page.audit_entries
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        _print([_entry(item) for item in found[: asked.limit]], _ENTRY, as_json=as_json)

    return run_as_operator(work, env, core)


def show_abuse(env: Mapping[str, str], core: str, days: int, *, as_json: bool) -> int:
    """Print the signs of the last *days*; returns the exit code."""

    async def work(gateway: Operator) -> None:
        start = Timestamp()
        start.FromDatetime(datetime.now(UTC) - timedelta(days=days))
        found: list[AbuseSignal] = []
        request = pb.ListAbuseSignalsRequest(page_size=_PAGE, start_time=start)
        while True:
            page = await gateway.ask("ListAbuseSignals", request)
            found += page.abuse_signals
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        _print([_signal(item) for item in found], _SIGNAL, as_json=as_json)

    return run_as_operator(work, env, core)


def _print(facts: list[Facts], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    rows = [[_cell(value) for value in row.values()] for row in facts]
    print("\n".join(table([columns, *rows])))


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in sorted(value.items()))
    return str(value)


def _entry(item: AuditEntry) -> Facts:
    return {
        "time": item.create_time.ToDatetime(UTC).isoformat(timespec="seconds"),
        "action": item.action,
        "actor": item.actor,
        "network": item.network_address,
        "account": item.account.removeprefix("accounts/"),
        "resource": item.resource,
        "changes": dict(item.changes),
        "reason": item.reason,
    }


def _signal(item: AbuseSignal) -> Facts:
    return {
        "sign": _SIGNS.get(item.type, "unknown"),
        "observed": item.observed_milli / _MILLI,
        "threshold": item.threshold_milli / _MILLI,
        "last_seen": item.observe_time.ToDatetime(UTC).isoformat(timespec="seconds"),
        "account": item.account.removeprefix("accounts/"),
        "key": item.api_key.removeprefix("api_keys/"),
    }
