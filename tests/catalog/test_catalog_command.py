"""`reapi catalog` says what is wrong with the catalogue, and what it offers."""

import json
import re
from pathlib import Path

import pytest

from gateway import catalogue_command, cli

ENV = {"OPENAI_API_KEY": "sk-canary", "REAPI_HOME": "/nowhere"}


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    return tmp_path / "overlay.toml"


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = cli.run(["catalog", *arguments])
    said = capsys.readouterr()
    assert "canary" not in said.out + said.err
    return code, said.out, said.err


@pytest.fixture(autouse=True)
def environment(monkeypatch) -> None:
    monkeypatch.setattr(cli, "process_environment", lambda: ENV)


def test_the_shipped_catalogue_is_good_and_what_is_left_out_is_a_warning(capsys) -> None:
    code, out, _ = run(capsys, "check")

    assert code == 0
    assert "warning: channel openai-b is left out: set OPENAI_API_KEY_B" in out
    assert re.fullmatch(
        r"good: \d+ models, 3 of them served; 2 channels; version [0-9a-f]{12}",
        out.splitlines()[-1],
    )


def test_every_mistake_is_told_with_its_place_and_the_remedy(capsys, overlay) -> None:
    overlay.write_text(
        "[channels.openai]\nwieght = 3\n[channels.seedance-ark]\npoll_seconds = 0\n", "utf-8"
    )
    code, out, _ = run(capsys, "check", str(overlay))

    assert code == 1
    one, other, last = out.splitlines()
    assert one.startswith("error: overlay.toml:2: channels.openai.wieght: unknown key; the keys")
    assert other == (
        "error: overlay.toml:4: channels.seedance-ark.poll_seconds: "
        "must be a number of seconds above 0"
    )
    assert last == "2 to mend"


def test_models_are_checked_before_what_serves_them(capsys, overlay) -> None:
    overlay.write_text("[models.gpt-image-2]\nowner = 3\n[channels.openai]\nwieght = 3\n")
    code, out, _ = run(capsys, "check", str(overlay))

    assert code == 1
    assert "overlay.toml:2: models.gpt-image-2.owner: must be a string" in out
    assert "wieght" not in out


def test_a_mistake_in_a_channel_without_a_credential_is_found_too(capsys, overlay) -> None:
    overlay.write_text("[channels.openai-c]\nbase_url = 'ftp://x'\n")

    assert run(capsys, "check", str(overlay))[0] == 1


def test_what_is_not_toml_is_told(capsys, overlay) -> None:
    overlay.write_text("[models")
    code, out, _ = run(capsys, "check", str(overlay))

    assert (code, "overlay.toml: is not TOML" in out) == (1, True)


def test_a_model_is_shown_with_its_price_and_its_channels_in_order(capsys) -> None:
    code, out, _ = run(capsys, "show", "doubao-seedance-2.0")
    lines = out.splitlines()

    assert code == 0
    assert lines[0] == "seedance-2.0  video, active  (also doubao-seedance-2.0)"
    assert "83 credits per second: resolution 480p" in out
    assert lines.index(next(each for each in lines if "1. seedance-byteplus" in each)) < (
        lines.index(next(each for each in lines if "2. seedance-ark" in each))
    )
    assert "(no credential)" in out
    assert "cannot: inline:video, return_last_frame" in out


def test_all_models_are_shown_as_json(capsys) -> None:
    code, out, _ = run(capsys, "show", "--json")
    shown = json.loads(out)
    models = {model["id"]: model for model in shown["models"]}

    assert code == 0
    assert len(shown["version"]) == 64
    usable = {each["name"]: each["usable"] for each in models["gpt-image-2"]["channels"]}
    assert next(iter(usable)) == "openai"
    assert (usable["openai"], usable["openai-b"]) == (True, False)
    assert models["gpt-image-2"]["prices"][0] == {
        "unit": "image",
        "credits": "7",
        "per": 1,
        "where": {"resolution": "1k"},
    }
    fal = next(each for each in models["seedance-2.0"]["channels"] if each["dialect"] == "fal")
    assert "return_last_frame" in fal["cannot"]


def test_a_model_that_there_is_not_is_said(capsys) -> None:
    code, out, err = run(capsys, "show", "gpt-image-9")

    assert (code, out, err) == (1, "", "reapi: there is no such model\n")


def test_values_of_one_parameter_are_shown_together() -> None:
    assert catalogue_command._folded(["a", "d=3", "d=4", "mode:text"]) == "a, d=3|4, mode:text"
