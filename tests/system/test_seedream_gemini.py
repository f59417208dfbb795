"""OpenAI's SDK makes images with Gemini and Seedream, and one channel of each breaks."""

import base64
import io
import json
import re

import httpx
import openai
import pytest
from openai import OpenAI
from PIL import Image

from tests.fix_fleet import CREDENTIAL, running_upstreams
from tests.fix_gateway import ROOT, running

pytestmark = pytest.mark.prove

GEMINI, SEEDREAM = "gemini-3.1-flash-image", "seedream-5.0-lite"
PRICES = {GEMINI: 84, SEEDREAM: 31}
CREDITS = 10_000
SECONDS = 20.0
"""Longer than any call here takes."""

FAULTS = {
    "500": {"kind": "status", "status": 500},
    "429": {"kind": "status", "status": 429},
    "refused": {"kind": "refuse"},
    "reset": {"kind": "reset"},
    "reset-late": {"kind": "reset", "after": 100},
    "hang": {"kind": "hang"},
    "hang-late": {"kind": "hang", "after": 100},
    "html": {"kind": "garbage"},
    "no-data": {"kind": "empty"},
    "no-image": {"kind": "empty", "variant": "no_image"},
}
SEEDREAM_FAULTS = {
    "no-file": {"kind": "status", "status": 404, "on": "file"},
    "cut-file": {"kind": "cut", "after": 100, "on": "file"},
}
"""Its results are links."""
GEMINI_FAULTS = {
    "other": {"kind": "status", "status": 200, "code": "IMAGE_OTHER"},
    "no-picture": {"kind": "status", "status": 200, "code": "NO_IMAGE"},
}
"""Refusals and failures inside a 200."""
DIALECTS = {
    GEMINI: ("gemini", "gemini_images", "gemini-3.1-flash-image", "/v1beta", "maximum_count = 1"),
    SEEDREAM: (
        *("ark", "ark_images", "seedream-5-0-260128", "/api/v3"),
        'media_hosts = ["127.0.0.1"]\nunsupported = ["partials"]',
    ),
}
"""The simulator's dialect, ours, the upstream's model, where its paths begin, and the rest."""


def names(model):
    """The faults of a model."""
    return [*FAULTS, *(GEMINI_FAULTS if model == GEMINI else SEEDREAM_FAULTS)]


def model_of(model, fault):
    return f"{model.split('-')[0]}-{fault}"


CASES = [(model, fault) for model in (GEMINI, SEEDREAM) for fault in names(model)]


def upstream_names():
    """Two upstreams for each case, and their dialect."""
    return [
        f"{model_of(model, fault)}-{side}@{DIALECTS[model][0]}"
        for model, fault in CASES
        for side in "ab"
    ]


def overlay(urls):
    """A model for each case, with two channels."""
    parts = []
    for model, fault in CASES:
        name = model_of(model, fault)
        text = (ROOT / "core" / "catalog" / "models" / f"{model}.toml").read_text()
        text = text.replace(f'models."{model}"', f"models.{name}")
        parts.append(re.sub(r"aliases = .*\n", "", text))
        _, dialect, upstream_model, path, rest = DIALECTS[model]
        parts += [
            f"""
[channels.{name}-{side}]
model = "{name}"
dialect = "{dialect}"
upstream_model = "{upstream_model}"
base_url = "{urls[f"{name}-{side}"]}{path}"
credential = {{ env = "FLEET_KEY" }}
priority = {priority}
{rest}
deadlines = {{ connect = 1, acknowledge = 1, first_byte = 1, idle = 1, total = 20 }}
"""
            for priority, side in enumerate("ab")
        ]
    return "\n".join(parts)


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A gateway whose models have two channels each, and their upstreams."""
    folder = tmp_path_factory.mktemp("images")
    for upstreams in running_upstreams(upstream_names()):
        file = folder / "overlay.toml"
        file.write_text(overlay(upstreams.base_urls), encoding="utf-8")
        with running(folder / "home", REAPI_CATALOGUE=str(file), FLEET_KEY=CREDENTIAL) as gateway:
            yield gateway, upstreams
            assert gateway.stop() == 0
            assert "Traceback" not in gateway.log


def customer(gateway):
    """A client of an account of its own."""
    _, key = gateway.account(str(CREDITS))
    return OpenAI(base_url=gateway.v1, api_key=key, max_retries=0, timeout=SECONDS)


@pytest.fixture
def client(gateway):
    with customer(gateway) as client:
        yield client


def spent(gateway, client):
    balance = gateway.balance(client.api_key)
    assert balance["held"] == "0"
    return CREDITS - int(balance["credits"])


def picture(size=(640, 640)):
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(stream, "PNG")
    return stream.getvalue()


def opened(item):
    image = Image.open(io.BytesIO(base64.b64decode(item.b64_json)))
    image.load()
    return image


@pytest.mark.parametrize("model", PRICES)
def test_an_image_is_made(client, gateway, model):
    raw = client.images.with_raw_response.generate(
        model=model, prompt="a fox", response_format="b64_json"
    )

    assert len(raw.parse().data) == 1
    assert opened(raw.parse().data[0]).size[0] > 0
    assert raw.headers["x-reapi-channel"].endswith("-a")
    assert spent(gateway, client) == PRICES[model]


@pytest.mark.parametrize("model", PRICES)
def test_an_image_is_given_as_a_link(client, model):
    answer = client.images.generate(model=model, prompt="a fox", response_format="url")
    image = httpx.get(answer.data[0].url)

    assert image.headers["content-type"].startswith("image/")
    Image.open(io.BytesIO(image.content)).verify()


@pytest.mark.parametrize("model", PRICES)
@pytest.mark.parametrize("count", [1, 3])
def test_pictures_are_edited(client, gateway, model, count):
    images = [("a.png", picture(), "image/png") for _ in range(count)]
    answer = client.images.edit(
        model=model, image=images, prompt="make it blue", response_format="b64_json"
    )

    assert opened(answer.data[0])
    assert spent(gateway, client) == PRICES[model]


def test_the_shape_of_a_gemini_image_is_chosen_by_its_ratio_and_class(client, gateway):
    gateway.settings(image="real")
    answer = client.images.generate(
        model=GEMINI,
        prompt="a fox",
        response_format="b64_json",
        extra_body={"aspect_ratio": "16:9", "resolution": "512"},
    )
    width, height = opened(answer.data[0]).size

    assert width / height == pytest.approx(16 / 9, rel=0.05)
    assert spent(gateway, client) == 57


def test_a_group_is_charged_by_the_images_in_it(client, gateway):
    answer = client.images.generate(model=SEEDREAM, prompt="foxes", n=3, response_format="b64_json")

    assert len([opened(item) for item in answer.data]) == 3
    assert spent(gateway, client) == 3 * PRICES[SEEDREAM]


def test_a_group_of_which_one_was_refused_delivers_and_charges_the_others(client, gateway):
    answer = client.images.generate(
        model=SEEDREAM, prompt="moderation_blocked_one", n=3, response_format="b64_json"
    )

    assert len([opened(item) for item in answer.data]) == 2
    assert spent(gateway, client) == 2 * PRICES[SEEDREAM]


@pytest.mark.parametrize("model", PRICES)
@pytest.mark.parametrize("prompt", ["moderation_blocked", "moderation_blocked_output"])
def test_what_is_refused_is_asked_nowhere_else_and_costs_nothing(client, gateway, model, prompt):
    before = gateway.calls()
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model=model, prompt=prompt)
    asked = {name: count - before[name] for name, count in gateway.calls().items()}

    assert caught.value.code == "moderation_blocked"
    assert sum(asked.values()) == 1
    assert spent(gateway, client) == 0


@pytest.mark.parametrize(("model", "fault"), CASES)
def test_a_channel_that_breaks_is_replaced_and_charged_once(broken, model, fault):
    gateway, upstreams = broken
    name = model_of(model, fault)
    upstreams.fault(f"{name}-a", **{**FAULTS, **GEMINI_FAULTS, **SEEDREAM_FAULTS}[fault])
    with customer(gateway) as client:
        raw = client.images.with_raw_response.generate(
            model=name, prompt="a fox", response_format="b64_json"
        )

        assert opened(raw.parse().data[0])
        assert raw.headers["x-reapi-channel"] == f"{name}-b"
        assert raw.headers["x-reapi-attempts"] == "2"
        assert json.loads(raw.headers["x-reapi-credits"]) == PRICES[model]
        assert spent(gateway, client) == PRICES[model]
    upstreams.heal(f"{name}-a")
