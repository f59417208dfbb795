"""The `reapi` command."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import rest_bridge.settings
from core.keyring import KeyringError, admin_token
from core.settings import Settings, process_environment
from core.settings_values import SettingsError
from gateway.event_loop import EventLoop
from gateway.hardening import (
    UnsafeEnvironment,
    forbid_core_dumps,
    keep_freed_memory,
    refuse_tracing,
    use_descriptors,
)
from gateway.ledger_options import add_ledger
from gateway.margins_options import add_margins
from gateway.newsletter_options import add_newsletter
from gateway.operator_options import add_operator
from gateway.payments_options import add_payments
from gateway.privacy_options import add_privacy
from gateway.process import ServeError
from gateway.promo_codes_options import add_promo_codes
from gateway.retention_options import add_retention
from gateway.secrets_options import add_secrets
from gateway.simulate_options import add_simulate

# ruff: noqa: PLC0415 - each role loads only its own parts: a bridge no database driver

EXIT_USAGE = 2
EXIT_FAILURE = 1
_WEIGHT_DIGITS = 9
"""What the contract's number has room for; the gateway takes less."""

_OF_ALL = "REAPI_BIND, REAPI_HTTP_PORT, REAPI_LOG_LEVEL, REAPI_BRIDGE_TOKEN"
_OF_CORE = (
    "REAPI_HOME, REAPI_DATABASE_URL, REAPI_BUCKET_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
    "AWS_SESSION_TOKEN, REAPI_SECRET_FILE, REAPI_MASTER_KEY_FILE, REAPI_MASTER_KEY, "
    "REAPI_KMS_COMMAND, REAPI_POLICIES, REAPI_OPERATOR_NAME, REAPI_CONTACT_EMAIL, "
    "REAPI_CATALOGUE, REAPI_WEBHOOK_NETWORKS, "
    "REAPI_STRIPE_SECRET_KEY, REAPI_STRIPE_WEBHOOK_SECRET, REAPI_STRIPE_URL, "
    "REAPI_CHECKOUT_ORIGINS, REAPI_SANDBOX, "
    "REAPI_MAIL_FROM, REAPI_CONTACT_EMAIL, REAPI_RESEND_API_KEY, REAPI_RESEND_URL, "
    "REAPI_RESEND_WEBHOOK_SECRET, REAPI_SMTP_URL, "
    "REAPI_PUBLIC_URL, REAPI_GRPC_BIND, REAPI_GRPC_PORT, REAPI_GRPC_TLS_CERT, REAPI_GRPC_TLS_KEY"
)
_OF_BRIDGE = "REAPI_CORE, REAPI_CORE_TLS_CA, REAPI_CORE_TLS_NAME, REAPI_TRUSTED_PROXIES"


def main() -> None:
    """Run a command; the exit code tells the truth."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # who reads our output has seen enough of it, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILURE
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Mapping[str, str]], int] = options.run
    env = process_environment()
    try:
        refuse_tracing(env)
        forbid_core_dumps()
        keep_freed_memory()
        use_descriptors()
        return command(options, env)
    except (SettingsError, rest_bridge.settings.SettingsError, UnsafeEnvironment) as error:
        print(f"reapi: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (KeyringError, ServeError) as error:
        print(f"reapi: {error}", file=sys.stderr)
        return EXIT_FAILURE


def _serve(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    settings = Settings.from_env(env)
    from core.catalog.loader import CatalogueError
    from gateway.serve import serve

    return _run(serve(settings, demo=options.demo), CatalogueError)


def _core(_: argparse.Namespace, env: Mapping[str, str]) -> int:
    settings = Settings.for_core(env)
    from core.catalog.loader import CatalogueError
    from gateway.core_role import run_core

    return _run(run_core(settings), CatalogueError)


def _bridge(_: argparse.Namespace, env: Mapping[str, str]) -> int:
    settings = rest_bridge.settings.ProcessSettings.from_env(env)
    from gateway.bridge_role import run_bridge

    return _run(run_bridge(settings))


def _admin_token(_: argparse.Namespace, env: Mapping[str, str]) -> int:
    print(admin_token(Settings.from_env(env).open_keyring()))
    return 0


def _catalog_check(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.catalogue_command import check

    return check(options.files or Settings.from_env(env).catalogue, env)


def _catalog_show(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.catalogue_command import show

    overlays = Settings.from_env(env).catalogue
    return show(overlays, env, options.model, as_json=options.as_json)


def _channels_list(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.channels_command import list_channels

    wish = options.model
    return list_channels(env, options.core, wish, every=options.every, as_json=options.as_json)


def _channels_show(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.channels_command import show_channel

    return show_channel(env, options.core, options.name, as_json=options.as_json)


def _channels_admit(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.channels_command import admit

    return admit(env, options.core, options.name, options.channels, as_json=options.as_json)


def _channels_weight(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.channels_command import weigh

    return weigh(env, options.core, options.name, options.weight, as_json=options.as_json)


def _run(role: Coroutine[object, object, int], *usage_errors: type[Exception]) -> int:
    """Run *role* to its end; *usage_errors* are the operator's to correct."""
    try:
        with asyncio.Runner(loop_factory=EventLoop) as runner:
            return runner.run(role)
    except usage_errors as error:
        print(f"reapi: {error}", file=sys.stderr)
        return EXIT_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reapi",
        description="reAPI, an AI generation gateway. Variables named REAPI_… configure it; "
        "README.md lists them.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_roles(commands.add_parser)
    commands.add_parser(
        "admin-token",
        help="print the operator's token",
        description="Print the token for /api/v1/admin; it follows from REAPI_SECRET_FILE.",
    ).set_defaults(run=_admin_token)
    catalog = commands.add_parser(
        "catalog",
        help="check the catalogue, or show what it offers",
        description="Look at the catalogue that a gateway would load: the shipped files, and "
        "those of REAPI_CATALOGUE laid over them. Nothing is started.",
    )
    _add_catalog(catalog)
    add_simulate(
        commands.add_parser(
            "simulate",
            help="replay what happened under another policy",
            description="Record a trace of this gateway, or make one, and replay it through the "
            "gateway's own policy machines on virtual time. Nothing is sent to anybody.",
        )
    )
    add_ledger(commands.add_parser)
    add_margins(commands.add_parser)
    add_payments(commands.add_parser)
    add_newsletter(commands.add_parser)
    add_privacy(commands.add_parser)
    add_promo_codes(commands.add_parser)
    add_retention(commands.add_parser)
    add_secrets(commands.add_parser)
    add_operator(commands.add_parser)
    _add_channels(
        commands.add_parser(
            "channels",
            help="list, drain, disable and re-weight the channels of a running gateway",
            description="Ask a running gateway over gRPC, as its operator. Where it is follows "
            "from its own variables (REAPI_HOME, REAPI_GRPC_BIND, REAPI_GRPC_PORT), or is "
            "REAPI_CORE, with TLS as for a bridge. The token is REAPI_ADMIN_TOKEN, or follows "
            "from the gateway's REAPI_SECRET_FILE. What is changed holds in every process within "
            "a second, outlives restarts and reloads, and is noted in the audit log.",
        )
    )
    return parser


def _add_roles(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add what serves."""
    serving = add(
        "serve",
        help="run everything in one process",
        description="Run the gRPC core and the REST bridge in one process, with an embedded "
        "PostgreSQL unless REAPI_DATABASE_URL is set.",
        epilog=f"Variables: {_OF_ALL}, {_OF_CORE}.",
    )
    serving.set_defaults(run=_serve)
    serving.add_argument(
        "--demo",
        action="store_true",
        help="serve from the simulator instead of real providers, and make demo keys",
    )
    add(
        "core",
        help="run the gRPC core alone, for bridges and native callers",
        description="Run the gRPC core without REST: on TCP with TLS, on loopback, or on a Unix "
        "socket (REAPI_GRPC_BIND). Its HTTP port answers /healthz, /readyz and /metrics only. "
        "Links to outputs start with REAPI_PUBLIC_URL, which must be set.",
        epilog=f"Variables: {_OF_ALL}, {_OF_CORE}.",
    ).set_defaults(run=_core)
    add(
        "bridge",
        help="run the REST bridge alone, in front of a core elsewhere",
        description="Run REST in front of the core at REAPI_CORE (host:port, or unix:/path). It "
        "needs neither a database nor secrets, and answers 503 while core is away. TLS "
        "(REAPI_CORE_TLS_CA) is required unless core is on this machine.",
        epilog=f"Variables: {_OF_ALL}, {_OF_BRIDGE}.",
    ).set_defaults(run=_bridge)


def _add_catalog(parser: argparse.ArgumentParser) -> None:
    """Add what can be asked about the catalogue."""
    catalog = parser.add_subparsers(dest="catalog", required=True, metavar="COMMAND")
    checking = catalog.add_parser(
        "check",
        help="say what is wrong, by file and line; exit 1 if anything is",
        description="Print every mistake with its file, line, key and remedy, and the channels "
        "that would be left out.",
    )
    checking.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="instead of those of REAPI_CATALOGUE"
    )
    checking.set_defaults(run=_catalog_check)
    showing = catalog.add_parser(
        "show",
        help="print models, prices and channels in order",
        description="Print what each model costs, and its channels in order, with what each of "
        "them cannot do.",
    )
    showing.add_argument("model", nargs="?", default="", metavar="MODEL")
    showing.add_argument("--json", action="store_true", dest="as_json", help="as JSON")
    showing.set_defaults(run=_catalog_show)


def _add_channels(parser: argparse.ArgumentParser) -> None:
    """Add what can be done with channels."""
    channels = parser.add_subparsers(dest="channels", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--core", default="", metavar="ADDRESS", help="host:port or unix:/path; else REAPI_CORE"
    )
    common.add_argument("--json", action="store_true", dest="as_json", help="as JSON")
    listing = channels.add_parser("list", parents=[common], help="all channels, with their health")
    listing.add_argument("--model", default="", metavar="MODEL", help="only those that serve it")
    listing.add_argument(
        "--all", action="store_true", dest="every", help="also those that cannot be used here"
    )
    listing.set_defaults(run=_channels_list)
    for name, text, command in (
        ("show", "one channel, with the health of each operation", _channels_show),
        ("drain", "no new attempts; what runs is finished", _channels_admit),
        ("disable", "no new attempts; recorded jobs are still followed", _channels_admit),
        ("open", "take requests again", _channels_admit),
        ("weight", "its share among channels of one priority", _channels_weight),
    ):
        one = channels.add_parser(name, parents=[common], help=text, description=f"{text}.")
        one.add_argument("name", metavar="CHANNEL")
        one.set_defaults(run=command)
        if name == "weight":
            one.add_argument(
                "weight",
                metavar="WEIGHT",
                type=_weight,
                help="a whole number above 0, or `catalogue` for the one that is written there",
            )


def _weight(text: str) -> int:
    """What `weight` takes; 0 stands for the catalogue's."""
    if text == "catalogue":
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= _WEIGHT_DIGITS and int(text) > 0):
        raise argparse.ArgumentTypeError("must be a whole number above 0, or `catalogue`")
    return int(text)


def _version() -> str:
    try:
        return version("reapi")
    except PackageNotFoundError:
        return "unknown"
