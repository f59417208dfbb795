"""Mistakes in the catalogue are refused by name and place."""

from pathlib import Path

import pytest
from catalogue_files import BASE, Files

from core.catalog.loader import CatalogueError, load
from core.model import Deadlines


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_base_of_these_tests_loads(files) -> None:
    catalogue = files.load(BASE)
    [channel] = catalogue.channels_of(catalogue.model("m"))

    assert channel.base_url == "https://example.com/v1"
    assert channel.deadlines == Deadlines()
    assert catalogue.model("m").prices[0].amount_micros == 7_500


MODEL, CHANNEL = "[models.m]\n", "[channels.c]\n"


@pytest.mark.parametrize(
    ("overlay", "key", "line", "says"),
    [
        # unknown keys
        ("models = { m = { colour = 1 } }", "models.m.colour", None, "unknown key"),
        (MODEL + "colour = 1", "models.m.colour", 2, "aliases, created"),
        (CHANNEL + "\ntimeout = 1", "channels.c.timeout", 3, "unknown key"),
        (CHANNEL + "deadlines = { conect = 1 }", "channels.c.deadlines.conect", 2, "connect"),
        ("[settings]\na = 1", "settings", 1, "the keys here are: channels, credit_packs"),
        ("[models.m.parameters.size]\nstep = 1", "models.m.parameters.size.step", 2, "unknown key"),
        # missing keys
        ("[models.n]\nowner = 'o'", "models.n.display_name", 1, "missing"),
        (
            "[channels.d]\nmodel = 'm'",
            "channels.d.credential",
            1,
            'add credential = { env = "NAME" }',
        ),
        # wrong types
        (MODEL + "display_name = 3", "models.m.display_name", 2, "a string"),
        (MODEL + "owner = ''", "models.m.owner", 2, "empty"),
        (MODEL + "created = '2026'", "models.m.created", 2, "a date"),
        (MODEL + "created = 2026-01-01T00:00:00Z", "models.m.created", 2, "a date"),
        (MODEL + "aliases = 'a'", "models.m.aliases", 2, "a list of strings"),
        (MODEL + "aliases = ['a', 'a']", "models.m.aliases", 2, "twice"),
        (MODEL + "parameters = 3", "models.m.parameters", 2, "a table"),
        (MODEL + "prices = 3", "models.m.prices", 2, "a list of tables"),
        ("models = 3", "models", 1, "a table"),
        (CHANNEL + "weight = 0", "channels.c.weight", 2, "at least 1"),
        (CHANNEL + "weight = true", "channels.c.weight", 2, "an integer"),
        (CHANNEL + "priority = -1", "channels.c.priority", 2, "at least 0"),
        (CHANNEL + "maximum_count = 1.5", "channels.c.maximum_count", 2, "an integer"),
        (CHANNEL + "enabled = 'no'", "channels.c.enabled", 2, "true or false"),
        (CHANNEL + "bills_on_cancel = 1", "channels.c.bills_on_cancel", 2, "true or false"),
        (CHANNEL + "deadlines.total = 0", "channels.c.deadlines.total", 2, "above 0"),
        (CHANNEL + "deadlines.total = nan", "channels.c.deadlines.total", 2, "a number"),
        # wrong words
        (MODEL + "kind = 'smell'", "models.m.kind", 2, "image, video, audio, chat, tool"),
        (MODEL + "status = 'on'", "models.m.status", 2, "active, coming_soon, deprecated"),
        (
            CHANNEL + "dialect = 'morse'",
            "channels.c.dialect",
            2,
            "must be one of: ark_images, ark_videos",
        ),
        (CHANNEL + "model = 'mm'", "channels.c.model", 2, "must be one of: m"),
        (CHANNEL + "resubmit = 'yes'", "channels.c.resubmit", 2, "duplicate_ok, reconcile_first"),
        (
            CHANNEL + "resubmit = 'reconcile_first'",
            "channels.c.resubmit",
            2,
            "must be duplicate_ok with this dialect",
        ),
        (
            CHANNEL + "dialect = 'ark_videos'",
            "channels.c.resubmit",
            1,
            "must be reconcile_first with this dialect",
        ),
        (
            CHANNEL + "dialect = 'ark_videos'\nresubmit = 'duplicate_ok'",
            "channels.c.resubmit",
            3,
            "must be reconcile_first with this dialect",
        ),
        (CHANNEL + "poll_seconds = 0", "channels.c.poll_seconds", 2, "above 0"),
        (CHANNEL + "job_seconds = 'x'", "channels.c.job_seconds", 2, "a number"),
        (CHANNEL + "media_hosts = 'x'", "channels.c.media_hosts", 2, "a list of strings"),
        (CHANNEL + "media_hosts = ['*.com']", "channels.c.media_hosts", 2, "a host in lower case"),
        (CHANNEL + "media_hosts = ['*']", "channels.c.media_hosts", 2, "a host in lower case"),
        (CHANNEL + "media_hosts = ['X.com']", "channels.c.media_hosts", 2, "a host in lower case"),
        (
            CHANNEL + "media_hosts = ['http://x.com']",
            "channels.c.media_hosts",
            2,
            "a host in lower case",
        ),
        (
            CHANNEL + "unsupported = ['qualty']",
            "channels.c.unsupported",
            2,
            "a parameter of the model",
        ),
        (CHANNEL + "unsupported = ['quality=hi']", "channels.c.unsupported", 2, "name=value"),
        ("[channels.C]\nmodel = 'm'", "channels.C", 1, "a-z 0-9"),
        ('[models."a b"]', "models.a b", 1, "A-Z a-z 0-9"),
        # parameters
        ("[models.m.parameters.Size]\ntype = 'string'", "models.m.parameters.Size", 1, "a-z"),
        (
            "[models.m.parameters.x]\ntype = 'date'",
            "models.m.parameters.x.type",
            2,
            "string, integer",
        ),
        (
            "[models.m.parameters.quality]\ndefault = 'hi'",
            "models.m.parameters.quality.default",
            2,
            "auto, low, high",
        ),
        (
            "[models.m.parameters.quality]\ndefault = 3",
            "models.m.parameters.quality.default",
            2,
            "a string",
        ),
        (
            "[models.m.parameters.x]\ntype = 'integer'\nminimum = 3\nmaximum = 2",
            "models.m.parameters.x.maximum",
            4,
            "below",
        ),
        (
            "[models.m.parameters.x]\ntype = 'integer'\nminimum = 3\ndefault = 2",
            "models.m.parameters.x.default",
            4,
            "at least 3",
        ),
        (
            "[models.m.parameters.size]\nautomatic = -1",
            "models.m.parameters.size.automatic",
            2,
            "for an integer only",
        ),
        (
            "[models.m.parameters.x]\ntype = 'integer'\nautomatic = -2",
            "models.m.parameters.x.automatic",
            3,
            "at least -1",
        ),
        (
            "[models.m.parameters.x]\ntype = 'integer'\nexplicit = true",
            "models.m.parameters.x.explicit",
            3,
            "needs a default",
        ),
        ("[[models.m.rules]]\nparameter = 'x'", "models.m.rules.1.parameter", 2, "size, quality"),
        (
            "[[models.m.rules]]\nparameter = 'quality'\nvalue = 'x'",
            "models.m.rules.1",
            1,
            "`quality`",
        ),
        (
            "[[models.m.rules]]\nparameter = 'size'\nrequires.x = ['a']",
            "models.m.rules.1.requires.x",
            3,
            "size, quality",
        ),
        # inputs
        ("[models.m.inputs.smell]\nmaximum = 1", "models.m.inputs.smell", 1, "mask"),
        ("[models.m.inputs.image]\nsame_size_as = 'mask'", "models.m.inputs.image", 1, "role"),
        ("[models.m.inputs.image]\nneeds = 'mask'", "models.m.inputs.image", 1, "needs must name"),
        (
            "[models.m.inputs.image]\nexcludes = ['smell']",
            "models.m.inputs.image.excludes",
            2,
            "each must be one of: image, mask",
        ),
        (
            "[models.m.inputs.image]\nexcludes = ['mask']",
            "models.m.inputs.image",
            1,
            "excludes must name other roles",
        ),
        (
            "[models.m.inputs.image]\nexcludes = ['image']",
            "models.m.inputs.image",
            1,
            "excludes must name other roles",
        ),
        (
            (
                "[models.m.inputs.mask]\nmaximum = 1\nmaximum_bytes = 1\nneeds = 'image'\n"
                "excludes = ['image']"
            ),
            "models.m.inputs.mask",
            1,
            "a role that it needs",
        ),
        (
            MODEL
            + "resolutions = { small = 400 }\n[models.m.parameters.resolution]\ntype = 'string'",
            "models.m.resolutions",
            2,
            "there is a parameter `resolution`",
        ),
        # prices
        (
            "[[models.m.prices]]\nunit = 'second'\ncredits = '1'",
            "models.m.prices.1.unit",
            2,
            "a parameter `duration`",
        ),
        (
            (
                "[models.m.parameters.duration]\ntype = 'integer'\nmaximum = 9\n"
                "[[models.m.prices]]\nunit = 'second'\ncredits = '1'"
            ),
            "models.m.prices.1.unit",
            5,
            "default and maximum",
        ),
        (
            (
                "[models.m.parameters.duration]\ntype = 'integer'\nmaximum = 9\ndefault = 5\n"
                "[[models.m.prices]]\nunit = 'second'\ncredits = '1'\n"
                "[[models.m.prices]]\nunit = 'image'\ncredits = '1'"
            ),
            "models.m.prices",
            5,
            "different units",
        ),
        ("[[models.m.prices]]\nunit = 'kilo'\ncredits = '1'", "models.m.prices.1.unit", 2, "image"),
        (
            "[[models.m.prices]]\nunit = 'image'\ncredits = 7",
            "models.m.prices.1.credits",
            3,
            '"0.125"',
        ),
        (
            "[[models.m.prices]]\nunit = 'image'\ncredits = '-7'",
            "models.m.prices.1.credits",
            3,
            "credits",
        ),
        (
            "[[models.m.prices]]\nunit = 'image'\ncredits = '0.0001'",
            "models.m.prices.1.credits",
            3,
            "credits",
        ),
        (
            "[[models.m.prices]]\nunit = 'image'\ncredits = '1'\neffective_from = 2026-01-01T00:00:00",
            "models.m.prices.1.effective_from",
            4,
            "offset",
        ),
        (
            "[[models.m.prices]]\nunit = 'image'\ncredits = '1'\nconditions = { quality = 'auto' }",
            "models.m.prices.1.conditions.quality",
            4,
            "one of its values",
        ),
        (
            "[[models.m.prices]]\nunit = 'image'\ncredits = '1'\nconditions = { resolution = 'small' }",
            "models.m.prices",
            1,
            "no row for: resolution large",
        ),
        (
            "[[models.m.prices]]\nunit = 'image'\ncredits = '1'\n" * 2,
            "models.m.prices",
            1,
            "two rows",
        ),
        (MODEL + "prices = []", "models.m.prices", 2, "no row for: any request"),
        (
            MODEL
            + "prices = [{ unit = 'image', credits = '1' }, { unit = 'image', credits = '2' }]",
            "models.m.prices",
            2,
            "two rows",
        ),
        (MODEL + "resolutions = { small = 100 }", "models.m.resolutions", 2, "maximum_pixels"),
        # credentials and addresses
        (CHANNEL + "credential = 'sk-canary'", "channels.c.credential", 2, "a table"),
        (CHANNEL + "credential = {}", "channels.c.credential", 2, "{ file ="),
        (
            CHANNEL + "credential = { env = 'A', file = 'b' }",
            "channels.c.credential",
            2,
            "{ file =",
        ),
        (CHANNEL + "credential = { value = 'sk-canary' }", "channels.c.credential", 2, "{ env ="),
        (CHANNEL + "base_url = 'ftp://x'", "channels.c.base_url", 2, "http(s)"),
        (CHANNEL + "base_url = 'https://'", "channels.c.base_url", 2, "http(s)"),
        (CHANNEL + "base_url = 'https://u:canary@x'", "channels.c.base_url", 2, "without user"),
        (CHANNEL + "base_url = 'https://x/?key=canary'", "channels.c.base_url", 2, "query"),
        (CHANNEL + "base_url = 'https://x:99999'", "channels.c.base_url", 2, "http(s)"),
        (CHANNEL + "base_url = 'https://x/ y'", "channels.c.base_url", 2, "http(s)"),
        (
            CHANNEL + "base_url = '${WHERE}/v1'",
            "channels.c.base_url",
            2,
            "needs the variable WHERE",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_file_its_key_its_line_and_the_remedy(
    files, overlay, key, line, says
) -> None:
    error = files.mistake(BASE, overlay)

    assert (error.file.name, error.key) == ("2.toml", key)
    assert says in error.problem
    if line is not None:
        assert error.line == line
        assert str(error).startswith(f"2.toml:{line}: {key}: ")


def test_a_mistake_is_blamed_on_the_file_that_made_it(files) -> None:
    error = files.mistake(BASE + "wieght = 3\n", CHANNEL + "weight = 5")

    assert (error.file.name, error.key) == ("1.toml", "channels.c.wieght")
    assert error.line == BASE.count("\n") + 1


@pytest.mark.parametrize("text", ["[models", "a = canary", "a = 'x\n", '[m]\n[m]\n"canary" = ]'])
def test_what_is_not_toml_is_refused_with_its_line_and_not_repeated(files, text) -> None:
    error = files.mistake(BASE, text)

    assert "2.toml: is not TOML: syntax error" in str(error)


def test_a_file_that_cannot_be_read_is_refused(files, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"no\.toml: cannot be read"):
        load([tmp_path / "no.toml"], {})
    (tmp_path / "latin.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(CatalogueError, match=r"latin\.toml: is not UTF-8"):
        load([tmp_path / "latin.toml"], {})


@pytest.mark.parametrize("alias", ["m", "n", "m-alias"])
def test_a_name_means_one_model_only(files, alias) -> None:
    second = BASE[: BASE.index("[channels")].replace("models.m", "models.n")
    error = files.mistake(BASE, second.replace("m-alias", alias))

    assert error.key == "models.n.aliases"
