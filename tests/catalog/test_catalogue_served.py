"""Who serves each model of the shipped catalogue, with every credential there; and in the demo."""

import re

import pytest

from core.body import Body
from core.catalog.entries import Model
from core.catalog.loader import (
    embedded_channels,
    embedded_files,
    load,
    mistakes,
    shipped_files,
    stand_in,
)
from core.catalog.schema import modes_of, validate
from core.model import Ask, Channel, Input, Mode, Resubmit, Role
from core.policy.routing import Needs, Preference, eligible
from core.providers import DIALECTS, JOB_DIALECTS
from gateway.demo import SIMULATED
from simulator.app import DIALECTS as SIMULATOR
from simulator.app import JOB_DIALECTS as SIMULATOR_JOBS

STANDS_IN = "http://localhost"
"""For addresses that an operator sets."""
SHIPPED = load(shipped_files(), stand_in(shipped_files(), {}))
DEMO = load(embedded_files(), stand_in(embedded_files(), {}))
MODELS = [model for model in SHIPPED if not model.id.endswith("-official")]
OFFICIAL = [model for model in SHIPPED if model.id.endswith("-official")]
MAKERS = {
    "openai": {"openai_images", "azure_images", "openai_speech", "azure_speech"},
    "google": {"gemini_images", "veo_vertex", "veo_gemini"},
    "bytedance": {"ark_images", "ark_videos"},
    "alibaba": {"dashscope"},
    "xai": {"xai_images", "xai_videos"},
}
"""The dialects of a model's owner, where there is not only the one of its name."""
ROLES = {
    Mode.TEXT: (),
    Mode.IMAGE: (Role.IMAGE,),
    Mode.FIRST_FRAME: (Role.FIRST_FRAME,),
    Mode.FRAMES: (Role.FIRST_FRAME, Role.LAST_FRAME),
    Mode.VIDEO: (Role.VIDEO,),
}


def makers(model: Model) -> set[str]:
    """The dialects of whoever made it."""
    return MAKERS.get(model.owner, {model.owner})


def least(model: Model, mode: Mode) -> Ask:
    """The least that can be asked of a model in a mode."""
    inputs = [
        Input(
            role,
            Body(b"x"),
            model.inputs[role].media_types[0],
            parameter=role,
            seconds=4.0 if role is Role.VIDEO else 0.0,
            url=Body("https://example.com/file"),
        )
        for role in ROLES[mode]
    ]
    prompt = Body("a cat" if "prompt" in model.parameters else "")
    if mode is Mode.IMAGE and len(model.images_as) > 0:
        inputs *= len(model.images_as) + 1
    return validate(model, prompt, {}, inputs)


def able(model: Model, mode: Mode) -> tuple[Channel, ...]:
    ask = least(model, mode)
    assert ask.mode is mode
    found = eligible(SHIPPED.channels_of(model), Needs.of(ask, model.defaults), Preference())
    return found if isinstance(found, tuple) else ()


@pytest.mark.parametrize("files", [shipped_files(), embedded_files()], ids=["shipped", "demo"])
def test_nothing_is_wrong_with_what_ships(files) -> None:
    assert [str(error) for error in mistakes(files, stand_in(files, {}))] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_model_has_its_makers_channel_first_and_two_others(model) -> None:
    channels = SHIPPED.channels_of(model)
    served = able(model, Mode.VIDEO if model.id.startswith("enhance") else Mode.TEXT)

    assert channels[0].dialect in makers(model)
    assert len(served) >= 3


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_mode_of_a_model_is_served(model) -> None:
    assert [mode for mode in modes_of(model) if not able(model, mode)] == []


@pytest.mark.parametrize("model", OFFICIAL, ids=lambda model: model.id)
def test_an_official_model_is_served_by_its_maker_only(model) -> None:
    channels = SHIPPED.channels_of(model)

    assert channels
    assert {each.dialect for each in channels} <= makers(model)
    assert able(model, Mode.TEXT) == channels


def test_what_leaves_a_job_is_reconciled_before_anybody_else_is_asked() -> None:
    for channel in [*SHIPPED.channels.values(), *DEMO.channels.values()]:
        leaves_job = channel.dialect in JOB_DIALECTS
        assert channel.resubmit is (
            Resubmit.RECONCILE_FIRST if leaves_job else Resubmit.DUPLICATE_OK
        )
        assert leaves_job or channel.dialect in DIALECTS, channel.name


def test_credentials_go_to_providers_over_https_only() -> None:
    urls = [url for each in SHIPPED.channels.values() for url in (each.base_url, each.side_url)]

    assert [url for url in urls if url and not url.startswith(("https:", STANDS_IN))] == []


def test_retired_channels_are_shipped_switched_off() -> None:
    retired = [note.split()[1] for note in SHIPPED.notes if "retired on 2026-10-22" in note]

    assert retired
    assert not any(name.rstrip(":") in SHIPPED.channels for name in retired)


def test_every_channel_of_the_demo_has_a_simulator_that_speaks_its_protocol() -> None:
    assert set(embedded_channels().values()) <= SIMULATED.keys()
    assert set(SIMULATED.values()) <= {*SIMULATOR, *SIMULATOR_JOBS}


def test_every_channel_of_the_demo_is_simulated_and_named_by_its_own_variables() -> None:
    texts = [file.read_text() for file in embedded_files() if file.parent.name == "embedded"]
    blocks = [block for text in texts for block in re.split(r"\n(?=\[channels\.[^.]+\]\n)", text)]
    named = {}
    for block in blocks:
        name = re.search(r'^\[channels\."?([a-z0-9.-]+?)"?\]$', block, re.MULTILINE)
        if name is not None:
            named[name[1]] = set(re.findall(r"SIMULATOR_(?:URL|KEY)_([A-Z0-9_]+)", block))

    assert named.keys() == embedded_channels().keys()
    for name, variables in named.items():
        assert variables == {name.upper().replace("-", "_").replace(".", "_")}
    assert {each.region for each in DEMO.channels.values()} == {"simulator"}


@pytest.mark.parametrize("model", list(DEMO), ids=lambda model: model.id)
def test_every_model_is_served_in_the_demo(model) -> None:
    assert DEMO.channels_of(model)
