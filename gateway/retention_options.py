"""The command line of `reapi retention`; what runs it is loaded then."""

# ruff: noqa: PLC0415 - other commands need none of it

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from core.settings import Settings


def add_retention(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command."""
    retention = add("retention", help="show and apply the rules of how long what is kept")
    commands = retention.add_subparsers(required=True, metavar="COMMAND")
    report = commands.add_parser(
        "report", help="print every rule, what is due, and the oldest that there is"
    )
    report.add_argument("--at", type=_moment, metavar="TIME", help="as if it were TIME (ISO 8601)")
    report.set_defaults(run=_report)
    run = commands.add_parser(
        "run",
        help="do now what is due",
        description="Remove outputs and archives from the bucket and delete rows whose time is "
        "over: as the gateway does every hour, beside it if it runs.",
    )
    run.add_argument("--now", action="store_true", required=True, help="do it: nothing asks again")
    run.add_argument(
        "--at",
        type=_moment,
        metavar="TIME",
        help="as if it were TIME (ISO 8601); payments go by the database's clock all the same",
    )
    run.set_defaults(run=_run)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a time like 2027-01-31T12:00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _report(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.retention_command import report_retention

    return report_retention(Settings.from_env(env), options.at)


def _run(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.retention_command import run_retention

    return run_retention(Settings.from_env(env), options.at)
