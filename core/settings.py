"""The one reader of the environment: frozen, complete, checked at start."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

from billing.stripe_client import STRIPE_URL, StripeSettings
from core import settings_values as values
from core.body import Secret
from core.key_service import KeyService
from core.keyring import Keyring, open_keyring
from core.people_settings import PeopleSettings
from core.settings_secrets import key_service
from core.settings_values import SettingsError
from storage.s3 import Bucket

LOG_LEVELS = ("debug", "info", "warning", "error")
_UNIX = "unix:"
_LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
"""What the kernel has room for, in bytes."""
_CORE_HTTP_PORT = "8081"
"""Beside a bridge on the same machine, which has 8080."""
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]\Z")
_BUCKET_PREFIX = re.compile(r"([A-Za-z0-9_\-][A-Za-z0-9_.\-]*/){0,4}\Z")
_BRIDGE_TOKEN_LENGTH = 32
"""128 bits in hex: nobody finds it by trying."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_REGION = re.compile(r"[a-z0-9\-]{1,32}\Z")


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM files with which gRPC proves who it is; whoever serves checks what is in them."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set. README.md lists the variables."""

    home: Path
    http_port: int
    grpc_port: int
    grpc_binds: tuple[str | Path, ...]
    """Where gRPC listens: IP addresses, and paths of Unix sockets."""
    grpc_tls: ServerTls | None
    """For the IP addresses; a Unix socket needs none."""
    bind: str
    public_url: str
    """Base of links to outputs, without a slash at the end."""
    catalogue: tuple[Path, ...]
    database_url: Secret[str] | None
    outputs: Path | Bucket
    """Where outputs are stored: a folder, or a bucket."""
    log_level: str
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    sandbox: bool
    """Whether test keys are served, by a simulator."""
    bridge_token: Secret[str] | None
    """What bridges elsewhere prove themselves by, when they tell where callers are."""
    webhook_networks: tuple[IPv4Network | IPv6Network, ...]
    """Where webhooks may go besides the open internet, by http too."""
    stripe: StripeSettings | None
    """The payment service; None: credits cannot be bought."""
    checkout_origins: tuple[str, ...]
    """Where payment pages may go besides the public URL: `https://app.example.com`."""
    people: PeopleSettings
    """Sign-in, mail, bots."""
    secret_file: Path
    key_service: KeyService | None
    """What the secret file is wrapped by; None: it lies in the clear."""
    environment: Mapping[str, str] = field(repr=False)
    """The whole environment, for the catalogue's credentials; never shown."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read and check every variable; raises SettingsError."""
        home = Path(env.get("REAPI_HOME", ".reapi")).expanduser().absolute()
        bind = _address("REAPI_BIND", env.get("REAPI_BIND", "127.0.0.1"))
        http_port = _port(env, "REAPI_HTTP_PORT", 8080)
        _one_worker(env.get("REAPI_WORKERS", "1"))
        database_url = env.get("REAPI_DATABASE_URL", "")
        return cls(
            home=home,
            http_port=http_port,
            grpc_port=_port(env, "REAPI_GRPC_PORT", 50051),
            grpc_binds=_binds(env.get("REAPI_GRPC_BIND") or bind),
            grpc_tls=_server_tls(env),
            bind=bind,
            public_url=values.url(env, "REAPI_PUBLIC_URL"),
            catalogue=_files(env.get("REAPI_CATALOGUE", "")),
            database_url=Secret(database_url) if database_url else None,
            outputs=_outputs(env) or home / "outputs",
            log_level=values.choice(env, "REAPI_LOG_LEVEL", "info", LOG_LEVELS),
            trusted_proxies=values.networks(env, "REAPI_TRUSTED_PROXIES"),
            sandbox=values.choice(env, "REAPI_SANDBOX", "on", ("on", "off")) == "on",
            bridge_token=_bridge_token(env),
            webhook_networks=values.networks(env, "REAPI_WEBHOOK_NETWORKS"),
            stripe=_stripe(env),
            checkout_origins=_origins(env, "REAPI_CHECKOUT_ORIGINS"),
            people=PeopleSettings.from_env(env),
            secret_file=Path(env.get("REAPI_SECRET_FILE") or home / "secrets.json").absolute(),
            key_service=key_service(env),
            environment=env,
        )

    def open_keyring(self) -> Keyring:
        """The server keys; raises KeyringError."""
        return open_keyring(self.secret_file, self.key_service)

    @classmethod
    def for_core(cls, env: Mapping[str, str]) -> "Settings":
        """The same for a core alone, which serves bridges; raises SettingsError."""
        http_port = env.get("REAPI_HTTP_PORT") or _CORE_HTTP_PORT
        settings = cls.from_env({**env, "REAPI_HTTP_PORT": http_port})
        if not settings.public_url:
            raise SettingsError(
                "REAPI_PUBLIC_URL must be set for a core of its own: links to outputs start with "
                "it. Give the address of your bridges, for example http://127.0.0.1:8080"
            )
        if settings.exposed_grpc and settings.grpc_tls is None:
            raise SettingsError(
                f"REAPI_GRPC_TLS_CERT and REAPI_GRPC_TLS_KEY must be set to serve gRPC on "
                f"{settings.exposed_grpc[0]}: keys and prompts do not leave this machine in the "
                f"clear. Or set REAPI_GRPC_BIND to 127.0.0.1 or to unix:/path"
            )
        return settings

    @property
    def exposed_grpc(self) -> tuple[str, ...]:
        """The addresses of gRPC that other machines may reach."""
        return tuple(
            bind
            for bind in self.grpc_binds
            if isinstance(bind, str) and not ip_address(bind).is_loopback
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


def _address(name: str, text: str, accepted: str = "an IP address, for example 127.0.0.1") -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise SettingsError(f"{name} must be {accepted}") from None


def _binds(text: str) -> tuple[str | Path, ...]:
    """IP addresses and `unix:/path`, separated by commas."""
    name = "REAPI_GRPC_BIND"
    accepted = "an IP address or unix:/path, or several, separated by commas"
    parts = [part.strip() for part in text.split(",")]
    return tuple(
        _socket_path(name, part.removeprefix(_UNIX))
        if part.startswith(_UNIX)
        else _address(name, part, accepted)
        for part in parts
    )


def _socket_path(name: str, text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise SettingsError(f"{name} must name a socket by its absolute path: unix:/path")
    if (size := len(os.fsencode(path))) > _LONGEST_SOCKET_PATH:
        raise SettingsError(
            f"{name}: the path of a socket has at most {_LONGEST_SOCKET_PATH} bytes, and this one "
            f"has {size}; choose a shorter one"
        )
    return path


def _server_tls(env: Mapping[str, str]) -> ServerTls | None:
    names = ("REAPI_GRPC_TLS_CERT", "REAPI_GRPC_TLS_KEY")
    files = [values.file(name, env.get(name, "")) for name in names]
    if files[0] is not None and files[1] is not None:
        return ServerTls(files[0], files[1])
    for name, file in zip(names, files, strict=True):
        if file is None and any(files):
            raise SettingsError(f"{name} must be set too: TLS needs a certificate and its key")
    return None


def _one_worker(text: str) -> None:
    if text != "1":
        raise SettingsError("REAPI_WORKERS must be 1: several workers are not built yet")


def _bridge_token(env: Mapping[str, str]) -> Secret[str] | None:
    text = env.get("REAPI_BRIDGE_TOKEN", "")
    if not text:
        return None
    if len(text) < _BRIDGE_TOKEN_LENGTH or not text.isascii() or not text.isprintable():
        raise SettingsError(
            f"REAPI_BRIDGE_TOKEN must have {_BRIDGE_TOKEN_LENGTH} characters of ASCII or more: "
            "whoever has it may say where callers come from. `openssl rand -hex 32` makes one"
        )
    return Secret(text)


def _origins(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Schemes with hosts, separated by commas: pages, not networks."""
    origins = [part.strip().rstrip("/") for part in env.get(name, "").split(",") if part.strip()]
    for origin in origins:
        try:
            parts = urlsplit(origin)
            _ = parts.port
        except ValueError:
            parts = urlsplit("")
        is_bare = f"{parts.scheme}://{parts.netloc}" == origin and "@" not in parts.netloc
        if parts.scheme not in ("http", "https") or not parts.hostname or not is_bare:
            raise SettingsError(f"{name} must be origins like https://app.example.com, by commas")
    return tuple(origins)


def _stripe(env: Mapping[str, str]) -> StripeSettings | None:
    key = env.get("REAPI_STRIPE_SECRET_KEY", "")
    secrets = [part.strip() for part in env.get("REAPI_STRIPE_WEBHOOK_SECRET", "").split(",")]
    secrets = [secret for secret in secrets if secret]
    if not key and not secrets:
        return None
    if not key or not secrets:
        raise SettingsError(
            "REAPI_STRIPE_SECRET_KEY and REAPI_STRIPE_WEBHOOK_SECRET must be set together: without "
            "the second, payments are credited by the sweep only"
        )
    url = values.url(env, "REAPI_STRIPE_URL") or STRIPE_URL
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise SettingsError("REAPI_STRIPE_URL must be an https URL off this machine")
    return StripeSettings(key, tuple(secrets), url)


def _files(text: str) -> tuple[Path, ...]:
    paths = tuple(Path(part).absolute() for part in text.split(os.pathsep) if part)
    for path in paths:
        if not path.is_file():
            raise SettingsError(
                f"REAPI_CATALOGUE: no such file: {path.name} (separate several by {os.pathsep!r})"
            )
    return paths


def _outputs(env: Mapping[str, str]) -> Path | Bucket | None:
    text = env.get("REAPI_BUCKET_URL", "")
    if text.startswith("s3://"):
        return _bucket(text, env)
    if text and not text.startswith("file:///"):
        raise _wrong_bucket("be file:///folder or s3://bucket/prefix?endpoint=https://…&region=…")
    return Path(text.removeprefix("file://")) if text else None


def _bucket(text: str, env: Mapping[str, str]) -> Bucket:
    """`s3://bucket/prefix?endpoint=…&region=…`; Amazon's without an endpoint."""
    try:
        parts = urlsplit(text)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    except ValueError:
        parts, query = urlsplit("s3:"), {}
    prefix = parts.path.strip("/")
    prefix = f"{prefix}/" if prefix else ""
    if not _BUCKET_NAME.match(parts.netloc) or not _BUCKET_PREFIX.match(prefix) or parts.fragment:
        raise _wrong_bucket("name a bucket, and a prefix of letters, digits and ._- if any")
    if unknown := sorted(set(query) - {"endpoint", "region"}):
        raise _wrong_bucket(f"have no parameters but endpoint and region: {len(unknown)} unknown")
    endpoint = query.get("endpoint", "").rstrip("/")
    region = query.get("region") or ("auto" if endpoint else "us-east-1")
    if endpoint and not _is_endpoint(endpoint):
        raise _wrong_bucket("have an https:// endpoint without a path (http:// on loopback only)")
    if not _REGION.match(region):
        raise _wrong_bucket("have a region like eu-central-1, or auto")
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    for name in names:
        if not env.get(name):
            raise SettingsError(f"{name} must be set: REAPI_BUCKET_URL names an S3 bucket")
    access_key_id, secret = (env[name] for name in names)
    token = env.get("AWS_SESSION_TOKEN", "")
    return Bucket(parts.netloc, prefix, endpoint, region, access_key_id, secret, token)


def _wrong_bucket(remedy: str) -> SettingsError:
    return SettingsError(f"REAPI_BUCKET_URL must {remedy}")


def _is_endpoint(text: str) -> bool:
    """Whether outputs may be sent there: encrypted, or to this machine."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts))


def _is_loopback(parts: SplitResult) -> bool:
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"
