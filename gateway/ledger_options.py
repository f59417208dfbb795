"""The command lines of `reapi export-ledger` and `verify-ledger`; what runs them is loaded then."""

# ruff: noqa: PLC0415 - other commands need none of it

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

from core.settings import Settings

_KEY_DIGITS = 64
_OF_DATABASE = "REAPI_HOME or REAPI_DATABASE_URL"


def add_ledger(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add both commands."""
    exporting = add(
        "export-ledger",
        help="write the ledger, with its seals, to a file",
        description="Write every row of the ledger with its place in the hash chain, the seals "
        "and the balances, as they are at this moment in the database of "
        f"{_OF_DATABASE}, as lines of JSON. Nothing is written there, and nobody waits.",
    )
    _add_account(exporting)
    exporting.add_argument("file", type=Path, metavar="FILE")
    exporting.set_defaults(run=_export)
    verifying = add(
        "verify-ledger",
        help="recompute the ledger and name the first bad row; exit 1 if there is one",
        description="Recompute every digest, signature and balance, of a file that export-ledger "
        f"wrote or of the database of {_OF_DATABASE}. Exit code 0: it is what was sealed; 1: the "
        "first bad row of each account is named; 2: it could not be read.",
    )
    source = verifying.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", type=Path, metavar="FILE")
    source.add_argument("--database", action="store_true", help="the gateway's own database")
    _add_account(verifying, " (with --database)")
    verifying.add_argument(
        "--key",
        action="append",
        type=_key,
        default=[],
        dest="keys",
        metavar="HEX",
        help="trust this public key of 64 hex digits, and no other; may be repeated",
    )
    verifying.add_argument(
        "--own-keys",
        action="store_true",
        help="trust the keys that follow from REAPI_SECRET_FILE, not those that a file names",
    )
    verifying.set_defaults(run=_verify)


def _add_account(parser: argparse.ArgumentParser, when: str = "") -> None:
    parser.add_argument(
        "--account", type=_account, metavar="ID", help=f"only this one; else all{when}"
    )


def _account(text: str) -> UUID:
    try:
        return UUID(hex=text.removeprefix("accounts/"))
    except ValueError:
        raise argparse.ArgumentTypeError("must be the id of an account: 32 hex digits") from None


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(text) != _KEY_DIGITS or len(key) * 2 != _KEY_DIGITS:
        raise argparse.ArgumentTypeError(f"must be a public key: {_KEY_DIGITS} hex digits")
    return key


def _export(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.verify_command import export_ledger

    return export_ledger(Settings.from_env(env), options.file, options.account)


def _verify(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.verify_command import own_keys, verify_database, verify_file

    settings = Settings.from_env(env)
    keys = options.keys or (own_keys(settings) if options.own_keys else [])
    if options.database:
        return verify_database(settings, options.account, keys)
    return verify_file(options.file, keys)
