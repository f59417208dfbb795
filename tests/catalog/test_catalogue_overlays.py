"""Later files override the catalogue field by field."""

from pathlib import Path

import pytest
from catalogue_files import BASE, ENV, Files

from billing.pricing import PriceRow
from core.catalog.entries import Status
from core.catalog.loader import DIALECTS, shipped_files
from core.errors import GatewayError
from core.model import Deadlines, Resubmit, Role

MODEL, CHANNEL = "[models.m]\n", "[channels.c]\n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_an_overlay_overrides_single_fields_of_models_and_channels(files) -> None:
    catalogue = files.load(
        BASE,
        """
        [models.m]
        display_name = "New"
        [models.m.parameters.quality]
        default = "low"
        [models.m.inputs.image]
        maximum = 5
        [channels.c]
        weight = 7
        dialect = "ark_videos"
        resubmit = "reconcile_first"
        poll_seconds = 0.5
        job_seconds = 90
        media_hosts = ["*.example.com", "127.0.0.1", "localhost:8080"]
        unsupported = ["quality=high", "input:image", "partials"]
        maximum_count = 1
        [channels.c.deadlines]
        connect = 1
        """,
        "channels.c.deadlines.first_byte = 2.5",
    )
    model, channel = catalogue.model("m"), catalogue.channels["c"]

    assert (model.display_name, model.owner) == ("New", "o")
    assert model.parameters["quality"].default == "low"
    assert model.parameters["quality"].values == ("auto", "low", "high")
    assert (model.inputs[Role.IMAGE].maximum, model.inputs[Role.IMAGE].maximum_bytes) == (5, 10)
    assert (channel.weight, channel.maximum_count, channel.upstream_model) == (7, 1, "up")
    assert channel.resubmit is Resubmit.RECONCILE_FIRST
    assert (channel.poll_seconds, channel.job_seconds) == (0.5, 90.0)
    assert channel.media_hosts == {"*.example.com", "127.0.0.1", "localhost:8080"}
    assert channel.unsupported == {"quality=high", "input:image", "partials"}
    assert channel.deadlines == Deadlines(connect=1.0, first_byte=2.5)


def test_an_overlay_replaces_the_price_rows_whole(files) -> None:
    catalogue = files.load(
        BASE,
        """
        [[models.m.prices]]
        unit = "image"
        credits = "1"
        conditions = { resolution = "small" }
        [[models.m.prices]]
        unit = "image"
        credits = "0.25"
        conditions = { resolution = "large" }
        """,
    )

    assert catalogue.model("m").prices == (
        PriceRow("image", 1_000, {"resolution": "small"}),
        PriceRow("image", 250, {"resolution": "large"}),
    )


def test_an_overlay_adds_models_and_channels(files) -> None:
    catalogue = files.load(
        BASE,
        BASE.replace("models.m", "models.n")
        .replace('"m"', '"n"')
        .replace("m-alias", "n-alias")
        .replace("channels.c", "channels.d")
        + "priority = 2\n",
        '[channels.e]\nmodel = "n"\ndialect = "openai_images"\nupstream_model = "x"\n'
        'base_url = "https://e.example"\ncredential = { env = "KEY" }\npriority = 1\n',
    )

    assert [model.id for model in catalogue] == ["m", "n"]
    assert [each.name for each in catalogue.channels_of(catalogue.model("n"))] == ["e", "d"]


def test_an_overlay_disables_a_channel_with_a_note(files) -> None:
    catalogue = files.load(BASE, CHANNEL + "enabled = false")

    assert catalogue.channels_of(catalogue.model("m")) == ()
    assert catalogue.notes == ("channel c is left out: it is disabled",)
    assert files.load(BASE, CHANNEL + "enabled = false", CHANNEL + "enabled = true").channels


def test_an_overlay_replaces_where_the_credential_is(files, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-file\n")
    catalogue = files.load(BASE, CHANNEL + 'credential = { file = "key" }', env={})

    assert catalogue.channels["c"].credential.reveal() == "sk-from-file"
    assert "sk-from-file" not in repr(catalogue)


@pytest.mark.parametrize("content", [None, "", " \n", b"\xff"])
def test_a_credential_file_without_a_credential_leaves_the_channel_out(
    files, tmp_path, content
) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content if isinstance(content, bytes) else content.encode())
    catalogue = files.load(BASE, CHANNEL + 'credential = { file = "key" }', env={})

    assert not catalogue.channels
    assert "its credential file key" in catalogue.notes[0]


@pytest.mark.parametrize("value", ["a b", "a\nx-injected: 1", "schlüssel"])
def test_a_credential_that_cannot_stand_in_a_header_is_refused(files, value) -> None:
    error = files.mistake(BASE, env={"KEY": value})

    assert error.key == "channels.c.credential"
    assert value not in str(error)


def test_variables_are_filled_into_base_urls_only_of_channels_in_use(files) -> None:
    overlay = CHANNEL + "base_url = 'http://${HOST-1}:${PORT}/v1'"

    catalogue = files.load(BASE, overlay, env={**ENV, "HOST-1": "127.0.0.1", "PORT": "8"})
    assert catalogue.channels["c"].base_url == "http://127.0.0.1:8/v1"
    assert files.load(BASE, overlay, env={}).channels == {}


@pytest.mark.parametrize(
    ("url", "is_noted"),
    [
        ("http://10.0.0.1", True),
        ("http://proxy", True),
        ("http://localhost:1", False),
        ("http://127.0.0.9", False),
        ("http://[::1]:3", False),
        ("https://x", False),
    ],
)
def test_a_credential_sent_in_clear_to_another_machine_is_noted(files, url, is_noted) -> None:
    catalogue = files.load(BASE, CHANNEL + f"base_url = '{url}'")

    assert catalogue.channels["c"].base_url == url
    assert bool(catalogue.notes) == is_noted


def test_a_model_that_is_only_announced_needs_no_price_and_cannot_be_used(files) -> None:
    catalogue = files.load(BASE, MODEL + "status = 'coming_soon'\nprices = []")

    assert catalogue.model("m").status is Status.COMING_SOON
    with pytest.raises(GatewayError):
        catalogue.usable_model("m")


def test_dialects_are_the_callers_to_name(files) -> None:
    assert files.load(BASE, CHANNEL + "dialect = 'x'", dialects={"x"}).channels["c"].dialect == "x"
    assert "openai_images" in DIALECTS


def test_the_catalogue_cannot_be_changed(files) -> None:
    catalogue = files.load(BASE)

    with pytest.raises(TypeError):
        catalogue.models["m"] = None
    with pytest.raises(TypeError):
        catalogue.channels["c"] = None


def test_the_order_of_keys_does_not_change_the_version(files) -> None:
    lines = BASE.split("\n\n")

    assert files.load(BASE).version == files.load("\n\n".join(lines[::-1])).version


def test_where_a_credential_is_does_not_change_the_version(files) -> None:
    elsewhere = BASE.replace('{ env = "KEY" }', '{ env = "OTHER" }')

    assert files.load(BASE).version == files.load(elsewhere).version


def test_every_shipped_file_is_laid_only_once() -> None:
    assert len(set(shipped_files())) == len(shipped_files()) >= 2
