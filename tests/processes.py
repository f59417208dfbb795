"""What a process has started, as Linux tells it."""

from pathlib import Path

PROC = Path("/proc")


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


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        status = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


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


def open_files(pid: int) -> dict[str, bytes]:
    """The regular files that it has open, deleted ones too, with their content."""
    found = {}
    try:
        descriptors = list((PROC / str(pid) / "fd").iterdir())
    except OSError:
        return {}
    for descriptor in descriptors:
        try:
            name = str(descriptor.readlink())
            if name.startswith("/") and not name.startswith(("/dev/", "/proc/")):
                found[name] = descriptor.read_bytes()
        except OSError:
            continue
    return found


def _content(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
