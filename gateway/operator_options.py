"""The command lines of what operators do with accounts, outputs and logs; run what they name."""

# ruff: noqa: PLC0415 - other commands need none of it

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Final

_HOW: Final = (
    "Ask a running gateway over gRPC, as its operator: REAPI_CORE and REAPI_ADMIN_TOKEN as for "
    "`reapi channels`."
)
_MOST: Final = 10_000
"""Lines of a report: more are for a program, which asks the gateway page by page."""


def add_operator(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--core", default="", metavar="ADDRESS", help="host:port or unix:/path; else REAPI_CORE"
    )
    shared.add_argument("--json", action="store_true", dest="as_json", help="as JSON")
    _add_accounts(add, shared)
    taking = add(
        "takedown",
        parents=[shared],
        help="delete an output by its link, and keep it deleted",
        description=f"{_HOW} The link is dead at once; caches hold it for five minutes at most.",
    )
    taking.add_argument(
        "uri",
        metavar="URL",
        help="its public link: …/media/tasks/…; - reads it from standard input",
    )
    _add_reason(taking)
    taking.set_defaults(run=_take_down)
    audit = add(
        "audit", parents=[shared], help="what operators did, newest first", description=_HOW
    )
    audit.add_argument("--account", default="", metavar="ID", help="only what was done to it")
    audit.add_argument("--action", default="", metavar="WORD", help="only this: account.suspend")
    audit.add_argument("--limit", type=_count, default=50, metavar="N", help="how many; 50")
    audit.set_defaults(run=_audit)
    abuse = add(
        "abuse",
        parents=[shared],
        help="accounts that behave as abusers do, strongest first",
        description=f"{_HOW} Nothing follows from a sign by itself.",
    )
    abuse.add_argument("--days", type=_count, default=7, metavar="N", help="how far back; 7")
    abuse.set_defaults(run=_abuse)


def _add_accounts(
    add: Callable[..., argparse.ArgumentParser], shared: argparse.ArgumentParser
) -> None:
    parser = add(
        "accounts",
        help="find, suspend, resume and erase accounts of a running gateway",
        description=_HOW,
    )
    commands = parser.add_subparsers(dest="accounts", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", parents=[shared], help="accounts, newest first")
    listing.add_argument(
        "filter",
        nargs="?",
        default="",
        metavar="WHAT",
        help="the id of an account, key, generation or payment, or a member's e-mail address; "
        "- reads it from standard input",
    )
    listing.add_argument("--limit", type=_count, default=50, metavar="N", help="how many; 50")
    listing.set_defaults(run=_list)
    for name, text in (
        ("suspend", "stop all keys and sessions within a second; what runs is cancelled"),
        ("resume", "lift a suspension"),
        ("erase", "erase an account as its owner would; this cannot be undone"),
    ):
        one = commands.add_parser(name, parents=[shared], help=text, description=f"{text}.")
        one.add_argument("id", metavar="ID", help="as `list` prints it")
        _add_reason(one)
        if name == "erase":
            one.add_argument("--yes", action="store_true", help="really: nothing brings it back")
        one.set_defaults(run=_change)


def _add_reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason", default="", metavar="TEXT", help="for the audit log; name no persons"
    )


def _told(text: str) -> str:
    """What is given; `-` stands for a line of standard input, which no list of processes shows."""
    return sys.stdin.readline().strip() if text == "-" else text


def _list(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.accounts_command import list_accounts

    wish = _told(options.filter)
    return list_accounts(env, options.core, wish, options.limit, as_json=options.as_json)


def _change(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.accounts_command import change, erase

    if options.accounts == "erase":
        is_meant: bool = options.yes
        return erase(env, options.core, options.id, options.reason, is_meant=is_meant)
    return change(env, options.core, options.accounts, options.id, options.reason)


def _take_down(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.accounts_command import take_down

    return take_down(env, options.core, _told(options.uri), options.reason)


def _audit(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.audit_command import Asked, show_audit

    asked = Asked(options.account, options.action, options.limit)
    return show_audit(env, options.core, asked, as_json=options.as_json)


def _abuse(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.audit_command import show_abuse

    return show_abuse(env, options.core, options.days, as_json=options.as_json)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {_MOST}")
    return int(text)
