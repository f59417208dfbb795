"""The models beside gpt-image-2: what they take, what they cost, who serves them."""

from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.pricing import quote
from core.body import Body
from core.catalog.entries import Model, ParameterType, Status
from core.catalog.loader import embedded_files, load, shipped_files
from core.catalog.schema import price_facts, price_units, seconds_of, validate
from core.errors import GatewayError, Reason
from core.model import Input, Kind, Resubmit, Role
from core.policy.routing import Needs, Preference, eligible
from core.providers.ark_videos import ArkVideos

KEYS = {
    name: f"key-{name}"
    for name in (
        "OPENAI_API_KEY",
        "GEMINI_API_KEY",
        "VERTEX_API_KEY",
        "ARK_API_KEY",
        "BYTEPLUS_ARK_API_KEY",
    )
}
CATALOGUE = load(shipped_files(), KEYS)
MODELS = list(CATALOGUE)
SEEDANCE = CATALOGUE.model("seedance-2.0")
SEEDREAM = CATALOGUE.model("seedream-5.0-lite")
PROMPT = Body("a cat")
NOW = datetime(2026, 12, 1, tzinfo=UTC)
DEMO = {
    "gemini-3-pro-image": "gemini-pro",
    "gemini-3.1-flash-image": "gemini-flash",
    "gemini-2.5-flash-image": "gemini-25",
    "seedream-5.0-lite": "seedream",
    "seedance-2.0": "seedance",
}
SIMULATED = {
    f"SIMULATOR_{what}_{pair}_{letter}".upper().replace("-", "_"): value
    for what, value in (("URL", "http://127.0.0.1:1/x"), ("KEY", "sk-sim"))
    for pair in DEMO.values()
    for letter in "ab"
}


def picture(role: Role = Role.IMAGE, width: int = 640, height: int = 640, name: str = "") -> Input:
    return Input(role, Body(b"x"), "image/png", width, height, name or role)


def price(model: Model, given: dict[str, object], count: int = 1) -> int:
    """In credits."""
    ask = validate(model, PROMPT, given, count=count)
    units = price_units(ask, seconds_of(model, ask))
    return quote(model.prices, price_facts(model, ask), units, NOW) // 1000


def refused(model: Model, given: dict[str, object], *inputs: Input, **more) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        validate(model, PROMPT, given, inputs, **more)
    return caught.value


@pytest.mark.parametrize(
    ("wire_id", "model"),
    [
        ("gemini-3-pro-image-preview", "gemini-3-pro-image"),
        ("gemini-3.1-flash-image-preview", "gemini-3.1-flash-image"),
        ("gemini-2.5-flash-image-preview", "gemini-2.5-flash-image"),
        ("doubao-seedream-5-0-lite", "seedream-5.0-lite"),
        ("doubao-seedance-2.0", "seedance-2.0"),
    ],
)
def test_the_wire_ids_of_reapi_name_the_models(wire_id, model) -> None:
    found = CATALOGUE.usable_model(wire_id)

    assert (found.id, found.status) == (model, Status.ACTIVE)


@pytest.mark.parametrize(
    ("model", "channels"),
    [
        *(
            (id_, [(name, "gemini_images", id_), (f"{name}-vertex", "gemini_images", id_)])
            for id_, name in (
                ("gemini-2.5-flash-image", "gemini-2.5-flash"),
                ("gemini-3-pro-image", "gemini-3-pro"),
                ("gemini-3.1-flash-image", "gemini-3.1-flash"),
            )
        ),
        (
            "seedream-5.0-lite",
            [
                ("seedream-byteplus", "ark_images", "seedream-5-0-260128"),
                ("seedream-ark", "ark_images", "doubao-seedream-5-0-260128"),
            ],
        ),
        (
            "seedance-2.0",
            [
                ("seedance-byteplus", "ark_videos", "dreamina-seedance-2-0-260128"),
                ("seedance-ark", "ark_videos", "doubao-seedance-2-0-260128"),
            ],
        ),
        (
            "seedance-2.0-fast",
            [
                ("seedance-fast-byteplus", "ark_videos", "dreamina-seedance-2-0-fast-260128"),
                ("seedance-fast-ark", "ark_videos", "doubao-seedance-2-0-fast-260128"),
            ],
        ),
    ],
)
def test_a_models_makers_come_first_with_the_right_ids_upstream(model, channels) -> None:
    served = CATALOGUE.channels_of(CATALOGUE.model(model))[:2]

    assert [(each.name, each.dialect, each.upstream_model) for each in served] == channels


def test_jobs_are_reconciled_and_their_results_fetched_from_the_providers_store() -> None:
    for channel in CATALOGUE.channels_of(SEEDANCE)[:2]:
        assert channel.resubmit is Resubmit.RECONCILE_FIRST
        assert "*.volces.com" in channel.media_hosts
        assert (channel.poll_seconds, channel.job_seconds) == (5.0, 7200.0)


def test_the_demo_has_two_simulated_channels_for_each() -> None:
    demo = load(embedded_files(), SIMULATED)

    for model, pair in DEMO.items():
        channels = demo.channels_of(demo.model(model))[:2]
        assert [each.name for each in channels] == [f"{pair}-a", f"{pair}-b"]
        assert all(each.deadlines.first_byte == 5.0 for each in channels)
        real = CATALOGUE.channels_of(CATALOGUE.model(model))[:2]
        assert {each.upstream_model for each in channels} == {each.upstream_model for each in real}
        assert {each.dialect for each in channels} == {each.dialect for each in real}
    seedance = demo.channels["seedance-a"]
    assert (seedance.poll_seconds, seedance.job_seconds) == (0.5, 300.0)
    assert seedance.media_hosts == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("model", "parameters", "count", "amount"),
    [
        ("gemini-3-pro-image", {}, 1, 168),
        ("gemini-3-pro-image", {"resolution": "2K"}, 1, 168),
        ("gemini-3-pro-image", {"resolution": "4k"}, 1, 300),
        ("gemini-3.1-flash-image", {"resolution": "512"}, 1, 57),
        ("gemini-3.1-flash-image", {}, 1, 84),
        ("gemini-3.1-flash-image", {"resolution": "2k"}, 1, 127),
        ("gemini-3.1-flash-image", {"resolution": "4k"}, 1, 189),
        ("gemini-2.5-flash-image", {"resolution": "1k"}, 1, 49),
        ("seedream-5.0-lite", {}, 1, 31),
        ("seedream-5.0-lite", {"resolution": "3K"}, 4, 124),
        ("seedance-2.0", {}, 1, 5 * 178),
        ("seedance-2.0", {"duration": 4, "resolution": "480P"}, 1, 4 * 83),
        ("seedance-2.0", {"duration": "15", "resolution": "1080p"}, 1, 15 * 443),
        ("seedance-2.0", {"duration": -1, "resolution": "4k"}, 1, 15 * 903),
    ],
)
def test_what_each_costs_in_credits(model, parameters, count, amount) -> None:
    assert price(CATALOGUE.model(model), parameters, count) == amount


def test_a_video_that_the_model_may_lengthen_is_held_at_its_maximum() -> None:
    free, fixed = (validate(SEEDANCE, PROMPT, {"duration": value}) for value in (-1, 7))

    assert (seconds_of(SEEDANCE, free), free.parameters["duration"]) == (15, -1)
    assert seconds_of(SEEDANCE, fixed) == 7
    assert price_units(fixed, 7) == {"second": 7}
    assert price_units(fixed, 7, delivered=0) == {"second": 0}


def test_a_ratio_left_to_the_model_is_told_to_the_provider_that_has_another_default() -> None:
    ask = validate(SEEDANCE, PROMPT, {"aspect_ratio": "auto"})

    assert ask.parameters["aspect_ratio"] == "adaptive"
    assert "aspect_ratio" not in validate(SEEDANCE, PROMPT, {}).parameters


@pytest.mark.parametrize("given", [{}, {"resolution": "720p"}, {"duration": 5}])
def test_what_a_video_costs_by_is_told_to_the_provider_also_if_it_is_the_default(given) -> None:
    ask = validate(SEEDANCE, PROMPT, given)
    channel = CATALOGUE.channels_of(SEEDANCE)[0]
    body = ArkVideos().submit(ask, channel, UUID(int=1)).body
    assert body is not None
    told = orjson.loads(body.reveal())

    assert ask.parameters == {"resolution": "720p", "duration": 5}
    assert (told["resolution"], told["duration"]) == ("720p", 5)
    assert price(SEEDANCE, given) == told["duration"] * 178


def test_images_have_no_seconds() -> None:
    ask = validate(SEEDREAM, PROMPT, {}, count=3)

    assert seconds_of(SEEDREAM, ask) == 0
    assert price_units(ask, 0) == {"image": 3}
    assert price_units(ask, delivered=2) == {"image": 2}


@pytest.mark.parametrize(
    ("parameters", "name", "says"),
    [
        ({"duration": 3}, "duration", "at least 4 and at most 15, or -1"),
        ({"duration": 16}, "duration", "at most 15"),
        ({"duration": -2}, "duration", "or -1 to let the model choose"),
        ({"duration": 5.5}, "duration", "an integer"),
        ({"aspect_ratio": "4:5"}, "aspect_ratio", "adaptive, 16:9"),
        ({"resolution": "2k"}, "resolution", "480p, 720p, 1080p, 4k"),
        ({"seed": 2**32}, "seed", "at most 4294967295"),
        ({"with_audio": 1}, "with_audio", "a boolean"),
        ({"quality": "high"}, "quality", "no parameter"),
    ],
)
def test_seedance_names_what_it_does_not_take(parameters, name, says) -> None:
    error = refused(SEEDANCE, parameters)

    assert error.parameter == name
    assert f"`{name}`" in error.message
    assert says in error.message


FIRST, LAST = picture(Role.FIRST_FRAME), picture(Role.LAST_FRAME)


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        [FIRST],
        [FIRST, LAST],
        [LAST, FIRST],
        [picture()] * 9,
        [picture(width=300, height=750)],
        [picture(width=6000, height=2400)],
    ],
)
def test_seedance_takes_one_of_three_kinds_of_images(inputs) -> None:
    assert validate(SEEDANCE, PROMPT, {}, inputs).inputs == tuple(inputs)


@pytest.mark.parametrize(
    ("inputs", "name", "says"),
    [
        ([LAST], "last_frame", "needs a `first_frame`"),
        ([FIRST, picture()], "first_frame", "together with `image`"),
        ([picture(), FIRST, LAST], "first_frame", "together with `image`"),
        ([picture(), LAST], "last_frame", "needs a `first_frame`"),
        ([FIRST, FIRST], "first_frame", "at most 1"),
        ([picture()] * 10, "image", "at most 9"),
        ([picture(Role.MASK)], "mask", "takes no `mask`"),
        ([picture(width=299)], "image", "no side shorter than 300 pixels"),
        ([picture(width=6001, height=6000)], "image", "no side longer than 6000 pixels"),
        ([picture(width=751, height=300)], "image", "2.5 times"),
        ([picture(width=300, height=751, name="image[0]")], "image[0]", "2.5 times"),
    ],
)
def test_seedance_refuses_images_that_contradict_each_other_or_are_out_of_bounds(
    inputs, name, says
) -> None:
    error = refused(SEEDANCE, {}, *inputs)

    assert error.parameter == name
    assert says in error.message


def test_an_image_may_stand_for_the_prompt_of_a_video_but_not_of_an_image() -> None:
    assert validate(SEEDANCE, Body(""), {}, [FIRST]).prompt == Body("")
    for model in (SEEDANCE, SEEDREAM):
        with pytest.raises(GatewayError) as caught:
            validate(model, Body(""), {}, [] if model is SEEDANCE else [picture()])
        assert caught.value.reason is Reason.MISSING_PARAMETER


def test_the_number_of_inputs_told_to_callers_is_that_of_one_mode() -> None:
    assert SEEDANCE.maximum_inputs == 15
    assert CATALOGUE.model("gpt-image-2").maximum_inputs == 17
    assert CATALOGUE.model("happy-horse-1.0").maximum_inputs == 9, "5 beside a video"


def test_seedream_makes_fewer_images_from_many() -> None:
    assert validate(SEEDREAM, PROMPT, {}, [picture()] * 11, count=4).count == 4
    assert validate(SEEDREAM, PROMPT, {}, [picture()] * 14, count=1).count == 1

    error = refused(SEEDREAM, {}, *[picture()] * 12, count=4)

    assert (error.parameter, error.reason) == ("output_count", Reason.INVALID_PARAMETER)
    assert "at most 15" in error.message


@pytest.mark.parametrize(
    "model", [each for each in MODELS if CATALOGUE.channels_of(each)], ids=lambda model: model.id
)
def test_the_least_request_can_be_routed_on_every_channel(model) -> None:
    prompt = PROMPT if "prompt" in model.parameters else Body("")
    inputs = [
        Input(
            rule.role, Body(b"x"), rule.media_types[0], parameter=rule.role, url=Body("https://x")
        )
        for rule in model.inputs.values()
        if rule.minimum
    ]
    ask = validate(model, prompt, {}, inputs)
    channels = CATALOGUE.channels_of(model)

    assert eligible(channels, Needs.of(ask, model.defaults), Preference()) == channels


@pytest.mark.parametrize("flag", [False, True])
def test_a_last_frame_excludes_the_channels_that_cannot_return_one(flag) -> None:
    ask = validate(SEEDANCE, PROMPT, {"return_last_frame": flag})
    able = eligible(CATALOGUE.channels_of(SEEDANCE), Needs.of(ask, SEEDANCE.defaults), Preference())

    assert isinstance(able, tuple) is not flag
    if not isinstance(able, tuple):
        assert able.parameter == "return_last_frame"


@pytest.mark.parametrize(
    ("token", "parameters"),
    [
        ("duration=-1", {"duration": -1}),
        ("with_audio=true", {}),
        ("with_audio=false", {"with_audio": False}),
        ("aspect_ratio=adaptive", {"aspect_ratio": "auto"}),
        ("resolution=720p", {"duration": 8}),
        ("input:first_frame", {}),
    ],
)
def test_a_channel_can_be_without_single_values_also_if_they_are_defaults(
    token, parameters, tmp_path
) -> None:
    overlay = tmp_path / "overlay.toml"
    overlay.write_text(f"[channels.seedance-ark]\nunsupported = ['{token}']\n")
    channels = load([*shipped_files(), overlay], KEYS).channels_of(SEEDANCE)
    ask = validate(SEEDANCE, PROMPT, parameters, [FIRST])
    able = eligible(channels, Needs.of(ask, SEEDANCE.defaults), Preference())

    assert isinstance(able, tuple)
    assert [each.name for each in able] == ["seedance-byteplus"]


def _value(name: str, model: Model) -> st.SearchStrategy[object]:
    schema = model.parameters[name]
    match schema.type:
        case ParameterType.BOOLEAN:
            return st.booleans()
        case ParameterType.INTEGER:
            low, high = int(schema.minimum or 0), int(schema.maximum or 99)
            return st.integers(low, high) | st.just(schema.automatic or low)
        case ParameterType.SIZE:
            return st.sampled_from(["auto", "1024x1024", "2048x1152", "3840x2160"])
        case ParameterType.TEXT:
            return st.text(max_size=9)
        case ParameterType.NUMBER:
            return st.floats(schema.minimum, schema.maximum)
    return st.sampled_from(schema.values)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Model, dict[str, object], int]:
    model = draw(st.sampled_from(MODELS))
    own = ("prompt", "end_user_id", "output_count", "partial_count")
    names = [name for name in model.parameters if name not in own]
    chosen = draw(st.sets(st.sampled_from(names)))
    counted = model.parameters.get("output_count")
    most = 1 if counted is None else int(counted.maximum or 1)
    values = {name: draw(_value(name, model)) for name in sorted(chosen)}
    return model, values, draw(st.integers(1, most))


@settings(deadline=None)
@given(requests())
def test_every_request_that_is_valid_has_a_price(request) -> None:
    model, values, count = request
    inputs = []
    if not model.parameters.get("prompt"):
        inputs = [Input(Role.VIDEO, Body(b"x"), "video/mp4", seconds=3.0, parameter="video")]
    try:
        ask = validate(model, Body("") if inputs else PROMPT, values, inputs, count=count)
    except GatewayError:
        return
    units = price_units(ask, seconds_of(model, ask))
    amount = quote(model.prices, price_facts(model, ask), units, NOW)

    if model.kind is not Kind.AUDIO:
        assert amount % 1000 == 0
        assert amount >= count * 6_000
