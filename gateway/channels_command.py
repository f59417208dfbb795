"""`reapi channels`: lists, drains, disables and re-weights the channels of a running gateway."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask

from gateway.operator_link import NotFoundError, Operator, OperatorError, run_as_operator
from gateway.tables import table
from reapi.v1 import admin_service_pb2 as pb
from reapi.v1.admin_pb2 import Channel, ChannelHealth

AS_CATALOGUE: Final = 0
"""The weight that is none: the catalogue's holds again."""
ADMISSIONS: Final[Mapping[str, Channel.Admission]] = {
    "open": Channel.ADMISSION_OPEN,
    "drain": Channel.ADMISSION_DRAINING,
    "disable": Channel.ADMISSION_DISABLED,
}
"""What each command makes of a channel."""
_PAGE: Final = 100
_WORDS: Final[Mapping[int, str]] = {
    Channel.ADMISSION_OPEN: "open",
    Channel.ADMISSION_DRAINING: "draining",
    Channel.ADMISSION_DISABLED: "disabled",
}
_STATES: Final[Mapping[int, str]] = {
    ChannelHealth.STATE_UNTRIED: "untried",
    ChannelHealth.STATE_HEALTHY: "healthy",
    ChannelHealth.STATE_HALF_OPEN: "half-open",
    ChannelHealth.STATE_EJECTED: "ejected",
}
"""From the best to the worst."""
_COLUMNS: Final = (
    "CHANNEL",
    "ADMISSION",
    "PRIORITY",
    "WEIGHT",
    "HEALTH",
    "IN FLIGHT",
    "SUCCESS",
    "P95",
    "MODELS",
)

Facts = dict[str, Any]


def list_channels(
    env: Mapping[str, str], core: str, model: str = "", *, every: bool, as_json: bool
) -> int:
    """Print the channels, those that are left out too if *every*; returns the exit code."""

    async def work(gateway: Operator) -> None:
        channels = await _all(gateway, model)
        shown = [item for item in channels if every or item.credential_present]
        if as_json:
            print(json.dumps([_facts(item) for item in shown], indent=2))
            return
        print("\n".join(table([_COLUMNS, *(_row(item) for item in shown)])))
        if hidden := len(channels) - len(shown):
            print(f"{hidden} more cannot be used here, as without a credential: --all shows them")

    return run_as_operator(work, env, core)


def show_channel(env: Mapping[str, str], core: str, name: str, *, as_json: bool) -> int:
    """Print what is known of one channel; returns the exit code."""

    async def work(gateway: Operator) -> None:
        request = pb.GetChannelRequest(name=f"channels/{name}")
        _print((await _named(gateway, name, "GetChannel", request)).channel, as_json=as_json)

    return run_as_operator(work, env, core)


def admit(env: Mapping[str, str], core: str, name: str, command: str, *, as_json: bool) -> int:
    """Open, drain or disable one channel; returns the exit code."""
    wanted = Channel(name=f"channels/{name}", admission=ADMISSIONS[command])
    return _update(env, core, wanted, "admission", as_json=as_json)


def weigh(env: Mapping[str, str], core: str, name: str, weight: int, *, as_json: bool) -> int:
    """Give one channel a weight, or the catalogue's again; returns the exit code."""
    wanted = Channel(name=f"channels/{name}", weight=weight or None)
    return _update(env, core, wanted, "weight", as_json=as_json)


def _update(env: Mapping[str, str], core: str, wanted: Channel, path: str, *, as_json: bool) -> int:
    async def work(gateway: Operator) -> None:
        request = pb.UpdateChannelRequest(channel=wanted, update_mask=FieldMask(paths=[path]))
        found = (await _named(gateway, _short(wanted), "UpdateChannel", request)).channel
        if as_json:
            _print(found, as_json=True)
            return
        running = sum(health.in_flight_count for health in found.health[:1])
        print(
            f"{_short(found)} is {_WORDS[found.admission]}, with weight {found.weight}; this holds "
            f"everywhere within a second. In flight where it was asked: {running}"
        )

    return run_as_operator(work, env, core)


async def _all(gateway: Operator, model: str = "") -> list[Channel]:
    found: list[Channel] = []
    request = pb.ListChannelsRequest(page_size=_PAGE, models=[model] if model else [])
    while True:
        page = await gateway.ask("ListChannels", request)
        found += page.channels
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def _named(gateway: Operator, name: str, method: str, request: Any) -> Any:
    """Ask about one channel; where there is none, say which are called alike."""
    try:
        return await gateway.ask(method, request)
    except NotFoundError:
        names = [_short(item) for item in await _all(gateway)]
        near = get_close_matches(name, names, n=3) or [n for n in names if name in n][:3]
        hint = f"; did you mean {' or '.join(near)}?" if near else ": `reapi channels list --all`"
        raise OperatorError(f"there is no channel of that name{hint}") from None


def _print(item: Channel, *, as_json: bool) -> None:
    facts = _facts(item)
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    health = facts.pop("health")
    facts["models"] = ", ".join(facts["models"])
    width = max(len(name) for name in facts)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items() if value != ""))
    for each in health:
        said = ", ".join(
            f"{name} {value}" for name, value in each.items() if value not in ("", None)
        )
        print(f"{'health':<{width}}  {said}")


def _facts(item: Channel) -> Facts:
    return {
        "name": _short(item),
        "admission": _WORDS[item.admission],
        "weight": item.weight,
        "priority": item.priority,
        "provider": item.provider,
        "dialect": item.dialect,
        "region": item.region,
        "models": list(item.models),
        "usable": item.credential_present,
        "left_out": item.disabled_reason,
        "etag": item.etag,
        "health": [_health(each) for each in item.health],
    }


def _health(each: ChannelHealth) -> Facts:
    is_measured = each.HasField("latency_p95")
    ends = each.eject_end_time.ToDatetime(UTC) if each.HasField("eject_end_time") else None
    return {
        "operation": each.operation,
        "state": _STATES[each.state],
        "until": "" if ends is None else ends.isoformat(timespec="seconds"),
        "last_fault": each.last_fault,
        "consecutive_faults": each.consecutive_fault_count,
        "in_flight": each.in_flight_count,
        "success_permille": None if _is_untried(each) else each.success_permille,
        "latency_ms": each.latency.ToMilliseconds() if each.HasField("latency") else None,
        "latency_p95_ms": each.latency_p95.ToMilliseconds() if is_measured else None,
    }


def _row(item: Channel) -> tuple[str, ...]:
    """One line of the list: the worst of its operations decides."""
    order = list(_STATES)
    health = sorted(item.health, key=lambda each: order.index(each.state))
    worst = health[-1] if health else ChannelHealth(state=ChannelHealth.STATE_UNTRIED)
    p95 = max((each.latency_p95.ToMilliseconds() for each in health), default=0)
    tried = [each.success_permille for each in health if not _is_untried(each)]
    return (
        _short(item),
        _WORDS[item.admission] if item.credential_present else "left out",
        str(item.priority),
        str(item.weight),
        _STATES[worst.state] + _since(worst),
        # What is in flight is the channel's, whichever operation is asked.
        str(health[0].in_flight_count if health else 0),
        f"{min(tried) / 10:g} %" if tried else "-",
        f"{p95 / 1000:.1f} s" if p95 else "-",
        ", ".join(item.models[:3]) + (" …" if len(item.models) > 3 else ""),
    )


def _since(each: ChannelHealth) -> str:
    """Why it is ejected, and for how long still."""
    if each.state != ChannelHealth.STATE_EJECTED:
        return ""
    left = each.eject_end_time.ToDatetime(UTC) - datetime.now(UTC)
    return f" ({each.last_fault}, {max(0, round(left.total_seconds()))} s)"


def _is_untried(each: ChannelHealth) -> bool:
    return each.state == ChannelHealth.STATE_UNTRIED


def _short(item: Channel) -> str:
    return item.name.removeprefix("channels/")
