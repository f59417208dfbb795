"""As whom the server runs: under a root that may make user namespaces, under one that may not,
and under a plain user."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from storage import embedded_place
from storage.embedded import EmbeddedPostgres, PostgresError
from tests.fix_embedded import (
    QUICK,
    WITHOUT_NAMESPACES,
    application,
    connected,
    everything_gone,
    namespaces_are_refused,
    python_path,
    rows_kept,
    told,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to be somebody else")


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def program(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").readlink()


def move(path: Path, target: Path) -> Path:
    return path.rename(target)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@needs_root
async def test_root_changes_no_owner_and_no_mode_where_user_namespaces_work(home: Path) -> None:
    if namespaces_are_refused():
        pytest.skip("this machine refuses user namespaces")
    before = home.parent.stat()
    assert stat.S_IMODE(before.st_mode) == 0o700

    async with EmbeddedPostgres(home, settings=QUICK) as server:
        assert server.identity == "namespace"
        assert server.folder == home
        assert owner(server.pid) == 0  # the kernel's view; inside, it is 65534
        assert (home / "data").stat().st_uid == 0

    after = home.parent.stat()
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)


@needs_root
async def test_a_root_whose_machine_refuses_namespaces_runs_the_server_as_nobody(
    copied_home: Path, passable_folder: Path
) -> None:
    refused = (sys.executable, "-c", WITHOUT_NAMESPACES, sys.executable)
    command = (sys.executable,) if namespaces_are_refused() else refused
    options = {"settings": QUICK, "system_folders": [str(passable_folder)]}

    async with application(copied_home, options, command=command) as process:
        answer = await told(process)
        if not answer and command == refused:
            pytest.skip("this machine lets no user namespace have all its users")
        assert answer["identity"] == embedded_place.nobody()
        assert await rows_kept(answer["url"]) == 1
        process.kill()
    await everything_gone(copied_home)

    async with EmbeddedPostgres(copied_home, settings=QUICK) as server:
        assert server.identity == embedded_place.nobody(), "data stay with whom they belong to"
        assert owner(server.pid) == pwd.getpwnam("nobody").pw_uid
        assert await rows_kept(server.url) == 1


@needs_root
async def test_a_refused_root_moves_data_that_nobody_cannot_reach_to_a_system_folder(
    copied_home: Path, passable_folder: Path
) -> None:
    system = passable_folder / "var"
    system.mkdir()
    private = passable_folder / "private"
    private.mkdir(mode=0o700)
    home = move(copied_home, private / "home")

    for namespaces in (False, False, True):
        async with EmbeddedPostgres(
            home, settings=QUICK, namespaces=namespaces, system_folders=[system]
        ) as server:
            assert server.folder.parent == system
            assert await rows_kept(server.url) == 1
    assert len(names(system)) == 1
    assert not (home / "data").exists()
    assert private.stat().st_mode & 0o777 == 0o700

    move(server.folder, system / "elsewhere")
    with pytest.raises(PostgresError, match="names a folder that is gone"):
        await EmbeddedPostgres(home).start()


@needs_root
async def test_programs_that_nobody_cannot_reach_are_copied(
    copied_home: Path, passable_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = passable_folder / "private"
    private.mkdir(mode=0o700)
    package = embedded_place.packaged_programs().parent.parent
    for name in (package.name, f"{package.name}.libs"):
        if (package.parent / name).exists():
            (private / name).symlink_to(package.parent / name)
    programs = private / package.name / "pginstall" / "bin"
    monkeypatch.setattr(embedded_place, "packaged_programs", lambda: programs)

    for _ in range(2):
        async with EmbeddedPostgres(copied_home, settings=QUICK, namespaces=False) as server:
            assert program(server.pid).is_relative_to(copied_home)
            assert await rows_kept(server.url) == 1
    assert sum(name.startswith("programs-") for name in names(copied_home)) == 1


@needs_root
async def test_nowhere_to_go_is_said(passable_folder: Path) -> None:
    private = passable_folder / "private"
    private.mkdir(mode=0o700)

    with pytest.raises(PostgresError, match="REAPI_DATABASE_URL"):
        await EmbeddedPostgres(private / "home", namespaces=False, system_folders=[private]).start()


@needs_root
async def test_a_plain_user_runs_the_server_as_itself(passable_folder: Path) -> None:
    python = python_for_everybody()
    if python is None:
        pytest.skip("no Python like ours that the user nobody can execute")
    own = passable_folder / "of nobody"
    own.mkdir(mode=0o700)
    shutil.chown(own, "nobody")

    async with application(
        own / "home", {"settings": QUICK}, command=[python], user="nobody"
    ) as process:
        answer = await told(process)
        assert answer["identity"] == "self"
        async with await connected(answer["url"]):
            assert (own / "home" / "data").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        process.kill()

    await everything_gone(own / "home")


def python_for_everybody() -> str | None:
    """A Python of our version that can be executed, with our packages, by the user nobody."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(version, path="/usr/bin:/usr/local/bin")):
        if python is not None:
            check = [python, "-P", "-c", "import psycopg"]
            environment = {"PYTHONPATH": python_path()}
            try:
                subprocess.run(
                    check, user="nobody", env=environment, capture_output=True, check=True
                )
            except (OSError, subprocess.CalledProcessError):
                continue
            return python
    return None
