"""Machines of a test: network namespaces with a link between each two, which can be cut silently.

A cut link drops every packet and tells nobody: both ends send to a hardware address that is not
there. Nothing outside the namespaces changes: the links join them directly, not over the host,
and a namespace takes its links with it when it goes. Linux, root and iproute2's `ip`.
"""

import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

_FOLDER = Path("/run/netns")
_OURS = Path("/proc/thread-self/ns/net")
_CLONE_NEWNET = 0x40000000
_NOWHERE = "02:00:00:00:ff:ff"
"""A locally administered address that no link here has."""
_COMMAND_SECONDS = 10


def why_not() -> str:
    """Why there can be no namespaces on this machine; empty if there can."""
    if sys.platform != "linux":
        return "network namespaces are a thing of Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need iproute2's `ip`"
    name = f"reapi-{secrets.token_hex(4)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode:
        return f"`ip netns add` is refused here: {made.stderr.decode(errors='replace')[:200]}"
    _ip("netns", "delete", name)
    return ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A network namespace."""

    name: str
    namespace: str

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread makes inside, and processes that it starts, are of here."""
        with _OURS.open() as before, (_FOLDER / self.namespace).open() as inside:
            _set_namespace(inside.fileno())
            try:
                yield
            finally:
                _set_namespace(before.fileno())

    def socket(self) -> socket.socket:
        """A TCP socket of here, for anybody to use."""
        with self.entered():
            return socket.socket()

    def run(self, *arguments: str) -> None:
        """Run `ip` here."""
        _ip("-n", self.namespace, *arguments)


@dataclass(frozen=True, slots=True)
class Network:
    """Machines, each with a link of its own to every other."""

    machines: dict[str, Machine]
    _numbers: dict[frozenset[str], int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    def address(self, of: str, seen_from: str) -> str:
        """Where the machine *of* is for *seen_from*."""
        return f"10.77.{self._numbers[frozenset((of, seen_from))]}.{1 + (of > seen_from)}"

    def cut(self, one: str, other: str) -> None:
        """From now on nothing gets through between the two, and nobody is told."""
        self._aim(one, other, _NOWHERE)
        self._aim(other, one, _NOWHERE)

    def heal(self, one: str, other: str) -> None:
        """Everything gets through again."""
        self._aim(one, other, self._hardware(other, one))
        self._aim(other, one, self._hardware(one, other))

    def join(self, one: str, other: str) -> None:
        """Make the link."""
        number = self._numbers[frozenset((one, other))] = len(self._numbers) + 1
        assert number < 255, "one byte of the address"
        ends = [(one, other), (other, one)]
        first, second = [
            ["name", _interface(to), "address", self._hardware(of, to), "netns", self[of].namespace]
            for of, to in ends
        ]
        _ip("link", "add", *first, "type", "veth", "peer", *second)
        for of, to in ends:
            here, name = self[of], _interface(to)
            here.run("address", "add", f"{self.address(of, to)}/24", "dev", name)
            here.run("link", "set", name, "up")
            self._aim(of, to, self._hardware(to, of))

    def _hardware(self, of: str, seen_from: str) -> str:
        number = self._numbers[frozenset((of, seen_from))]
        return f"02:00:00:00:{number:02x}:{1 + (of > seen_from):02x}"

    def _aim(self, one: str, other: str, hardware: str) -> None:
        """What *one* sends to *other* goes to that hardware address."""
        to = ("to", self.address(other, one), "lladdr", hardware, "dev", _interface(other))
        self[one].run("neigh", "replace", *to, "nud", "permanent")


@contextmanager
def network(names: Sequence[str]) -> Iterator[Network]:
    """Machines of these names, gone after the block."""
    mark = secrets.token_hex(4)
    made = Network({name: Machine(name, f"reapi-{mark}-{name}") for name in names})
    try:
        for machine in made.machines.values():
            _ip("netns", "add", machine.namespace)
            machine.run("link", "set", "lo", "up")
        for one, other in combinations(names, 2):
            made.join(one, other)
        yield made
    finally:
        for machine in made.machines.values():
            if (_FOLDER / machine.namespace).exists():
                _ip("netns", "delete", machine.namespace)


def _interface(to: str) -> str:
    return f"to-{to}"


def _set_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> None:
    done = subprocess.run(
        ["ip", *arguments], capture_output=True, check=False, timeout=_COMMAND_SECONDS
    )
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr.decode()[:300]}"
