"""A catalogue file that no parser likes is a mistake in it, never an exception of something else."""

import os
from pathlib import Path

import pytest
from catalogue_files import BASE, Files

from core.catalog.loader import CatalogueError, load
from core.catalog.source import MAXIMUM_BYTES

CIRCLES = "".join(f'[models.m{number}]\nlike = "m{number + 1}"\n' for number in range(2_000))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = " + "[" * 50_000, "nested too deeply"),
        ("x = " + "{a=" * 5_000, "nested too deeply"),
        ("[" + ".".join("a" * 5_000) + "]", "nested too deeply"),
        ("x = " + "9" * 5_000, "too many digits"),
        (CIRCLES, "leads through too many others"),
        ("# " + "x" * MAXIMUM_BYTES, "is larger than"),
        ("[channels.c]\npriority = " + "9" * 400, "must be an integer"),
        ("[channels.c]\nweight = 9223372036854775808", "must be an integer"),
        ("[channels.c]\nsla_seconds = " + "9" * 400, "must be a number"),
        ("[channels.c.constants]\nx = " + "9" * 400, "must be"),
    ],
    ids=range(10),
)
def test_what_breaks_a_parser_is_refused_with_its_file(files, text, problem) -> None:
    error = files.mistake(BASE, text)

    assert "2.toml" in str(error)
    assert problem in str(error)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_has_no_end_is_not_read(tmp_path: Path, kind) -> None:
    file = tmp_path / "endless.toml"
    if kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero")
    with pytest.raises(CatalogueError, match=r"endless\.toml: is no file"):
        load([file], {})
