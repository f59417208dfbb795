"""Parameters are checked and made canonical in one place, and errors name them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.body import Body
from core.catalog.entries import Model
from core.catalog.loader import load, shipped_files
from core.catalog.schema import validate
from core.errors import GatewayError, Reason
from core.model import Input, Kind, Role

MODEL = load(shipped_files(), {}).model("gpt-image-2")
PROMPT = Body("a cat")


def image(name: str = "image[0]", **more) -> Input:
    fields = {"media_type": "image/png", "width": 64, "height": 64, **more}
    return Input(
        more.pop("role", Role.IMAGE),
        fields.pop("data", Body(b"x")),
        **{key: value for key, value in fields.items() if key != "role"},
        parameter=name,
    )


def mask(**more) -> Input:
    return image("mask", role=Role.MASK, **more)


def refused(*args, model: Model = MODEL, **more) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        validate(model, *args, **more)
    return caught.value


def test_a_valid_request_becomes_an_ask() -> None:
    files = (image(), mask())
    ask = validate(
        MODEL,
        PROMPT,
        {"size": "1536x1024", "quality": "high", "output_format": "webp", "output_compression": 0},
        files,
        count=4,
        partials=3,
        end_user=Body("u"),
    )

    assert (ask.model, ask.kind, ask.prompt, ask.inputs) == (
        "gpt-image-2",
        Kind.IMAGE,
        PROMPT,
        files,
    )
    assert (ask.count, ask.partials, ask.end_user) == (4, 3, Body("u"))
    assert ask.parameters == {
        "size": "1536x1024",
        "quality": "high",
        "output_format": "webp",
        "output_compression": 0,
    }


def test_the_least_request_takes_the_defaults() -> None:
    ask = validate(MODEL, PROMPT, {})

    assert (ask.count, ask.partials, ask.end_user, ask.parameters) == (1, 0, None, {})


def test_a_value_equal_to_the_default_means_no_value() -> None:
    defaults = {
        "size": "auto",
        "quality": "auto",
        "background": "auto",
        "output_format": "png",
        "output_compression": 100,
        "moderation": "auto",
    }

    assert validate(MODEL, PROMPT, defaults).parameters == {}


BAD_VALUE = Reason.INVALID_PARAMETER
BAD_TYPE = Reason.INVALID_TYPE


@pytest.mark.parametrize(
    ("name", "value", "reason", "says"),
    [
        ("quality", "ultra", BAD_VALUE, "auto, low, medium, high"),
        ("quality", "", BAD_VALUE, "auto, low, medium, high"),
        ("quality", "HIGH", BAD_VALUE, "auto, low, medium, high"),
        ("quality", 3, BAD_TYPE, "a string"),
        ("quality", ["high"], BAD_TYPE, "a string"),
        ("background", "clear", BAD_VALUE, "auto, opaque, transparent"),
        ("output_format", "gif", BAD_VALUE, "png, jpeg, webp"),
        ("output_format", None, BAD_TYPE, "a string"),
        ("moderation", "off", BAD_VALUE, "auto, low"),
        ("output_compression", 101, BAD_VALUE, "at least 0 and at most 100"),
        ("output_compression", -1, BAD_VALUE, "at least 0 and at most 100"),
        ("output_compression", "50", BAD_TYPE, "an integer"),
        ("output_compression", 50.0, BAD_TYPE, "an integer"),
        ("output_compression", True, BAD_TYPE, "an integer"),
        ("output_compression", 10**400, BAD_VALUE, "at most 100"),
        ("output_compression", 50, BAD_VALUE, "`output_format` to be one of: jpeg, webp"),
        ("size", 1024, BAD_TYPE, "a string"),
        ("size", "large", BAD_VALUE, "auto or WIDTHxHEIGHT"),
        ("size", "1024X1024", BAD_VALUE, "WIDTHxHEIGHT"),
        ("size", "1024x1024\n", BAD_VALUE, "WIDTHxHEIGHT"),
        ("size", "01024x1024", BAD_VALUE, "WIDTHxHEIGHT"),
        ("size", "0x1024", BAD_VALUE, "WIDTHxHEIGHT"),
        ("size", "١٠٢٤x١٠٢٤", BAD_VALUE, "WIDTHxHEIGHT"),
        ("size", "1000x1024", BAD_VALUE, "divisible by 16"),
        ("size", "1024x1000", BAD_VALUE, "divisible by 16"),
        ("size", "16x64", BAD_VALUE, "from 1:3 to 3:1"),
        ("size", "64x16", BAD_VALUE, "from 1:3 to 3:1"),
        ("size", "3856x2160", BAD_VALUE, "no side longer than 3840"),
        ("size", "2896x2896", BAD_VALUE, "at most 8294400 pixels"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_is_accepted(
    name, value, reason, says
) -> None:
    error = refused(PROMPT, {name: value})

    assert (error.reason, error.parameter) == (reason, name)
    assert error.metadata["parameter"] == name
    assert f"`{name}`" in error.message
    assert says in error.message


@pytest.mark.parametrize(
    "size", ["256x256", "16x48", "48x16", "3840x2160", "2160x3840", "2880x2880"]
)
def test_sizes_at_the_limits_are_accepted(size) -> None:
    assert validate(MODEL, PROMPT, {"size": size}).parameters == {"size": size}


@pytest.mark.parametrize("count", [0, -1, 11])
def test_one_to_ten_outputs_may_be_asked_for(count) -> None:
    error = refused(PROMPT, {}, count=count)

    assert (error.reason, error.parameter) == (BAD_VALUE, "output_count")
    assert "at least 1 and at most 10" in error.message


@pytest.mark.parametrize("partials", [-1, 4])
def test_up_to_three_previews_may_be_asked_for(partials) -> None:
    assert refused(PROMPT, {}, partials=partials).parameter == "partial_count"


def test_a_prompt_is_required_and_has_a_limit() -> None:
    missing, long = refused(Body(""), {}), refused(Body("x" * 32_001), {})

    assert (missing.reason, missing.parameter) == (Reason.MISSING_PARAMETER, "prompt")
    assert (long.reason, long.parameter) == (BAD_VALUE, "prompt")
    assert "1 to 32000 characters" in long.message
    assert validate(MODEL, Body("ü" * 32_000), {}).count == 1


def test_the_end_users_id_has_a_limit() -> None:
    assert refused(PROMPT, {}, end_user=Body("x" * 513)).parameter == "end_user_id"


@pytest.mark.parametrize("name", ["sizze", "image[0]", "output_count", "prompt", "duration"])
def test_an_unknown_parameter_is_named(name) -> None:
    error = refused(PROMPT, {name: "x"})

    assert (error.reason, error.parameter) == (Reason.UNKNOWN_PARAMETER, name)


@pytest.mark.parametrize("name", ["x" * 65, "a canary, you see", "", "a\nb", "ключ"])
def test_a_name_that_looks_like_content_is_not_repeated(name) -> None:
    error = refused(PROMPT, {name: 1})

    assert (error.reason, error.parameter) == (Reason.UNKNOWN_PARAMETER, "")
    assert not name or name not in error.message


def test_transparency_needs_a_format_that_has_it() -> None:
    error = refused(PROMPT, {"background": "transparent", "output_format": "jpeg"})

    assert (error.reason, error.parameter) == (BAD_VALUE, "background")
    assert "png, webp" in error.message
    assert validate(MODEL, PROMPT, {"background": "transparent"}).parameters
    assert validate(MODEL, PROMPT, {"background": "opaque", "output_format": "jpeg"}).parameters


def test_edits_have_no_moderation_parameter() -> None:
    error = refused(PROMPT, {"moderation": "low"}, [image()])

    assert (error.reason, error.parameter) == (Reason.UNKNOWN_PARAMETER, "moderation")
    assert validate(MODEL, PROMPT, {"moderation": "low"}).parameters == {"moderation": "low"}


@pytest.mark.parametrize(
    ("files", "reason", "parameter"),
    [
        ([mask()], BAD_VALUE, "mask"),
        ([image(), mask(), mask()], BAD_VALUE, "mask"),
        ([image(f"image[{number}]") for number in range(17)], BAD_VALUE, "image[16]"),
        ([image(), mask(media_type="image/webp")], Reason.INVALID_INPUT, "mask"),
        ([image(), mask(width=32)], Reason.INVALID_INPUT, "mask"),
        ([image(), image("image[1]", media_type="image/gif")], Reason.INVALID_INPUT, "image[1]"),
        ([image(), mask(data=Body(bytes(4_000_001)))], Reason.REQUEST_TOO_LARGE, "mask"),
        ([image("clip", role=Role.VIDEO)], BAD_VALUE, "clip"),
    ],
)
def test_an_input_that_the_model_cannot_take_is_named_as_the_caller_calls_it(
    files, reason, parameter
) -> None:
    error = refused(PROMPT, {}, files)

    assert (error.reason, error.parameter) == (reason, parameter)


def test_sixteen_images_and_a_mask_are_taken() -> None:
    files = [image(f"image[{number}]") for number in range(16)]

    assert len(validate(MODEL, PROMPT, {}, [*files, mask()]).inputs) == 17


def test_a_mask_whose_pixels_are_not_known_is_the_providers_to_judge() -> None:
    assert validate(MODEL, PROMPT, {}, [image(), mask(width=0, height=0)]).inputs


# The first text of a fresh checkout makes Hypothesis build its table of Unicode.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from([*MODEL.parameters, "other"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
    ),
    st.integers(-5, 20),
)
def test_whatever_is_given_is_accepted_or_refused_without_being_repeated(values, count) -> None:
    try:
        ask = validate(MODEL, PROMPT, values, count=count)
    except GatewayError as error:
        assert error.parameter in {*MODEL.parameters, "other"}
        text = values.get(error.parameter)
        if isinstance(text, str) and len(text) > 5:
            assert text not in error.message
    else:
        assert set(ask.parameters) <= set(values)
