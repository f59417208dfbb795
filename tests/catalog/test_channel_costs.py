"""What providers charge stands in the catalogue; `reapi margins` compares it with prices."""

import json
from pathlib import Path
from typing import Any

import pytest
from catalogue_files import BASE, ENV, Files

from billing.pricing import PriceRow
from core.catalog.loader import CatalogueError, load
from gateway import cli


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def cost(text: str) -> str:
    return f"{BASE}[[channels.c.costs]]\n{text}\n"


def test_costs_are_dollars_for_units_where_conditions_hold(files: Files) -> None:
    text = cost('unit = "image"\nusd = "0.0035"\nconditions = { resolution = "small" }')
    catalogue = load([files.write(text)], ENV)

    assert catalogue.costs["c"] == (PriceRow("image", 3_500, {"resolution": "small"}),)
    assert load([files.write(BASE)], ENV).costs["c"] == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('unit = "second"\nusd = "1"', "unit: must be one of: image"),
        ('unit = "image"\nusd = "0.0000001"', "usd: must be US dollars as a string"),
        ('unit = "image"\nusd = 0.5', "usd: must be a string"),
        ('unit = "image"\nusd = "1"\nconditions = { size = "9x9" }', "size: must be `mode`"),
        ('unit = "image"\nusd = "1"\nfrom = 2026-01-01', "from: unknown key"),
        (
            'unit = "image"\nusd = "1"\n[[channels.c.costs]]\nunit = "image"\nusd = "2"',
            "there is a row for this already",
        ),
    ],
)
def test_a_mistake_in_costs_is_told_by_its_place(files: Files, text: str, problem: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load([files.write(cost(text))], ENV)

    assert "channels.c.costs" in str(caught.value)
    assert problem in str(caught.value)


def margins(capsys: Any, monkeypatch: Any, *arguments: str) -> tuple[int, Any]:
    monkeypatch.setattr(cli, "process_environment", lambda: {"REAPI_HOME": "/nowhere"})
    code = cli.run(["margins", "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


def test_margins_of_a_model_are_told_by_channel_and_case(capsys: Any, monkeypatch: Any) -> None:
    code, found = margins(capsys, monkeypatch, "veo-3.1-lite")

    assert code == 0
    rows = {
        (row["channel"], row["where"]["resolution"]): (row["cost_usd"], row["margin_percent"])
        for row in found["margins"]
    }
    assert rows["veo-lite-vertex", "720p"] == ("0.05", "20.6")
    assert rows["fal-veo-lite", "720p"] == (None, None)
    assert found["unknown"] == sum(cost is None for cost, _ in rows.values()) > 0


def test_a_channel_below_zero_is_marked_and_the_exit_code_says_so(
    capsys: Any, monkeypatch: Any
) -> None:
    code, found = margins(capsys, monkeypatch, "seedance-2.0")

    losses = {row["channel"] for row in found["margins"] if row["loss"]}
    assert code == 1
    assert losses == {"fal-seedance", "wavespeed-seedance"}

    monkeypatch.setattr(cli, "process_environment", lambda: {"REAPI_HOME": "/nowhere"})
    assert cli.run(["margins", "seedance-2.0"]) == 1
    out = capsys.readouterr().out
    assert out.count("  LOSS") == found["losses"]


def test_makers_are_never_dearer_than_the_prices_of_their_videos(
    capsys: Any, monkeypatch: Any
) -> None:
    """A price that does not pay for its first channel is a mistake of ours."""
    _, found = margins(capsys, monkeypatch)

    first = {"veo-vertex", "veo-fast-vertex", "veo-lite-vertex", "seedance-byteplus", "grok-video"}
    assert [row for row in found["margins"] if row["channel"] in first and row["loss"]] == []


def test_an_unknown_model_is_told(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(cli, "process_environment", lambda: {"REAPI_HOME": "/nowhere"})

    assert cli.run(["margins", "no-such-model"]) == 1
    assert "there is no such model" in capsys.readouterr().err
