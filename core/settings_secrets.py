"""What the secret file is wrapped by: a master key or a command; nothing, where none is set."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.key_service import KeyCommand, KeyService, MasterKey, read_master_key
from core.settings_values import SettingsError

_FILE: Final = "REAPI_MASTER_KEY_FILE"
_KEY: Final = "REAPI_MASTER_KEY"
_COMMAND: Final = "REAPI_KMS_COMMAND"
_LONGEST_FILE: Final = 4096


def key_service(env: Mapping[str, str]) -> KeyService | None:
    """Read and check; raises SettingsError, which shows nothing of a key."""
    given = [name for name in (_FILE, _KEY, _COMMAND) if env.get(name)]
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(given)} exclude each other: set one")
    if not given:
        return None
    name = given[0]
    if name == _COMMAND:
        return _command(env)
    text = env[name] if name == _KEY else _content(Path(env[name]))
    key = read_master_key(text)
    if key is None:
        raise SettingsError(
            f"{name} must {'be' if name == _KEY else 'hold'} 32 random bytes in base64: "
            f"`openssl rand -base64 32` makes some"
        )
    return MasterKey(key)


def _command(env: Mapping[str, str]) -> KeyService:
    try:
        words = shlex.split(env[_COMMAND])
    except ValueError:
        words = []
    if not words:
        raise SettingsError(f"{_COMMAND} must be a command with its arguments")
    return KeyCommand(words, env)


def _content(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            return file.read(_LONGEST_FILE)
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{_FILE} cannot be read: {path.name}") from None
