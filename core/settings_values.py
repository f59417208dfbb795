"""What variables of the environment are read with: every refusal names the variable."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit


class SettingsError(Exception):
    """A variable has a wrong value; the message names it and says what is accepted."""


def url(env: Mapping[str, str], name: str) -> str:
    """A base URL without a slash at the end; empty: not set."""
    text = env.get(name, "")
    if not text:
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise SettingsError(f"{name} must be an http(s) URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise SettingsError(f"{name} must be an http(s) URL without a query")
    return text.rstrip("/")


def choice(env: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of *choices*."""
    text = env.get(name, default).lower()
    if text not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}")
    return text


def networks(env: Mapping[str, str], name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks, separated by commas."""
    try:
        parts = env.get(name, "").split(",")
        return tuple(ip_network(part.strip()) for part in parts if part.strip())
    except ValueError:
        raise SettingsError(f"{name} must be addresses or networks separated by commas") from None


def file(name: str, text: str) -> Path | None:
    """A file that is there; None: not set."""
    if text and not Path(text).is_file():
        raise SettingsError(f"{name} must be a file: there is no {Path(text).name}")
    return Path(text).absolute() if text else None
