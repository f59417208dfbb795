"""The command line of `reapi privacy`; what runs it is loaded then."""

# ruff: noqa: PLC0415 - other commands need none of it

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from core.settings import Settings


def add_privacy(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command."""
    privacy = add("privacy", help="prove that a running gateway keeps nothing that it must not")
    commands = privacy.add_subparsers(required=True, metavar="COMMAND")
    proving = commands.add_parser(
        "prove",
        help="plant canaries everywhere, search for them, sign a report; exit 1 if one was found",
        description="Ask a running gateway for everything that there is, over REST and gRPC, with "
        "a word that stands nowhere else in every field; then look for these words in the "
        "database, the bucket, logs, files and processes that can be reached from here "
        "(REAPI_HOME, REAPI_DATABASE_URL, REAPI_BUCKET_URL as the gateway has them). Exit code 0: "
        "nothing was found; 1: something was; 3: nothing could be searched. A demo with this "
        "REAPI_HOME needs no option but --yes: its key is live. Use a key of an account that "
        "nobody else uses.",
    )
    proving.add_argument("--rest", default="", metavar="URL", help="where REST is")
    proving.add_argument(
        "--grpc", default="", metavar="ADDRESS", help="host:port or unix:/path; TLS as REAPI_CORE"
    )
    for name, what, variable in (
        ("--key", "an API key, best one that begins with rk_test_", "REAPI_API_KEY"),
        ("--session", "the session of a person made for this; it is ended", "REAPI_SESSION"),
        ("--admin-token", "the operator's token", "REAPI_ADMIN_TOKEN"),
    ):
        proving.add_argument(
            name,
            default="",
            type=_secret,
            metavar="@FILE",
            help=f"{what}; else {variable}. @FILE reads it from a file: others see command lines",
        )
    proving.add_argument(
        "--model", default="gpt-image-2", metavar="MODEL", help="of pictures; gpt-image-2"
    )
    proving.add_argument(
        "--log", action="append", type=Path, default=[], metavar="FILE", help="may be repeated"
    )
    proving.add_argument(
        "--pid",
        action="append",
        type=int,
        default=[],
        metavar="PID",
        help="a gateway's process; else those that look like one. May be repeated",
    )
    proving.add_argument("--json", type=Path, metavar="FILE", help="write the signed report")
    proving.add_argument("--yes", action="store_true", help="pay what a live key pays")
    proving.set_defaults(run=_prove)


def _secret(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text().strip()
    except OSError:
        raise argparse.ArgumentTypeError("there is no such file") from None


def _prove(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.privacy_command import Options, prove
    from gateway.proof.deployment import Places

    asked = Options(
        rest=options.rest,
        grpc=options.grpc,
        key=options.key,
        session=options.session,
        token=options.admin_token,
        model=options.model,
        places=Places(options.log, options.pid),
        file=options.json,
        yes=options.yes,
    )
    return prove(Settings.from_env(env), env, asked)
