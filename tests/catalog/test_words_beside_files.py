"""A provider that is told what a file is for: `also` in a channel's rows."""

from pathlib import Path

import pytest
from catalogue_files import Files

from core.body import Body
from core.model import Ask, Input, Kind, Role
from core.providers.mapping import told

MODELS = """\
[models.m]
display_name = "M"
owner = "o"
kind = "video"
status = "active"
created = 2026-01-02
prices = [{ unit = "image", credits = "7" }]

[models.m.parameters]
prompt = { type = "string", maximum = 100 }

[models.m.inputs]
first_frame = { maximum = 1, media_types = ["image/png"], maximum_bytes = 10 }
last_frame = { maximum = 1, media_types = ["image/png"], maximum_bytes = 10 }

[channels.c]
model = "m"
dialect = "dashscope"
resubmit = "reconcile_first"
upstream_model = "up"
base_url = "https://example.com/v1/"
credential = { env = "KEY" }

[channels.c.fields]
prompt = "prompt"
"""
ROW = '[channels.c.fields]\n"input:first_frame" = '


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_each_file_has_the_words_of_its_own_row_beside_it(files) -> None:
    rows = (
        '{ to = "a.media[].url", also = { type = "first", of = "x" } }\n'
        '"input:last_frame" = { to = "a.media[].at.url", also = { type = "last" } }\n'
    )
    catalogue = files.load(MODELS, ROW + rows)
    [channel] = catalogue.channels_of(catalogue.model("m"))
    inputs = tuple(
        Input(role, Body(b"x"), "image/png") for role in (Role.LAST_FRAME, Role.FIRST_FRAME)
    )

    assert told(Ask("m", Kind.VIDEO, Body("fox"), inputs), channel) == {
        "prompt": "fox",
        "a": {
            "media": [
                {"type": "first", "of": "x", "url": "data:image/png;base64,eA=="},
                {"type": "last", "at": {"url": "data:image/png;base64,eA=="}},
            ]
        },
    }


@pytest.mark.parametrize(
    ("row", "key", "says"),
    [
        ('{ to = "url", also = { type = "x" } }', "also", "an object in a list"),
        ('{ to = "urls[]", also = { type = "x" } }', "also", "an object in a list"),
        ('{ to = "a[].url", also = { type = 1 } }', "also.type", "a string"),
        ('{ to = "a[].url", also = "x" }', "also", "a table"),
    ],
)
def test_words_that_could_stand_nowhere_are_refused(files, row, key, says) -> None:
    error = files.mistake(MODELS, ROW + row)

    assert error.key == f"channels.c.fields.input:first_frame.{key}"
    assert says in error.problem
