"""The command line of `reapi promo-codes`; what runs it is loaded only then."""

# ruff: noqa: PLC0415 - other commands need none of it

import argparse
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

_CREDITS = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?\Z")
_MICROS: Final = 1_000
"""Micro-dollars of a credit."""
_DIGITS: Final = 9
"""What the contract's number has room for."""
_LONGEST_DAYS: Final = 3_650
"""Ten years: more is no date that anybody means."""


def add_promo_codes(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the three commands."""
    parser = add(
        "promo-codes",
        help="make, list and stop promotional codes of a running gateway",
        description="Ask a running gateway over gRPC, as its operator: REAPI_CORE and "
        "REAPI_ADMIN_TOKEN as for `reapi channels`.",
    )
    commands = parser.add_subparsers(dest="promo_codes", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--core", default="", metavar="ADDRESS", help="host:port or unix:/path; else REAPI_CORE"
    )
    shared.add_argument("--json", action="store_true", dest="as_json", help="as JSON")
    making = commands.add_parser(
        "create",
        parents=[shared],
        help="make a code and print it: it is shown only now",
        description="Make a code and print it. It is stored nowhere, so it is shown only now.",
    )
    making.add_argument("credits", type=_credits, metavar="CREDITS", help="what it gives: 2500")
    making.add_argument(
        "--limit", type=_count, default=0, metavar="N", help="accounts that may redeem it; else any"
    )
    making.add_argument("--days", type=_days, metavar="N", help="how long; else for ever")
    making.add_argument("--name", default="", metavar="TEXT", help="what you call it")
    making.set_defaults(run=_create)
    commands.add_parser("list", parents=[shared], help="all codes, newest first").set_defaults(
        run=_list
    )
    stopping = commands.add_parser(
        "disable", parents=[shared], help="stop a code; what it gave stays"
    )
    stopping.add_argument("name", metavar="ID", help="as `list` prints it")
    stopping.set_defaults(run=_disable)


def _create(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.promo_codes_command import NewCode, create

    new = NewCode(options.credits, options.limit, options.days, options.name)
    return create(env, options.core, new, as_json=options.as_json)


def _list(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.promo_codes_command import list_codes

    return list_codes(env, options.core, as_json=options.as_json)


def _disable(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.promo_codes_command import disable

    return disable(env, options.core, options.name, as_json=options.as_json)


def _credits(text: str) -> int:
    """In micro-dollars."""
    found = _CREDITS.match(text)
    if found is None or not text.strip("0."):
        raise argparse.ArgumentTypeError("must be credits above 0, for example 2500 or 0.5")
    return int(found[1]) * _MICROS + int((found[2] or "").ljust(3, "0"))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise argparse.ArgumentTypeError("must be a whole number; 0 means any number")
    return int(text)


def _days(text: str) -> timedelta:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:_DIGITS]) <= _LONGEST_DAYS):
        raise argparse.ArgumentTypeError(f"must be 1 to {_LONGEST_DAYS} days")
    return timedelta(days=int(text))
