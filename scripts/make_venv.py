"""Make or renew `.venv` so that it holds what a lock file says, and our own code.

Called by scripts/bootstrap with `runtime` or `dev`; needs nothing but Python. Every download is
checked against a hash in the repository. uv installs, because it takes seconds where pip takes a
minute; pip is the way there, and the fallback. A second caller waits for the first.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
INSTALLED = VENV / "installed"
UV_LOCK = "requirements-uv.lock"
# The development lock contains the runtime lock, version by version (scripts/lock).
LOCKS = {"runtime": ["requirements.lock"], "dev": ["requirements-dev.lock", "requirements.lock"]}

COMMAND = """#!/bin/sh
exec "$(dirname -- "$0")/python" -P -m gateway "$@"
"""
ADVICE = """\
reAPI: this Python can make no virtual environment: it has neither ensurepip nor pip.
On Debian and Ubuntu: apt-get install python3-venv. Elsewhere, set PYTHON to another Python
3.11 to 3.13."""


def main(group: str) -> None:
    """Do what is missing."""
    with one_at_a_time():
        if all(is_installed(name) for name in LOCKS[group]) and is_ours():
            return
        print(f"reAPI: preparing .venv ({group}); the first time takes a minute", file=sys.stderr)
        if not is_ours():
            make_venv()
        for name in LOCKS[group]:
            (INSTALLED / name).unlink(missing_ok=True)
        install(LOCKS[group][0])
        add_our_code()
        for name in LOCKS[group]:
            shutil.copyfile(ROOT / name, INSTALLED / name)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold a lock on the repository's folder, which is no file that could be deleted with .venv."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def is_installed(name: str) -> bool:
    """Whether the lock file *name* was installed as it stands now."""
    copy = INSTALLED / name
    return copy.exists() and copy.read_bytes() == (ROOT / name).read_bytes()


def is_ours() -> bool:
    """Whether .venv was made in this place, by a Python of our version that is still there."""
    root = INSTALLED / "root"
    return (
        root.exists()
        and root.read_text(encoding="utf-8") == str(ROOT)
        and site_packages().is_dir()
        and PYTHON.exists()
    )


def site_packages() -> Path:
    """Where the packages of .venv are for a Python of our version."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return VENV / "lib" / version / "site-packages"


def make_venv() -> None:
    """Make .venv; one that somebody else made is taken over, one that was begun is made anew."""
    if INSTALLED.exists() or not site_packages().is_dir():
        shutil.rmtree(VENV, ignore_errors=True)
        INSTALLED.mkdir(parents=True)
        made = subprocess.run([base(), "-m", "venv", VENV], capture_output=True, check=False)
        if made.returncode != 0:  # Debian without python3-venv cannot bring pip
            run(base(), "-m", "venv", "--without-pip", VENV)
    INSTALLED.mkdir(exist_ok=True)
    (INSTALLED / "root").write_text(str(ROOT), encoding="utf-8")


def base() -> str:
    """The interpreter that .venv stands on; we may be running in .venv ourselves."""
    interpreter: str = getattr(sys, "_base_executable", sys.executable)
    return interpreter


def pip() -> list[str | Path]:
    """The command line of a pip that installs into .venv."""
    candidates: list[list[str | Path]] = [
        [PYTHON, "-m", "pip"],
        [base(), "-m", "pip", "--python", PYTHON],
    ]
    for command in candidates:
        found = subprocess.run([*command, "--version"], capture_output=True, check=False)
        if found.returncode == 0:
            quietly = ["--quiet", "--disable-pip-version-check", "--no-input"]
            return [*command, *quietly, *([] if has_home() else ["--no-cache-dir"])]
    sys.exit(ADVICE)


def has_home() -> bool:
    """Whether there is a place for the installers' caches."""
    return os.access(Path.home(), os.W_OK)


def install(name: str) -> None:
    """Install the lock file *name*."""
    locked = ["--require-hashes", "--requirement"]
    if not is_installed(UV_LOCK):
        run(*pip(), "install", *locked, ROOT / UV_LOCK)
        shutil.copyfile(ROOT / UV_LOCK, INSTALLED / UV_LOCK)
    general = ["--quiet", "--no-python-downloads"]
    if not has_home():
        general.append("--no-cache")
    for certificates in ([], ["--system-certs"]):  # its own, then the machine's
        uv: list[str | Path] = [VENV / "bin" / "uv", *general, *certificates, "pip", "install"]
        fast = [*uv, "--python", PYTHON, *locked, ROOT / name]
        tried = subprocess.run(fast, stderr=subprocess.PIPE, text=True, check=False)
        if tried.returncode == 0:
            return
    print(f"{tried.stderr}reAPI: uv could not, pip tries", file=sys.stderr)
    run(*pip(), "install", *locked, ROOT / name)


def add_our_code() -> None:
    """Put our packages on the path of .venv, with a name, a version and the command `reapi`."""
    packages = site_packages()
    (packages / "reapi.pth").write_text(f"{ROOT}\n{ROOT / 'proto'}\n", encoding="utf-8")
    for former in packages.glob("reapi-*.dist-info"):
        shutil.rmtree(former)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    info = packages / f"reapi-{version}.dist-info"
    info.mkdir()
    text = f"Metadata-Version: 2.1\nName: reapi\nVersion: {version}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")
    command = VENV / "bin" / "reapi"
    command.write_text(COMMAND, encoding="utf-8")
    command.chmod(0o755)


def run(*command: str | Path) -> None:
    """Run *command*; end with its exit code if it fails, for it has said why."""
    code = subprocess.run(command, check=False).returncode
    if code != 0:
        sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
