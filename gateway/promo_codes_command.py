"""`reapi promo-codes`: makes, lists and stops promotional codes of a running gateway."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from core.services.money import credits_text
from gateway.operator_link import Operator, run_as_operator
from gateway.tables import table
from reapi.v1 import admin_service_pb2 as pb
from reapi.v1.admin_pb2 import PromoCode

_PAGE: Final = 100
_PREFIX: Final = "promo_codes/"
_COLUMNS: Final = ("ID", "CREDITS", "REDEEMED", "LIMIT", "EXPIRES", "STATE", "NAME")

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewCode:
    """A code to be made."""

    credited_micros: int
    redemption_limit: int
    """0: any number of accounts."""
    lasts: timedelta | None
    display_name: str


def create(env: Mapping[str, str], core: str, new: NewCode, *, as_json: bool) -> int:
    """Make a code and print it; returns the exit code."""

    async def work(gateway: Operator) -> None:
        wanted = PromoCode(
            display_name=new.display_name,
            credited_micros=new.credited_micros,
            redemption_limit=new.redemption_limit,
        )
        if new.lasts is not None:
            wanted.expire_time.FromDatetime(datetime.now(UTC) + new.lasts)
        made = await gateway.ask("CreatePromoCode", pb.CreatePromoCodeRequest(promo_code=wanted))
        facts = {**_facts(made.promo_code), "code": made.code}
        print(json.dumps(facts, indent=2) if as_json else made.code)

    return run_as_operator(work, env, core)


def list_codes(env: Mapping[str, str], core: str, *, as_json: bool) -> int:
    """Print all codes, newest first; returns the exit code."""

    async def work(gateway: Operator) -> None:
        found: list[PromoCode] = []
        request = pb.ListPromoCodesRequest(page_size=_PAGE)
        while True:
            page = await gateway.ask("ListPromoCodes", request)
            found += page.promo_codes
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        if as_json:
            print(json.dumps([_facts(item) for item in found], indent=2))
            return
        print("\n".join(table([_COLUMNS, *(_row(item) for item in found)])))

    return run_as_operator(work, env, core)


def disable(env: Mapping[str, str], core: str, name: str, *, as_json: bool) -> int:
    """Stop a code; returns the exit code."""

    async def work(gateway: Operator) -> None:
        request = pb.DisablePromoCodeRequest(name=_PREFIX + name.removeprefix(_PREFIX))
        item = (await gateway.ask("DisablePromoCode", request)).promo_code
        if as_json:
            print(json.dumps(_facts(item), indent=2))
            return
        print(f"stopped; {item.redemption_count} accounts have redeemed it and keep their credits")

    return run_as_operator(work, env, core)


def _facts(item: PromoCode) -> Facts:
    expires = item.expire_time.ToDatetime(UTC) if item.HasField("expire_time") else None
    return {
        "id": item.name.removeprefix(_PREFIX),
        "name": item.display_name,
        "credits": credits_text(item.credited_micros),
        "redeemed": item.redemption_count,
        "limit": item.redemption_limit or None,
        "expires": None if expires is None else expires.isoformat(timespec="seconds"),
        "state": _state(item, expires),
    }


def _state(item: PromoCode, expires: datetime | None) -> str:
    if item.disabled:
        return "stopped"
    if expires is not None and expires <= datetime.now(UTC):
        return "expired"
    is_used_up = item.redemption_limit and item.redemption_count >= item.redemption_limit
    return "used up" if is_used_up else "open"


def _row(item: PromoCode) -> tuple[str, ...]:
    facts = _facts(item)
    keys = ("id", "credits", "redeemed", "limit", "expires", "state", "name")
    return tuple("-" if facts[key] is None else str(facts[key]) for key in keys)
