"""The command line of `reapi newsletter`; what runs it is loaded then."""

# ruff: noqa: PLC0415 - other commands need none of it

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from core.settings import Settings


def add_newsletter(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command."""
    newsletter = add("newsletter", help="send a letter to everybody who wants it")
    send = newsletter.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "send",
        help="queue a letter; the running gateway sends it",
        description="Without --yes, say how many people would get it, and stop. The same letter "
        "goes to nobody twice, however often the command is run. Text and HTML get a frame, and a "
        "link to stop such letters with one click.",
    )
    send.add_argument("--subject", required=True, metavar="TEXT", help="the subject, in one line")
    send.add_argument("--text", required=True, type=Path, metavar="FILE", help="as plain text")
    send.add_argument("--html", type=Path, metavar="FILE", help="as HTML, what goes into <body>")
    send.add_argument(
        "--product",
        action="store_true",
        help="about new models: to those who want product notices, not the newsletter",
    )
    send.add_argument("--yes", action="store_true", help="send it")
    send.set_defaults(run=_send)


def _send(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.newsletter_command import read_issue, send_issue

    issue = read_issue(options.subject, options.text, options.html, is_product=options.product)
    return send_issue(Settings.from_env(env), issue, is_sure=options.yes)
