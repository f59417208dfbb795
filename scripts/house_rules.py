"""The rules of this house that no linter knows; prints what breaks them, exits 1 if anything does.

Sizes and names of files and functions, lock files without addresses, no path of one machine.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST_FILE, LONGEST_BODY = 400, 50
SOURCE = {".py", ".sql", ".sh", ".js", ".mjs", ".ts"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
NOT_OURS = ("third_party/", "sdk/", "LICENSE")
GENERATED = "_pb2"
# Bracketed letters keep these lines from naming what they look for.
MACHINE_PATH = re.compile(r"/(?:[r]oot|[h]ome/[a-z_]\w*|[U]sers/\w+)/")
REGISTRY = re.compile(r"py[p]i\.org|python[h]osted|registry\.np[m]js", re.IGNORECASE)
INSTALLER_SETTINGS = {".npmrc", "pip.conf", "uv.toml", ".yarnrc"}


def main() -> int:
    """Print every breach; how many there are, at most 1."""
    breaches = [f"{path}: {breach}" for path in tracked() for breach in breaches_of(path)]
    print("\n".join(breaches) or "house rules: kept")
    return min(1, len(breaches))


def tracked() -> list[str]:
    """Every file that is in git or would be, relative to the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = sorted(set(listed.stdout.decode().split("\0")) - {""})
    return [name for name in names if (ROOT / name).is_file() and not name.startswith(NOT_OURS)]


def breaches_of(name: str) -> Iterator[str]:
    """What is wrong with the file *name*."""
    path = ROOT / name
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    yield from machine_breaches(text)
    yield from lock_breaches(path, text)
    if path.suffix in SOURCE and GENERATED not in path.name:
        yield from size_breaches(path, text)


def machine_breaches(text: str) -> Iterator[str]:
    """Traces of the machine something was made on."""
    for number, line in enumerate(text.splitlines(), start=1):
        if str(ROOT) in line or MACHINE_PATH.search(line):
            yield f"line {number} has a path of one machine"
        if REGISTRY.search(line):
            yield f"line {number} names a package registry"


def lock_breaches(path: Path, text: str) -> Iterator[str]:
    """Addresses where only names, versions and hashes belong."""
    if path.suffix == ".lock" or path.name in INSTALLER_SETTINGS:
        if "://" in text or "-index" in text:
            yield "holds an address"
    elif path.name == "package-lock.json" and '"resolved"' in text:
        yield "holds addresses; omit-lockfile-registry-resolved=true in .npmrc leaves them out"


def size_breaches(path: Path, text: str) -> Iterator[str]:
    """Too long, or called by a name that says nothing."""
    lines = text.count("\n")
    if lines > LONGEST_FILE:
        yield f"{lines} lines, {LONGEST_FILE} allowed"
    if path.stem.strip("_") in FORBIDDEN_NAMES:
        yield "this name says nothing"
    if path.suffix == ".py":
        yield from body_breaches(ast.parse(text))


def body_breaches(tree: ast.Module) -> Iterator[str]:
    """Functions whose body, without its docstring, is too long."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        if length > LONGEST_BODY:
            yield f"{node.name} has {length} lines, {LONGEST_BODY} allowed"


if __name__ == "__main__":
    sys.exit(main())
