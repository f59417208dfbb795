"""What a process was started with and holds open, and what it has started, as Linux tells it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_ROLES: Final = frozenset({b"serve", b"core", b"bridge"})
_OWN: Final = frozenset({b"reapi", b"gateway"})


def gateways() -> set[int]:
    """The processes that look like `reapi serve`, `core` or `bridge`, by their command lines."""
    found = set()
    for folder in PROC.glob("[0-9]*"):
        words = command_line(int(folder.name)).split(b"\0")
        pairs = pairwise(words)
        if any(word.rpartition(b"/")[2] in _OWN and role in _ROLES for word, role in pairs):
            found.add(int(folder.name))
    return found


def descendants(pid: int) -> set[int]:
    """Its children, their children, and so on."""
    found: set[int] = set()
    ahead = [pid]
    while ahead:
        for child in _children(ahead.pop()):
            if child not in found:
                found.add(child)
                ahead.append(child)
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = list((PROC / str(pid) / "task").iterdir())
        texts = [(task / "children").read_text() for task in tasks]
    except OSError:
        return []  # it has ended meanwhile
    return [int(text) for text in " ".join(texts).split()]


def command_line(pid: int) -> bytes:
    """Its arguments; empty when it has ended or is not ours to see."""
    return _content(pid, "cmdline")


def environment(pid: int) -> bytes:
    """Its environment as it was started; empty when it has ended or is not ours to see."""
    return _content(pid, "environ")


def shows_its_files(pid: int) -> bool:
    """Whether we may look at what it has open: root may; others not, if it is not dumpable."""
    try:
        return any((PROC / str(pid) / "fd").iterdir())
    except OSError:
        return False


def open_files(pid: int) -> Iterator[tuple[str, Path]]:
    """The regular files that it has open, deleted ones too: their names, and where to read them."""
    try:
        descriptors = list((PROC / str(pid) / "fd").iterdir())
    except OSError:
        return
    for descriptor in descriptors:
        try:
            name = str(descriptor.readlink())
            if name.startswith("/") and not name.startswith(("/dev/", "/proc/", "/sys/")):
                yield name, descriptor
        except OSError:
            continue


def _content(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
