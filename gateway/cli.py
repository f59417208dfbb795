"""The `reapi` command."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import uvloop

from core.app import admin_token
from core.catalog.loader import CatalogueError
from core.keyring import KeyringError, open_keyring
from core.settings import Settings, SettingsError, process_environment
from gateway.hardening import (
    UnsafeEnvironment,
    forbid_core_dumps,
    keep_freed_memory,
    refuse_tracing,
)
from gateway.serve import ServeError, serve

EXIT_USAGE = 2
EXIT_FAILURE = 1


def main() -> None:
    """Run a command; the exit code tells the truth."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    options = _parser().parse_args(arguments)
    env = process_environment()
    try:
        refuse_tracing(env)
        settings = Settings.from_env(env)
        forbid_core_dumps()
        keep_freed_memory()
        if options.command == "admin-token":
            print(admin_token(open_keyring(settings.secret_file)))
            return 0
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve(settings, demo=options.demo))
    except (SettingsError, UnsafeEnvironment, CatalogueError) as error:
        print(f"reapi: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (KeyringError, ServeError) as error:
        print(f"reapi: {error}", file=sys.stderr)
        return EXIT_FAILURE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reapi",
        description="reAPI, an AI generation gateway. Variables named REAPI_… configure it; "
        "README.md lists them.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serving = commands.add_parser(
        "serve",
        help="run everything in one process",
        description="Run the gRPC core and the REST bridge in one process, with an embedded "
        "PostgreSQL unless REAPI_DATABASE_URL is set.",
    )
    serving.add_argument(
        "--demo",
        action="store_true",
        help="serve from the simulator instead of real providers, and make demo keys",
    )
    commands.add_parser(
        "admin-token",
        help="print the operator's token",
        description="Print the token for /api/v1/admin; it follows from REAPI_SECRET_FILE.",
    )
    return parser


def _version() -> str:
    try:
        return version("reapi")
    except PackageNotFoundError:
        return "unknown"
