"""What a bridge needs to know, given by the composition root; and a bridge's own process."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from rest_bridge.client_address import Network, Proxies

MEBIBYTE = 1024 * 1024

LOG_LEVELS = ("debug", "info", "warning", "error")
_UNIX = "unix:"
_LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
"""What the kernel has room for, in bytes."""


class SettingsError(Exception):
    """A variable has a wrong value; the message names it and says what is accepted."""


@dataclass(frozen=True, slots=True)
class Defect:
    """An exception that nobody expected: where, never what it said."""

    request_id: str
    endpoint: str
    """The route template; empty for an unknown URL."""
    error_type: str
    frames: tuple[str, ...]
    """`file:line function`, innermost last."""


class Served(NamedTuple):
    """One HTTP request and its answer."""

    endpoint: str
    """The route template; empty for an unknown URL."""
    status: int
    """0 when the caller was gone before an answer began."""
    request_id: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Why a request is refused before anything is done for it."""

    reason: str
    """The name of a `reapi.v1.ErrorReason`."""
    message: str
    retry_after: float | None
    metadata: Mapping[str, str]


def welcome(_credential: str, _starts: bool) -> TurnedAway | None:  # noqa: FBT001 (a callback)
    """Turn nobody away: core will, where it must."""
    return None


def ignore_route(_: Served) -> None:
    """Report nothing."""


def ignore_defect(_: Defect) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """Limits of the bridge. Sizes in bytes, times in seconds."""

    report_route: Callable[[Served], None] = ignore_route
    """Called once for each request, at its end; must not raise."""
    report_defect: Callable[[Defect], None] = ignore_defect
    """Called at the supervision boundary; must not raise."""
    turned_away: Callable[[str, bool], TurnedAway | None] = welcome
    """Asked with each request's credential, and whether it would start a generation, before its
    body is read: microseconds, for whom the answer is certain by now; must not raise."""
    proxies: Proxies = field(default_factory=Proxies)
    """Who may say, in `X-Forwarded-For`, where a request comes from."""
    token: str = field(default="", repr=False)
    """What this bridge proves itself by to a core elsewhere."""
    sync_seconds: float = 290.0
    """How long a synchronous call waits before it answers 504; the SDKs' peers give up at 300."""
    deadline_margin_seconds: float = 10.0
    """How much later the gRPC deadline of such a call is."""
    unary_seconds: float = 30.0
    """Deadline of a transcoded unary call."""
    stream_seconds: float = 3_600.0
    """Deadline of a watch or a download."""
    health_seconds: float = 2.0
    """How long /readyz waits for core."""
    heartbeat_seconds: float = 15.0
    """SSE headers go out after this at the latest, then `: ping` as often."""
    json_bytes: int = 1 * MEBIBYTE
    """The largest JSON body without inline files."""
    unary_bytes: int = 6 * MEBIBYTE
    """The largest JSON body of a transcoded call: base64 of what one gRPC message holds."""
    inline_bytes: int = 64 * MEBIBYTE
    """The most that the files of one request may add up to."""
    inline_count: int = 16
    """Images of one edit, the mask not counted."""
    body_bytes_in_flight: int = 512 * MEBIBYTE
    """Bodies and inline outputs that one process holds before it refuses more bodies."""
    body_idle_seconds: float = 15.0
    """The longest pause while a body arrives."""
    body_grace_seconds: float = 15.0
    """From then on a body must have come at `body_bytes_per_second` on average."""
    body_bytes_per_second: int = 2_048


@dataclass(frozen=True, slots=True)
class CoreAddress:
    """Where core is, and how its certificate is checked."""

    target: str
    """`host:port` or `unix:/path`."""
    tls_ca: Path | None = None
    """A PEM file with the authorities that may sign core's certificate; None: no TLS."""
    tls_name: str = ""
    """The name in that certificate, where it is not the host."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "CoreAddress":
        """Read REAPI_CORE and what belongs to it; raises SettingsError."""
        target = env.get("REAPI_CORE") or "127.0.0.1:50051"
        ca, name = env.get("REAPI_CORE_TLS_CA", ""), env.get("REAPI_CORE_TLS_NAME", "")
        if ca and not Path(ca).is_file():
            raise SettingsError(f"REAPI_CORE_TLS_CA must be a file: there is no {Path(ca).name}")
        if name and not ca:
            raise SettingsError("REAPI_CORE_TLS_NAME needs REAPI_CORE_TLS_CA: set both, or none")
        if target.startswith(_UNIX):
            if ca:
                raise SettingsError("REAPI_CORE_TLS_CA is of no use with a Unix socket: unset it")
            return cls(f"{_UNIX}{_socket_path(target.removeprefix(_UNIX))}")
        host = _host(target)
        if not ca and not _is_loopback(host):
            raise SettingsError(
                "REAPI_CORE_TLS_CA must be set: REAPI_CORE is on another machine, and keys and "
                "prompts do not go there in the clear. Give the PEM file of the authority that "
                "signed core's certificate"
            )
        return cls(target, Path(ca).absolute() if ca else None, name)


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """What an operator may set for `reapi bridge`. README.md lists the variables."""

    bind: str
    http_port: int
    core: CoreAddress
    log_level: str
    trusted_proxies: tuple[Network, ...] = ()
    token: str = field(default="", repr=False)
    """REAPI_BRIDGE_TOKEN, as core has it."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "ProcessSettings":
        """Read these variables and no others; raises SettingsError."""
        try:
            bind = str(ip_address(env.get("REAPI_BIND", "127.0.0.1")))
        except ValueError:
            raise SettingsError("REAPI_BIND must be an IP address, for example 127.0.0.1") from None
        port = env.get("REAPI_HTTP_PORT") or "8080"
        if not _is_port(port):
            raise SettingsError(
                "REAPI_HTTP_PORT must be a port number, 0 to 65535 (0 picks a free one)"
            )
        log_level = env.get("REAPI_LOG_LEVEL", "info").lower()
        if log_level not in LOG_LEVELS:
            raise SettingsError(f"REAPI_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")
        core = CoreAddress.from_env(env)
        return cls(bind, int(port), core, log_level, _proxies(env), _token(env))


def _proxies(env: Mapping[str, str]) -> tuple[Network, ...]:
    try:
        parts = env.get("REAPI_TRUSTED_PROXIES", "").split(",")
        return tuple(ip_network(part.strip()) for part in parts if part.strip())
    except ValueError:
        raise SettingsError(
            "REAPI_TRUSTED_PROXIES must be addresses or networks separated by commas"
        ) from None


def _token(env: Mapping[str, str]) -> str:
    text = env.get("REAPI_BRIDGE_TOKEN", "")
    if not text.isascii() or not text.isprintable():
        raise SettingsError("REAPI_BRIDGE_TOKEN must be ASCII, and the same as core's")
    return text


def _socket_path(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise SettingsError("REAPI_CORE must name a socket by its absolute path: unix:/path")
    if (size := len(os.fsencode(path))) > _LONGEST_SOCKET_PATH:
        raise SettingsError(
            f"REAPI_CORE: the path of a socket has at most {_LONGEST_SOCKET_PATH} bytes, and this "
            f"one has {size}; choose a shorter one"
        )
    return path


def _host(target: str) -> str:
    host, colon, port = target.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    is_bracketed, is_ipv6 = bare != host, ":" in bare
    if not colon or not bare or "/" in bare or is_bracketed != is_ipv6 or not _is_port(port):
        raise SettingsError("REAPI_CORE must be host:port or unix:/path; IPv6 as [::1]:50051")
    return bare


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535
