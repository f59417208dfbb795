"""What every role does first, and how each is told to stop."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable
from ipaddress import ip_address

from core.log import Emit, emitter, silence_libraries
from gateway import contract
from gateway.hardening import hide_messages_of_exceptions

CALL_GRACE_SECONDS = 1.0
"""What answers that are on their way get, once nothing runs any more."""


class ServeError(Exception):
    """The gateway cannot start; the message says why."""


def begin(log_level: str) -> Emit:
    """Make sure that nothing of this process shows content; returns its log."""
    emit = emitter(log_level)
    silence_libraries()
    hide_messages_of_exceptions(emit)
    contract.redact()
    return emit


def stop_signal() -> asyncio.Event:
    """Set on the first SIGTERM or SIGINT; the second one ends the process at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            os._exit(1)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


def hangup(call: Callable[[], None]) -> None:
    """Have SIGHUP mean *call*, from now on."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, call)


def bound(address: str, port: int) -> socket.socket:
    """Take the HTTP port first: links to outputs name it. Raises ServeError."""
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=2048)
    except OSError as error:
        raise ServeError(
            f"cannot listen on {address} port {port} ({error.strerror}): set REAPI_HTTP_PORT"
        ) from None


def url_of(listener: socket.socket) -> str:
    """The address that a bound socket serves HTTP on."""
    address, port = listener.getsockname()[:2]
    return f"http://{in_url(address)}:{port}"


def in_url(address: str) -> str:
    """An IP address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def settle_memory() -> None:
    """What is alive now stays alive: the collector need not look at it under load."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
