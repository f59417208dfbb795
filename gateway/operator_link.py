"""How a command speaks to a running gateway as its operator: where it is, and with which token."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from json import loads
from pathlib import Path
from typing import Any, Final

import grpc
from grpc import aio

from core.keyring import admin_token
from core.settings import Settings
from gateway.core_link import cause, open_channel
from gateway.process import in_url
from reapi.v1.admin_service_pb2_grpc import AdminServiceStub
from rest_bridge.settings import CoreAddress

FAILED: Final = 1
"""The exit code when the gateway was not asked, or did not do it."""
VARIABLE: Final = "REAPI_ADMIN_TOKEN"
CALL_SECONDS: Final = 5.0
"""What an operator waits for an answer."""
_ADDRESS: Final = "REAPI_CORE"
_DEMO_FILE: Final = "demo.json"
_REFUSED: Final = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


class OperatorError(Exception):
    """The gateway cannot be asked, or refuses; the message says what to do."""


class NotFoundError(OperatorError):
    """There is nothing of that name."""


class Operator:
    """The operator's side of a connection."""

    def __init__(self, stub: Any, address: str, token: str) -> None:
        self._stub = stub
        self._address = address
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def ask(self, method: str, request: Any) -> Any:
        """Call a method of AdminService; raises OperatorError."""
        call = getattr(self._stub, method)
        try:
            return await call(request, timeout=CALL_SECONDS, metadata=self._metadata)
        except aio.AioRpcError as error:
            raise _told(error, self._address) from None


def run_as_operator(
    work: Callable[[Operator], Awaitable[None]], env: Mapping[str, str], core: str
) -> int:
    """Do *work* on a connection; the exit code, after saying why it could not be done."""

    async def connected() -> None:
        async with operator(env, core) as gateway:
            await work(gateway)

    try:
        asyncio.run(connected())
    except OperatorError as error:
        print(f"reapi: {error}", file=sys.stderr)
        return FAILED
    return 0


@asynccontextmanager
async def operator(env: Mapping[str, str], core: str = "") -> AsyncIterator[Operator]:
    """A connection to the gateway at *core*, or where *env* says that it is.

    Raises SettingsError, KeyringError, ServeError and OperatorError.
    """
    settings = Settings.from_env(env)
    address = _address(env, settings, core)
    token = _token(env, settings)
    async with open_channel(address) as channel:
        yield Operator(AdminServiceStub(channel), address.target, token)


def _address(env: Mapping[str, str], settings: Settings, core: str) -> CoreAddress:
    """What is named; else where a gateway with this environment listens."""
    if core or env.get(_ADDRESS):
        return CoreAddress.from_env({**env, _ADDRESS: core or env[_ADDRESS]})
    demo = settings.home / _DEMO_FILE
    is_said = env.get("REAPI_GRPC_PORT") or env.get("REAPI_GRPC_BIND")
    if not is_said and demo.is_file():
        try:
            return CoreAddress(str(loads(demo.read_text())["grpc_address"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise OperatorError(f"{demo} does not say where a gateway is: set {_ADDRESS}") from None
    bind = settings.grpc_binds[0]
    if isinstance(bind, Path):
        return CoreAddress(f"unix:{bind}")
    if settings.grpc_tls is not None:
        raise OperatorError(
            "gRPC speaks TLS here: set REAPI_CORE to host:port, and REAPI_CORE_TLS_CA to the PEM "
            "file of the authority that signed its certificate"
        )
    if ip_address(bind).is_unspecified:
        bind = "127.0.0.1" if ip_address(bind).version == 4 else "::1"
    return CoreAddress(f"{in_url(bind)}:{settings.grpc_port}")


def _token(env: Mapping[str, str], settings: Settings) -> str:
    """The operator's token: told, or made from the secret file as the gateway makes it."""
    if token := env.get(VARIABLE, "").strip():
        if not (token.isascii() and token.isprintable()):
            raise OperatorError(f"{VARIABLE} is no token: `reapi admin-token` prints it")
        return token
    if not settings.secret_file.is_file():
        raise OperatorError(
            f"there is no admin token: set {VARIABLE}, or REAPI_HOME or REAPI_SECRET_FILE as the "
            "gateway has them"
        )
    return admin_token(settings.open_keyring())


def _told(error: aio.AioRpcError, address: str) -> OperatorError:
    """What the operator is told of a failed call."""
    code, said = error.code(), error.details() or ""
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFoundError(said)
    if code in _REFUSED:
        return OperatorError(
            f"the gateway at {address} refuses the admin token: set {VARIABLE}, or REAPI_HOME or "
            "REAPI_SECRET_FILE as the gateway has them"
        )
    if _is_ours(error):
        return OperatorError(said)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return OperatorError(f"the gateway at {address} did not answer in {CALL_SECONDS:g} s")
    reason, variable = cause(f"{said} {error.debug_error_string()}")
    return OperatorError(
        f"no gateway can be reached at {address} ({reason.replace('_', ' ')}): is it running? "
        f"{variable} names the address of its gRPC"
        if variable == _ADDRESS
        else f"no gateway can be reached at {address} ({reason.replace('_', ' ')}): set {variable}"
    )


def _is_ours(error: aio.AioRpcError) -> bool:
    """Whether the gateway itself said it, not gRPC about the connection."""
    return any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ())
