"""The one reader of the environment: frozen, complete, checked at start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from core.body import Secret

LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """A variable has a wrong value; the message names it and says what is accepted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set. README.md lists the variables."""

    home: Path
    http_port: int
    grpc_port: int
    bind: str
    public_url: str
    """Base of links to outputs, without a slash at the end."""
    catalogue: tuple[Path, ...]
    database_url: Secret[str] | None
    bucket_url: str
    log_level: str
    trusted_proxies: tuple[str, ...]
    secret_file: Path
    environment: Mapping[str, str] = field(repr=False)
    """The whole environment, for the catalogue's credentials; never shown."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read and check every variable; raises SettingsError."""
        home = Path(env.get("REAPI_HOME", ".reapi")).expanduser().absolute()
        bind = _address(env.get("REAPI_BIND", "127.0.0.1"))
        http_port = _port(env, "REAPI_HTTP_PORT", 8080)
        _one_worker(env.get("REAPI_WORKERS", "1"))
        database_url = env.get("REAPI_DATABASE_URL", "")
        return cls(
            home=home,
            http_port=http_port,
            grpc_port=_port(env, "REAPI_GRPC_PORT", 50051),
            bind=bind,
            public_url=_url(env, "REAPI_PUBLIC_URL"),
            catalogue=_files(env.get("REAPI_CATALOGUE", "")),
            database_url=Secret(database_url) if database_url else None,
            bucket_url=_bucket(env.get("REAPI_BUCKET_URL", "")),
            log_level=_choice(env, "REAPI_LOG_LEVEL", "info", LOG_LEVELS),
            trusted_proxies=_networks(env.get("REAPI_TRUSTED_PROXIES", "")),
            secret_file=Path(env.get("REAPI_SECRET_FILE") or home / "secrets.json").absolute(),
            environment=env,
        )


def process_environment() -> Mapping[str, str]:
    """A copy of this process's environment: called once, by the command line."""
    return dict(os.environ)  # noqa: TID251 - this is the one reader


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise SettingsError(f"{name} must be a port number, 0 to 65535 (0 picks a free one)")
    return int(text)


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise SettingsError("REAPI_BIND must be an IP address, for example 127.0.0.1") from None


def _one_worker(text: str) -> None:
    if text != "1":
        raise SettingsError("REAPI_WORKERS must be 1: several workers are not built yet")


def _url(env: Mapping[str, str], name: str) -> str:
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


def _files(text: str) -> tuple[Path, ...]:
    paths = tuple(Path(part).absolute() for part in text.split(os.pathsep) if part)
    for path in paths:
        if not path.is_file():
            raise SettingsError(
                f"REAPI_CATALOGUE: no such file: {path.name} (separate several by {os.pathsep!r})"
            )
    return paths


def _bucket(text: str) -> str:
    if text and not text.startswith("file:///"):
        raise SettingsError(
            "REAPI_BUCKET_URL must be a file:/// folder; S3 and R2 are not built yet"
        )
    return text


def _choice(env: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    text = env.get(name, default).lower()
    if text not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}")
    return text


def _networks(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(part.strip())) for part in text.split(",") if part.strip())
    except ValueError:
        raise SettingsError(
            "REAPI_TRUSTED_PROXIES must be addresses or networks separated by commas"
        ) from None
