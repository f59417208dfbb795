"""The command line of `reapi margins`; what runs it is loaded then."""

# ruff: noqa: PLC0415 - other commands need none of it

import argparse
from collections.abc import Callable, Mapping

from core.settings import Settings

LONGEST_DAYS = 30
"""Usage is kept so long."""


def add_margins(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command."""
    margins = add(
        "margins",
        help="compare prices with what providers charge; exit 1 if a channel is below zero",
        description="Print what one unit brings and costs, by model, channel and case, for the "
        "shipped catalogue and the files of REAPI_CATALOGUE. Costs are the `costs` of channels; "
        "what none is known of is marked `?`, and what costs more than it brings `LOSS`.",
    )
    margins.add_argument("model", nargs="?", default="", metavar="MODEL")
    margins.add_argument(
        "--days",
        type=_days,
        metavar="N",
        help="what was really charged in the last N days, and what it cost at most, from the "
        "database of REAPI_HOME or REAPI_DATABASE_URL",
    )
    margins.add_argument("--json", action="store_true", dest="as_json", help="as JSON")
    margins.set_defaults(run=_margins)


def _days(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= LONGEST_DAYS:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be 1 to {LONGEST_DAYS} days")


def _margins(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.margins_command import show_margins, show_real_margins

    settings = Settings.from_env(env)
    if options.days is None:
        return show_margins(settings, options.model, as_json=options.as_json)
    return show_real_margins(settings, options.days, options.model, as_json=options.as_json)
