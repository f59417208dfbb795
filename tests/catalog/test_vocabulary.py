"""What callers say in other words is said in the model's, or refused by the name they used."""

from math import inf, nan

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.body import Body
from core.catalog.entries import Model
from core.catalog.loader import load, shipped_files
from core.catalog.schema import price_facts, validate
from core.catalog.vocabulary import canonical
from core.errors import GatewayError, Reason

CATALOGUE = load(shipped_files(), {})
GPT = CATALOGUE.model("gpt-image-2")
PRO = CATALOGUE.model("gemini-3-pro-image")
FLASH = CATALOGUE.model("gemini-3.1-flash-image")
SEEDREAM = CATALOGUE.model("seedream-5.0-lite")
SEEDANCE = CATALOGUE.model("seedance-2.0")
GROK = CATALOGUE.model("grok-imagine-1.0-video")
ENHANCE = CATALOGUE.model("enhance-video-1.0")
PROMPT = Body("a cat")


def said(model: Model, given: dict[str, object]) -> dict[str, object]:
    return dict(canonical(model, given)[0])


def refused(model: Model, given: dict[str, object]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        canonical(model, given)
    return caught.value


@pytest.mark.parametrize(
    ("model", "given", "means"),
    [
        # any case
        (PRO, {"resolution": "4K"}, {"resolution": "4k"}),
        (SEEDANCE, {"resolution": "720P"}, {"resolution": "720p"}),
        (SEEDANCE, {"resolution": "2160p"}, {"resolution": "4k"}),
        (FLASH, {"resolution": "0.5K"}, {"resolution": "512"}),
        (PRO, {"resolution": "0.5K"}, {"resolution": "0.5k"}),
        # the model's choice
        (SEEDANCE, {"aspect_ratio": "Auto"}, {"aspect_ratio": "adaptive"}),
        (PRO, {"aspect_ratio": "adaptive"}, {"aspect_ratio": "auto"}),
        (SEEDREAM, {"size": "auto"}, {"aspect_ratio": "auto"}),
        # a size that is a ratio, or a class
        (PRO, {"size": "16:9"}, {"aspect_ratio": "16:9"}),
        (PRO, {"size": "2K"}, {"resolution": "2k"}),
        (PRO, {"size": "16:9", "resolution": "2K"}, {"aspect_ratio": "16:9", "resolution": "2k"}),
        # a size in pixels
        (SEEDANCE, {"size": "1280x720"}, {"aspect_ratio": "16:9", "resolution": "720p"}),
        (SEEDANCE, {"size": "720x1280"}, {"aspect_ratio": "9:16", "resolution": "720p"}),
        (SEEDANCE, {"size": "854x480"}, {"aspect_ratio": "16:9", "resolution": "480p"}),
        (SEEDANCE, {"size": "1080x1920"}, {"aspect_ratio": "9:16", "resolution": "1080p"}),
        (SEEDANCE, {"size": "3840X2160"}, {"aspect_ratio": "16:9", "resolution": "4k"}),
        (PRO, {"size": "1024x1024"}, {"aspect_ratio": "1:1", "resolution": "1k"}),
        (PRO, {"size": "848x1264"}, {"aspect_ratio": "2:3", "resolution": "1k"}),
        (PRO, {"size": "896x1152"}, {"aspect_ratio": "4:5", "resolution": "1k"}),
        (PRO, {"size": "2752x1536"}, {"aspect_ratio": "16:9", "resolution": "2k"}),
        (FLASH, {"size": "512x512"}, {"aspect_ratio": "1:1", "resolution": "512"}),
        (SEEDREAM, {"size": "2048x2048"}, {"aspect_ratio": "1:1", "resolution": "2k"}),
        (SEEDREAM, {"size": "4096x2304"}, {"aspect_ratio": "16:9", "resolution": "3k"}),
        # the same, said twice
        (
            SEEDANCE,
            {"size": "1280x720", "resolution": "720P", "aspect_ratio": "16:9"},
            {"aspect_ratio": "16:9", "resolution": "720p"},
        ),
        # seconds
        (SEEDANCE, {"duration": "8"}, {"duration": 8}),
        (SEEDANCE, {"duration": "-1"}, {"duration": -1}),
        (SEEDANCE, {"duration": 8.0}, {"duration": 8}),
        (SEEDANCE, {"seconds": "12"}, {"duration": 12}),
        (SEEDANCE, {"seconds": 12, "duration": "12"}, {"duration": 12}),
        # ratios for a model of pixels
        (GPT, {"size": "1:1"}, {"size": "1024x1024"}),
        (GPT, {"size": "16:9"}, {"size": "1360x768"}),
        (GPT, {"size": "9:16", "resolution": "2K"}, {"size": "1536x2720"}),
        (GPT, {"aspect_ratio": "16:9", "resolution": "4k"}, {"size": "3840x2160"}),
        (GPT, {"size": "1:1", "resolution": "4k"}, {"size": "2880x2880"}),
        (GPT, {"resolution": "2k"}, {"size": "2048x2048"}),
        (GPT, {"resolution": "1K"}, {}),
        (GPT, {"size": "auto", "resolution": "1k"}, {"size": "auto"}),
        (GPT, {"size": "2048x2048", "resolution": "2k"}, {"size": "2048x2048"}),
        (GPT, {"aspect_ratio": "auto"}, {}),
        # a ratio as `image_size`
        (PRO, {"image_size": "16:9"}, {"aspect_ratio": "16:9"}),
        (PRO, {"image_size": "2K", "size": "2K"}, {"resolution": "2k"}),
        (GPT, {"image_size": "1:1"}, {"size": "1024x1024"}),
        (GPT, {"image_size": "2048x1024"}, {"size": "2048x1024"}),
        # a class of resolution as `quality`, where that is not a parameter of its own
        (GROK, {"quality": "720P"}, {"resolution": "720p"}),
        (GROK, {"quality": "720p", "resolution": "720P"}, {"resolution": "720p"}),
        (GROK, {"quality": "480p", "size": "16:9"}, {"resolution": "480p", "aspect_ratio": "16:9"}),
        (GPT, {"quality": "high"}, {"quality": "high"}),
        # a number that is a word
        (ENHANCE, {"upscale_factor": 4}, {"upscale_factor": "4"}),
        (ENHANCE, {"upscale_factor": 2.0}, {"upscale_factor": "2"}),
        (ENHANCE, {"upscale_factor": "1"}, {"upscale_factor": "1"}),
    ],
)
def test_it_is_said_in_the_words_of_the_model(model, given, means) -> None:
    assert said(model, given) == means


@pytest.mark.parametrize(
    ("model", "given", "name", "says"),
    [
        (SEEDANCE, {"size": "1024x1024"}, "size", "adaptive, 16:9, 4:3"),
        (PRO, {"image_size": "7:1"}, "image_size", "`image_size` must be one of"),
        (PRO, {"image_size": "1:1", "size": "2:3"}, "image_size", "contradict each other"),
        (PRO, {"image_size": 3}, "image_size", "`image_size` must be a string"),
        (GROK, {"quality": "1080p"}, "quality", "`quality` must be one of: 480p, 720p"),
        (GROK, {"quality": "480p", "resolution": "720p"}, "quality", "contradict each other"),
        (SEEDANCE, {"size": "1024x1024"}, "size", "WIDTHxHEIGHT of such a ratio in 480p or 720p"),
        (SEEDANCE, {"size": "1000x720"}, "size", "must be one of"),
        (SEEDANCE, {"size": "720x720000"}, "size", "must be one of"),
        (SEEDANCE, {"size": "4:5"}, "size", "must be one of"),
        (SEEDANCE, {"size": "large"}, "size", "must be one of"),
        (SEEDANCE, {"size": ""}, "size", "must be one of"),
        (SEEDANCE, {"size": 720}, "size", "a string"),
        (PRO, {"size": "1536x1024"}, "size", "1k or 2k or 4k"),
        (SEEDREAM, {"size": "1024x1024"}, "size", "2k or 3k"),
        (PRO, {"size": "16:9", "aspect_ratio": "1:1"}, "size", "`aspect_ratio`"),
        (SEEDANCE, {"size": "1280x720", "resolution": "1080p"}, "size", "`resolution`"),
        (SEEDANCE, {"seconds": "12", "duration": 5}, "seconds", "`duration`"),
        (SEEDANCE, {"seconds": "long"}, "seconds", "an integer"),
        (SEEDANCE, {"seconds": True}, "seconds", "an integer"),
        (GPT, {"resolution": "8k"}, "resolution", "1k, 2k, 4k"),
        (GPT, {"resolution": 2}, "resolution", "a string"),
        (GPT, {"size": "auto", "resolution": "2k"}, "resolution", "needs a `size`"),
        (GPT, {"size": "1024x1024", "resolution": "2k"}, "size", "`resolution`"),
        (GPT, {"size": "1024x1024", "aspect_ratio": "1:1"}, "size", "`aspect_ratio`"),
        (GPT, {"size": "1:1", "aspect_ratio": "2:3"}, "size", "`aspect_ratio`"),
        (GPT, {"size": "wide:9"}, "size", "a ratio such as 16:9"),
        (GPT, {"aspect_ratio": "wide"}, "aspect_ratio", "a ratio such as 16:9"),
        (GPT, {"n": "many"}, "n", "an integer"),
        (GPT, {"n": 2.5}, "n", "an integer"),
    ],
)
def test_what_cannot_be_said_is_refused_by_the_name_it_was_given(model, given, name, says) -> None:
    error = refused(model, given)

    assert error.parameter == name
    assert f"`{name}`" in error.message
    assert says in error.message


@pytest.mark.parametrize(
    ("given", "count", "means"), [({"n": "3"}, None, 3), ({"n": 3}, 3, 3), ({}, 2, 2)]
)
def test_n_is_the_count_of_outputs(given, count, means) -> None:
    assert validate(GPT, PROMPT, given, count=count).count == means


def test_n_and_the_count_must_agree() -> None:
    with pytest.raises(GatewayError) as caught:
        validate(GPT, PROMPT, {"n": 3}, count=2)

    assert caught.value.parameter == "n"


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (GPT, {}),
        (GPT, {"quality": "high"}),
        (GPT, {"size": "1024x1024", "quality": "high"}),
        (GPT, {"size": None}),
        (SEEDANCE, {"seed": 7}),
    ],
)
def test_where_there_is_nothing_to_say_otherwise_nothing_is_copied(model, given) -> None:
    assert canonical(model, given)[0] is given


@pytest.mark.parametrize(
    ("model", "given", "name"),
    [
        (PRO, {"duration": 5}, "duration"),
        (PRO, {"seconds": "5"}, "seconds"),
        (PRO, {"resolution": "8K"}, "resolution"),
        (PRO, {"resolution": 4}, "resolution"),
        (SEEDANCE, {"aspect_ratio": 1.5}, "aspect_ratio"),
        (SEEDANCE, {"duration": "5s"}, "duration"),
        (SEEDANCE, {"duration": nan}, "duration"),
        (SEEDANCE, {"duration": inf}, "duration"),
        (SEEDANCE, {"duration": "٥"}, "duration"),
        (GPT, {"size": "2K"}, "size"),
        (GPT, {"size": "4:1"}, "size"),
    ],
)
def test_what_is_not_understood_is_the_schemas_to_refuse(model, given, name) -> None:
    canonical(model, given)
    with pytest.raises(GatewayError) as caught:
        validate(model, PROMPT, given)

    assert caught.value.parameter == name


WORDS = st.sampled_from(
    [
        *(
            "auto",
            "adaptive",
            "16:9",
            "9:16",
            "1:1",
            "21:9",
            "3:7",
            "1:9999",
            "1280x720",
            "720x1280",
        ),
        *(
            "1024x1024",
            "1x1",
            "999999x1",
            "3840x2160",
            "1K",
            "2k",
            "512",
            "720P",
            "4K",
            "p",
            "",
            "5",
        ),
    ]
)
VALUES = WORDS | st.integers(-2, 20) | st.floats() | st.booleans() | st.none() | st.text(max_size=9)
NAMES = ["size", "aspect_ratio", "resolution", "duration", "seconds", "n", "seed", "quality"]
NAMES += ["image_size", "upscale_factor"]


# The first text of a fresh checkout makes Hypothesis build its table of Unicode.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(list(CATALOGUE)),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
    st.none() | st.integers(0, 4),
)
def test_saying_it_twice_changes_nothing(model, given, count) -> None:
    try:
        once = canonical(model, given, count)
    except GatewayError as error:
        assert error.parameter in given
        assert error.reason in {Reason.INVALID_PARAMETER, Reason.INVALID_TYPE}
        return
    assert canonical(model, *once) == once


@settings(deadline=None)
@given(
    st.integers(1, 300).flatmap(lambda side: st.tuples(st.just(side), st.integers(side, 3 * side))),
    st.booleans(),
    st.sampled_from(["1k", "2k", "4k"]),
)
def test_every_ratio_up_to_three_to_one_is_a_size_of_its_class(sides, turned, resolution) -> None:
    short, long = sides
    ratio = f"{short}:{long}" if turned else f"{long}:{short}"
    ask = validate(GPT, PROMPT, {"size": ratio, "resolution": resolution})
    width, height = map(int, str(ask.parameters["size"]).split("x"))

    assert price_facts(GPT, ask)["resolution"] == resolution
    assert (width <= height) if turned else (width >= height)
    assert max(width, height) / min(width, height) == pytest.approx(long / short, rel=0.04)
