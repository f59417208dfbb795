"""The catalogue that ships: on the providers' channels, or on the demo's."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing.pricing import quote
from core.body import Body, Secret
from core.catalog.entries import Catalogue, Status
from core.catalog.loader import embedded_files, load, shipped_files
from core.catalog.schema import price_facts, price_units, validate
from core.errors import GatewayError, Reason
from core.model import Deadlines, Kind, Resubmit

KEYS = {"OPENAI_API_KEY": "sk-1", "OPENAI_API_KEY_B": "sk-2", "OPENAI_API_KEY_C": "sk-3"}
SIMULATOR = {
    f"SIMULATOR_{what}_OPENAI_{name}": value.format(name.lower())
    for what, value in (("URL", "http://127.0.0.1:1/{}"), ("KEY", "sk-sim-{}"))
    for name in "ABC"
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(shipped_files(), KEYS)


def test_the_shipped_catalogue_offers_gpt_image_2(catalogue) -> None:
    model = catalogue.model("gpt-image-2")

    assert (model.id, model.owner, model.kind, model.status) == (
        "gpt-image-2",
        "openai",
        Kind.IMAGE,
        Status.ACTIVE,
    )
    assert catalogue.model("gpt-image-2-2026-04-21") is model
    assert catalogue.usable_model("gpt-image-2") is model
    assert model.maximum_inputs == 17, "16 images and a mask"
    assert model.defaults["output_format"] == "png"


def test_its_channels_are_three_accounts_of_openai_in_order(catalogue) -> None:
    channels = catalogue.channels_of(catalogue.model("gpt-image-2"))

    assert [each.name for each in channels] == ["openai", "openai-b", "openai-c"]
    assert [each.credential.reveal() for each in channels] == ["sk-1", "sk-2", "sk-3"]
    assert {each.base_url for each in channels} == {"https://api.openai.com/v1"}
    assert {each.dialect for each in channels} == {"openai_images"}
    assert all(each.bills_on_cancel for each in channels)
    assert all(each.resubmit is Resubmit.DUPLICATE_OK for each in channels)
    assert not [note for note in catalogue.notes if "openai" in note]


def test_a_channel_without_a_credential_is_left_out_with_a_note() -> None:
    catalogue = load(shipped_files(), {"OPENAI_API_KEY_B": "sk-2", "OPENAI_API_KEY": " "})

    assert "openai-b" in catalogue.channels
    notes = [
        note for note in catalogue.notes if note.split()[1] in ("openai:", "openai", "openai-c")
    ]
    assert [note.split(":")[0] for note in notes] == [
        "channel openai is left out",
        "channel openai-c is left out",
    ]
    assert "OPENAI_API_KEY_C" in notes[1]


def test_the_demo_has_simulated_channels_only_and_short_deadlines() -> None:
    catalogue = load(embedded_files(), {**KEYS, **SIMULATOR})
    channels = catalogue.channels_of(catalogue.model("gpt-image-2"))

    assert [each.name for each in channels] == ["openai-a", "openai-b", "openai-c"]
    assert [each.base_url for each in channels] == [
        "http://127.0.0.1:1/a/v1",
        "http://127.0.0.1:1/b/v1",
        "http://127.0.0.1:1/c/v1",
    ]
    assert channels[2].credential == Secret("sk-sim-c")
    for each in channels:
        assert each.deadlines == Deadlines(1.0, 15.0, 5.0, 5.0, 60.0)
    assert set(catalogue.channels) == {each.name for each in channels}


def test_the_version_knows_neither_credentials_nor_ports(catalogue) -> None:
    assert load(shipped_files(), {}).version == catalogue.version
    assert len(catalogue.version) == 64

    demo = load(embedded_files(), SIMULATOR)
    moved = {name: value.replace(":1/", ":2/") for name, value in SIMULATOR.items()}

    assert load(embedded_files(), moved).version == demo.version != catalogue.version


def test_the_version_changes_with_the_content(catalogue, tmp_path: Path) -> None:
    overlay = tmp_path / "weights.toml"
    overlay.write_text("[channels.openai]\nweight = 101\n")

    assert load([*shipped_files(), overlay], KEYS).version != catalogue.version


def test_an_unknown_model_is_a_typed_error(catalogue) -> None:
    with pytest.raises(GatewayError) as caught:
        catalogue.model("gpt-image-9")

    assert (caught.value.reason, caught.value.parameter) == (Reason.MODEL_NOT_FOUND, "model")


@pytest.mark.parametrize(
    ("size", "price"),
    [
        (None, 7),
        ("auto", 7),
        ("256x256", 7),
        ("1024x1024", 7),
        ("1536x1024", 7),
        ("1024x1536", 7),
        ("1600x1008", 14),
        ("2048x2048", 14),
        ("2560x1440", 14),
        ("2560x1648", 20),
        ("3840x2160", 20),
        ("2160x3840", 20),
    ],
)
@pytest.mark.parametrize("count", [None, 3])
def test_an_image_costs_by_its_resolution(catalogue, size, price, count) -> None:
    model = catalogue.model("gpt-image-2")
    given = {} if size is None else {"size": size}
    ask = validate(model, Body("p"), {**given, "quality": "auto"}, count=count)
    now = datetime(2026, 11, 21, tzinfo=UTC)

    assert quote(model.prices, price_facts(model, ask), price_units(ask), now) == (
        price * 1000 * (count or 1)
    )


def test_what_is_not_decided_yet_is_no_price_fact(catalogue) -> None:
    model = catalogue.model("gpt-image-2")
    ask = validate(model, Body("p"), {"background": "opaque"}, partials=2)

    assert price_facts(model, ask) == {
        "background": "opaque",
        "output_format": "png",
        "output_compression": "100",
        "resolution": "1k",
    }
