"""What a channel is told is rows in the catalogue; what it has no row for it cannot be asked for."""

from pathlib import Path

import pytest
from catalogue_files import ENV, Files

from core.body import Body
from core.catalog.schema import validate
from core.model import Channel, FieldRule, Input, Mode, Role
from core.policy.routing import Needs, Preference, Unroutable, eligible

MODELS = """\
[models.m]
display_name = "M"
owner = "o"
kind = "video"
status = "active"
created = 2026-01-02
prices = [{ unit = "second", credits = "7" }]

[models.m.parameters]
prompt = { type = "string", maximum = 100 }
negative_prompt = { type = "text", maximum = 100 }
output_count = { type = "integer", minimum = 1, maximum = 1, default = 1 }
partial_count = { type = "integer", minimum = 0, maximum = 3, default = 0 }
end_user_id = { type = "string", maximum = 100 }
resolution = { type = "string", values = ["720p", "1080p"], default = "720p", explicit = true }
duration = { type = "integer", minimum = 2, maximum = 6, automatic = -1, default = 5, explicit = true }
size = { type = "size", values = ["auto"], maximum_pixels = 400, default = "auto" }
seed = { type = "integer", minimum = -1, maximum = 4294967295, default = -1 }
watermark = { type = "boolean", default = false }

[models.m.inputs]
image = { maximum = 3, media_types = ["image/png"], maximum_bytes = 10, excludes = ["first_frame"] }
first_frame = { maximum = 1, media_types = ["image/png"], maximum_bytes = 10 }
video = { maximum = 1, media_types = ["video/mp4"], maximum_bytes = 10, excludes = ["first_frame"] }

[models.n]
display_name = "N"
owner = "o"
kind = "video"
status = "active"
created = 2026-01-02
prices = [{ unit = "image", credits = "7" }]
parameters = { prompt = { type = "string" }, style = { type = "string", values = ["a", "b"] } }

[channels.c]
models = ["m"]
dialect = "fal"
resubmit = "reconcile_first"
upstream_model = "up"
base_url = "https://example.com/v1/"
credential = { env = "KEY" }
"""
CHANNEL = "[channels.c]\n"
ROWS = '[channels.c.fields]\nresolution = "resolution"\nduration = "duration"\n'


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def channel(files: Files, *overlays: str, model: str = "m") -> Channel:
    catalogue = files.load(MODELS, *overlays)
    [found] = catalogue.channels_of(catalogue.model(model))
    return found


def test_a_channel_without_rows_leaves_all_to_its_dialect(files) -> None:
    assert (channel(files).fields, channel(files).unsupported) == ({}, frozenset())


def test_rows_may_be_short_or_say_how_values_are_written(files) -> None:
    found = channel(
        files,
        """
        [channels.c]
        variants = { text = "up/t", first_frame = "up/i" }
        options = { webhook = "hook" }
        constants = { "input.safe" = true, "a[].b" = 3 }
        side_url = "https://side.example/"
        [channels.c.fields]
        prompt = "input.prompt"
        resolution = { to = "input.tier", values = { "720p" = "HD", "1080p" = 1080 } }
        duration = { to = "input.seconds", form = "{}s", omit = ["-1"] }
        size = { to = "size", form = "{width}*{height}", omit = ["auto"] }
        seed = { to = "seed", modes = ["text"] }
        mark = "payload"
        "input:first_frame" = "input.image_url"
        "input:image" = "input.images[].url"
        """,
    )

    assert found.fields["prompt"] == FieldRule("input.prompt")
    assert found.fields["resolution"] == FieldRule("input.tier", {"720p": "HD", "1080p": 1080})
    assert found.fields["duration"] == FieldRule(
        "input.seconds", form="{}s", omit=frozenset({"-1"})
    )
    assert found.fields["seed"].modes == {Mode.TEXT}
    assert found.variants == {Mode.TEXT: "up/t", Mode.FIRST_FRAME: "up/i"}
    assert found.constants == {"input.safe": True, "a[].b": 3}
    assert found.options == {"webhook": "hook"}
    assert found.side_url == "https://side.example"


@pytest.mark.parametrize(
    ("more", "cannot"),
    [
        # all that has no row: but what every channel is told in its own way, or need not be told
        (
            "",
            {
                *("negative_prompt", "size", "seed", "watermark", "partials"),
                *("input:image", "input:first_frame", "input:video"),
            },
        ),
        # values that are not in the row
        ('resolution = { to = "r", values = { 720p = "HD" } }', {"resolution=1080p"}),
        ('resolution = { to = "r", values = { 720p = "HD" }, omit = ["1080p"] }', set()),
        ('resolution = { omit = ["720p"] }', {"resolution=1080p"}),
        ('watermark = { to = "w", values = { false = 0 } }', {"watermark=true"}),
        ('duration = { to = "d", values = { 2 = "2", 4 = "4" } }', {"duration=-1", "duration=3"}),
        ('duration = { to = "d", range = [3, 5] }', {"duration=2", "duration=6"}),
        ('duration = { to = "d", form = "{}" }', {"duration=-1"}),
        ('duration = { to = "d", form = "{}", omit = ["-1"] }', set()),
        # files: one only, some, or in some modes
        ('"input:image" = "image"', {"input:image=2"}),
        ('"input:image" = { to = "images[]", range = [0, 2] }', {"input:image=3"}),
        ('"input:image" = "images[]"', set()),
        (
            '"input:image" = { to = "images[]", modes = ["image"] }',
            {f"input:image@{mode}" for mode in ("text", "first_frame", "frames", "video")},
        ),
    ],
)
def test_what_has_no_row_or_no_word_cannot_be_asked_for(files, more, cannot) -> None:
    rows = f"{CHANNEL}[channels.c.fields]\n{more}\n"
    kept = [line for line in ROWS.splitlines()[1:] if line.split()[0] != more.split(" ", 1)[0]]
    found = channel(files, rows + "\n".join(kept)).unsupported

    assert cannot <= found
    own = more.split(" ", 1)[0].strip('"')
    told = {token for token in found if own and token.replace("@", "=").split("=")[0] == own}
    assert told >= cannot if own == "duration" else told == (cannot if own else told)


def test_a_mode_without_a_variant_is_not_served(files) -> None:
    found = channel(files, CHANNEL + 'variants = { text = "t", image = "i" }')

    assert found.unsupported == {"mode:first_frame", "mode:video"}


def test_what_is_written_as_unsupported_comes_to_what_follows_from_the_rows(files) -> None:
    found = channel(files, CHANNEL + 'unsupported = ["inline:video", "mode:image"]\n' + ROWS)

    assert {"inline:video", "mode:image", "watermark"} <= found.unsupported


def test_a_channel_of_several_models_cannot_do_something_else_for_each(files) -> None:
    catalogue = files.load(
        MODELS, CHANNEL + 'models = ["m", "n"]\n' + ROWS + 'style = "style"\nwatermark = "w"\n'
    )
    [for_m], [for_n] = (catalogue.channels_of(catalogue.model(name)) for name in "mn")

    assert for_m.name == for_n.name == "c"
    assert "seed" in for_m.unsupported
    assert for_n.unsupported == frozenset()
    assert list(catalogue.channels) == ["c"]


def test_a_retired_channel_is_left_out_until_it_is_enabled(files) -> None:
    retired = CHANNEL + "retired = 2026-10-22\n"
    catalogue = files.load(MODELS, retired)

    assert catalogue.channels == {}
    assert catalogue.notes[0].startswith("channel c is left out: retired on 2026-10-22")
    assert "c" in files.load(MODELS, retired, CHANNEL + "enabled = true").channels
    assert "disabled" in files.load(MODELS, retired + "enabled = false").notes[0]


@pytest.mark.parametrize(
    ("overlay", "key", "says"),
    [
        (CHANNEL + 'model = "m"', "channels.c.model", "remove one of them"),
        (CHANNEL + 'models = ["m", "x"]', "channels.c.models", "one of: m, n"),
        (CHANNEL + "models = []", "channels.c.models", "one of: m, n"),
        (ROWS + 'style = "s"', "channels.c.fields.style", "a parameter of the model: callback_url"),
        (ROWS + '"input:audio" = "a[]"', "channels.c.fields.input:audio", "input:first_frame"),
        (ROWS + '"input:smell" = "a[]"', "channels.c.fields.input:smell", "takes no such input"),
        (ROWS + 'seed = ""', "channels.c.fields.seed.to", "is missing"),
        (ROWS + 'seed = "a b"', "channels.c.fields.seed.to", "a name such as"),
        (ROWS + 'seed = "[]"', "channels.c.fields.seed.to", "a name such as"),
        (ROWS + "seed = 3", "channels.c.fields.seed", "a table"),
        (ROWS + 'seed = { to = "s", from = "x" }', "channels.c.fields.seed.from", "unknown key"),
        (ROWS + 'seed = { to = "s", modes = ["dream"] }', "channels.c.fields.seed.modes", "frames"),
        (ROWS + 'seed = { to = "s", form = "x" }', "channels.c.fields.seed.form", "{}"),
        (ROWS + 'seed = { to = "s", form = "{0:x}" }', "channels.c.fields.seed.form", "{}"),
        (ROWS + 'seed = { to = "s", form = "{width}" }', "channels.c.fields.seed.form", "{}"),
        (ROWS + 'seed = { to = "s", form = "{" }', "channels.c.fields.seed.form", "{}"),
        (
            ROWS + 'watermark = { to = "w", form = "{}", values = { true = 1, false = 0 } }',
            "channels.c.fields.watermark.form",
            "together with `values`",
        ),
        (
            ROWS + 'watermark = { to = "w", values = { yes = 1 } }',
            "channels.c.fields.watermark.values",
            "false, true",
        ),
        (
            ROWS + 'seed = { to = "s", values = { 1 = 1 } }',
            "channels.c.fields.seed.values",
            "can be listed",
        ),
        (
            ROWS + 'watermark = { to = "w", omit = ["no"] }',
            "channels.c.fields.watermark.omit",
            "false, true",
        ),
        (ROWS + "watermark = { modes = ['text'] }", "channels.c.fields.watermark", "is missing"),
        (
            ROWS + 'seed = { to = "s", range = [1, 2] }',
            "channels.c.fields.seed.range",
            "few values",
        ),
        (
            ROWS + '"input:image" = { to = "i[]", range = [2] }',
            "channels.c.fields.input:image.range",
            "[lowest, highest]",
        ),
        (
            '[channels.c.fields]\nprompt = "prompt"',
            "channels.c.fields",
            "`resolution` needs a row: m always tells it",
        ),
        # names that cannot be told together
        (ROWS + 'seed = "resolution.seed"', "channels.c.fields.seed", "a list, an object"),
        (ROWS + 'seed = "duration[]"', "channels.c.fields.seed", "a list, an object"),
        (
            ROWS + 'seed = "a[]"\nwatermark = "a[].b"',
            "channels.c.fields.watermark",
            "a list, an object",
        ),
        (
            ROWS + 'constants = { seed = 1 }\n[channels.c.constants]\n"resolution.x" = 1',
            "channels.c.fields.constants",
            "a parameter of the model",
        ),
        (
            ROWS + '[channels.c.constants]\n"resolution.x" = 1',
            "channels.c.fields.resolution",
            "a list, an object",
        ),
        ("[channels.c.constants]\nx.y = 1", "channels.c.constants.x", "a string, a number"),
        ("[channels.c.constants]\n'x y' = 1", "channels.c.constants.x y", "a name as in `fields`"),
        # modes
        (CHANNEL + "variants = { dream = 'x' }", "channels.c.variants.dream", "text, image"),
        (CHANNEL + "variants = { frames = 'x' }", "channels.c.variants.frames", "text, image"),
        (CHANNEL + "variants = { text = '' }", "channels.c.variants.text", "empty"),
        # the rest
        (CHANNEL + "options = { a = 1 }", "channels.c.options.a", "a string"),
        (CHANNEL + "side_url = 'ftp://x'", "channels.c.side_url", "http(s)"),
        (CHANNEL + "retired = 'soon'", "channels.c.retired", "a date"),
        (CHANNEL + "unsupported = ['mode:dream']", "channels.c.unsupported", "mode:"),
        (CHANNEL + "unsupported = ['duration=7']", "channels.c.unsupported", "name=value"),
    ],
)
def test_a_row_that_would_not_be_told_is_refused_with_its_place(files, overlay, key, says) -> None:
    error = files.mistake(MODELS, overlay)

    assert error.key.startswith(key)
    assert says in error.problem
    assert error.file.name == "2.toml"
    assert error.line is not None


def test_one_name_may_be_a_list_in_one_mode_and_a_value_in_another(files) -> None:
    found = channel(
        files,
        ROWS
        + '"input:image" = { to = "image[]", modes = ["image"] }\n'
        + '"input:first_frame" = { to = "image", modes = ["first_frame"] }\n',
    )

    assert found.fields["input:first_frame"].to == "image"


def test_the_credential_goes_to_a_second_address_too(files) -> None:
    catalogue = files.load(MODELS, CHANNEL + "side_url = 'http://10.0.0.1'")

    assert catalogue.notes == ("channel c sends its credential over plain http",)
    assert files.load(MODELS, CHANNEL + "side_url = '${GONE}'", env={}).channels == {}


def test_an_overlay_replaces_values_and_variants_whole_and_the_rest_of_a_row_by_key(files) -> None:
    found = channel(
        files,
        CHANNEL
        + 'variants = { text = "t", image = "i" }\n'
        + ROWS.replace('"resolution"', '{ to = "resolution", values = { 1080p = "FHD" } }'),
        '[channels.c.fields]\nresolution = { values = { 720p = "HD" } }\n',
        '[channels.c]\nvariants = { text = "other" }',
    )

    assert found.fields["resolution"] == FieldRule("resolution", {"720p": "HD"})
    assert found.variants == {Mode.TEXT: "other"}


def picture(role: Role = Role.IMAGE, name: str = "") -> Input:
    return Input(role, Body(b"x"), "image/png", parameter=name)


@pytest.mark.parametrize(
    ("rows", "inputs", "culprit"),
    [
        ('"input:image" = "image"', [picture()], ""),
        ('"input:image" = "image"', [picture(), picture(name="image[1]")], "image[1]"),
        ('"input:image" = "image[]"', [picture(), picture()], ""),
        ('"input:first_frame" = "image"', [picture()], "image"),
        (
            '"input:image" = { to = "i[]", modes = ["image"] }\n"input:video" = "v"',
            [picture(name="style"), Input(Role.VIDEO, Body(b"x"), "video/mp4")],
            "style",
        ),
    ],
)
def test_files_beyond_what_a_channel_takes_exclude_it(files, rows, inputs, culprit) -> None:
    catalogue = files.load(MODELS, ROWS + rows, env=ENV)
    model = catalogue.model("m")
    ask = validate(model, Body("p"), {}, inputs)
    able = eligible(catalogue.channels_of(model), Needs.of(ask, model.defaults), Preference())

    assert (able.parameter if isinstance(able, Unroutable) else "") == culprit
