"""The command line of `reapi secrets`; what runs it is loaded then."""

# ruff: noqa: PLC0415 - other commands need none of it

import argparse
from collections.abc import Callable, Mapping

from core.settings import Settings

Run = Callable[[argparse.Namespace, Mapping[str, str]], int]


def add_secrets(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands."""
    secrets = add(
        "secrets",
        help="rotate the server keys, wrap them, seal files of credentials",
        description="The keys of REAPI_SECRET_FILE, and what is sealed under it: docs/secrets.md.",
    )
    commands = secrets.add_subparsers(required=True, metavar="COMMAND")
    rotate = _command(
        commands.add_parser,
        "rotate",
        "put a new server key in front; what was sealed before can still be read",
        _rotate,
    )
    rotate.add_argument(
        "--prepare",
        action="store_true",
        help="only make the key known: with several processes do this first, and restart them all",
    )
    _command(commands.add_parser, "reseal", "seal again what needs an older key", _reseal)
    _command(
        commands.add_parser, "status", "what needs an older key; exit 1 if anything does", _status
    )
    retire = _command(
        commands.add_parser, "retire", "drop the older keys, if nothing needs them", _retire
    )
    retire.add_argument(
        "--break-digests",
        action="store_true",
        help="drop them although API keys, promotional codes or sessions made under them end",
    )
    _command(commands.add_parser, "wrap", "have the master key or the service wrap the file", _wrap)
    _command(commands.add_parser, "unwrap", "write the file in the clear again", _unwrap)
    _command(
        commands.add_parser,
        "seal",
        "seal a credential: from standard input to standard output",
        _seal,
    )


def _command(
    add: Callable[..., argparse.ArgumentParser], name: str, text: str, run: Run
) -> argparse.ArgumentParser:
    command = add(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.set_defaults(run=run)
    return command


def _rotate(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.secrets_command import rotate

    return rotate(Settings.from_env(env), prepare=options.prepare)


def _reseal(_: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.secrets_command import reseal

    return reseal(Settings.from_env(env))


def _status(_: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.secrets_command import status

    return status(Settings.from_env(env))


def _retire(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.secrets_command import retire

    return retire(Settings.from_env(env), break_digests=options.break_digests)


def _wrap(_: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.secrets_command import wrap

    return wrap(Settings.from_env(env), wrapped=True)


def _unwrap(_: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.secrets_command import wrap

    return wrap(Settings.from_env(env), wrapped=False)


def _seal(_: argparse.Namespace, env: Mapping[str, str]) -> int:
    from gateway.secrets_command import seal

    return seal(Settings.from_env(env))
