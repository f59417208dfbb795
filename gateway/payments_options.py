"""The command line of `reapi payments`; what runs it is loaded then."""

# ruff: noqa: PLC0415 - other commands need none of it

import argparse
from collections.abc import Callable, Mapping

from core.settings import Settings

DAYS = 3
LONGEST_DAYS = 3_660
"""Ten years: more than payments are kept."""


def add_payments(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command."""
    payments = add("payments", help="compare the payments at Stripe with the ledger")
    sweep = payments.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "sweep",
        help="mend what does not agree; exit 1 if something cannot be mended",
        description="Look at every payment of the last days at Stripe, and at every open one, and "
        "book what the ledger misses: as the gateway does every ten minutes, beside it if it runs.",
    )
    sweep.add_argument(
        "--days", type=_days, default=DAYS, metavar="N", help=f"how far back ({DAYS})"
    )
    sweep.set_defaults(run=_sweep)


def _days(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= LONGEST_DAYS:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be 1 to {LONGEST_DAYS} days")


def _sweep(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.payments_command import sweep_payments

    return sweep_payments(Settings.from_env(env), options.days)
