"""What a request starts from decides what it may say, what it is told, and what it costs."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from catalogue_files import BASE, Files

from billing.pricing import quote
from core.body import Body
from core.catalog.loader import load, shipped_files
from core.catalog.schema import (
    counted_seconds,
    price_facts,
    price_units,
    seconds_of,
    validate,
)
from core.errors import GatewayError, Reason
from core.model import Ask, Input, Mode, Role

CATALOGUE = load(shipped_files(), {})
NOW = datetime(2026, 12, 1, tzinfo=UTC)
PROMPT = Body("a cat")
MODEL = "[models.m]\n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def picture(role: Role = Role.IMAGE, name: str = "") -> Input:
    return Input(role, Body(b"x"), "image/png", 640, 640, name or role)


def film(seconds: float, name: str = "video") -> Input:
    return Input(Role.VIDEO, Body(b"x"), "video/mp4", 640, 640, name, seconds)


def sound(seconds: float = 3.0) -> Input:
    return Input(Role.AUDIO, Body(b"x"), "audio/mpeg", parameter="audio", seconds=seconds)


def asked(model: str, given: dict[str, object], *inputs: Input, prompt: Body[str] = PROMPT) -> Ask:
    return validate(CATALOGUE.model(model), prompt, given, inputs)


def refused(model: str, given: dict[str, object], *inputs: Input, **more) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        asked(model, given, *inputs, **more)
    return caught.value


def credits_of(model: str, given: dict[str, object], *inputs: Input) -> float:
    entry = CATALOGUE.model(model)
    ask = asked(model, given, *inputs, prompt=PROMPT if "prompt" in entry.parameters else Body(""))
    units = price_units(ask, seconds_of(entry, ask))
    return quote(entry.prices, price_facts(entry, ask), units, NOW) / 1000


@pytest.mark.parametrize(
    ("wire_id", "model"),
    [
        ("happyhorse-1.0", "happy-horse-1.0"),
        ("viduq3-pro", "vidu-q3-pro"),
        ("viduq3-turbo", "vidu-q3-turbo"),
        ("veo3.1-quality", "veo-3.1"),
        ("veo3.1-fast", "veo-3.1-fast"),
        ("veo3.1-lite", "veo-3.1-lite"),
        ("topaz-video-upscaler", "enhance-video-1.0"),
        ("doubao-seedance-2.0-fast", "seedance-2.0-fast"),
        ("grok-imagine-1.0-video", "grok-imagine-1.0-video"),
        ("grok-imagine-1.0", "grok-imagine-1.0"),
        *(
            (name, name)
            for name in (
                "gpt-image-2-official",
                "gemini-3-pro-image-preview-official",
                "gemini-2.5-flash-image-preview-official",
                "doubao-seedance-2.0-official",
                "happyhorse-1.0-official",
                "veo3.1-fast-official",
                "veo3.1-quality-official",
            )
        ),
    ],
)
def test_the_wire_ids_of_reapi_name_the_models(wire_id, model) -> None:
    assert CATALOGUE.usable_model(wire_id).id == model


@pytest.mark.parametrize(
    ("model", "given", "inputs", "told"),
    [
        (
            "happy-horse-1.0",
            {"audio_setting": "origin"},
            [],
            {"aspect_ratio": "16:9", "resolution": "1080p", "duration": 5},
        ),
        (
            "happy-horse-1.0",
            {"size": "1:1"},
            [picture(Role.FIRST_FRAME)],
            {"resolution": "1080p", "duration": 5},
        ),
        (
            "happy-horse-1.0",
            {"duration": 9, "size": "1:1", "audio_setting": "origin"},
            [film(4)],
            {"resolution": "1080p", "audio_setting": "origin"},
        ),
        (
            "vidu-q3-pro",
            {"size": "9:16"},
            [picture()],
            {"resolution": "720p", "duration": 5, "with_audio": True},
        ),
        ("grok-imagine-1.0-video", {"quality": "720P", "duration": 3}, [film(3)], {}),
        ("grok-imagine-1.0-video", {"quality": "720P"}, [], {"duration": 8, "resolution": "720p"}),
        ("enhance-video-1.0", {"upscale_factor": 4}, [film(3)], {"upscale_factor": "4"}),
        ("gpt-image-2-official", {}, [], {"quality": "medium"}),
    ],
)
def test_what_means_nothing_in_a_mode_is_taken_and_not_told(model, given, inputs, told) -> None:
    has_prompt = "prompt" in CATALOGUE.model(model).parameters
    ask = asked(model, given, *inputs, prompt=PROMPT if has_prompt else Body(""))

    assert ask.parameters == told


def test_what_means_nothing_in_a_mode_is_checked_all_the_same() -> None:
    assert refused("happy-horse-1.0", {"duration": 99}, film(4)).parameter == "duration"


@pytest.mark.parametrize(
    ("model", "count", "mode", "roles"),
    [
        ("vidu-q3-pro", 1, Mode.FIRST_FRAME, [Role.FIRST_FRAME]),
        ("vidu-q3-turbo", 2, Mode.FRAMES, [Role.FIRST_FRAME, Role.LAST_FRAME]),
        ("grok-imagine-1.0-video", 1, Mode.FIRST_FRAME, [Role.FIRST_FRAME]),
        ("grok-imagine-1.0-video", 2, Mode.IMAGE, [Role.IMAGE] * 2),
        ("veo-3.1", 2, Mode.FRAMES, [Role.FIRST_FRAME, Role.LAST_FRAME]),
        ("veo-3.1", 3, Mode.IMAGE, [Role.IMAGE] * 3),
        ("veo-3.1-fast", 1, Mode.IMAGE, [Role.IMAGE]),
        ("veo3.1-fast-official", 1, Mode.FIRST_FRAME, [Role.FIRST_FRAME]),
        ("seedance-2.0", 2, Mode.IMAGE, [Role.IMAGE] * 2),
    ],
)
def test_how_many_images_there_are_says_what_they_are_for(model, count, mode, roles) -> None:
    ask = asked(model, {}, *[picture(name=f"image_urls[{index}]") for index in range(count)])

    assert ask.mode is mode
    assert [item.role for item in ask.inputs] == roles
    assert ask.inputs[0].parameter == "image_urls[0]"


@pytest.mark.parametrize("count", [3, 4])
def test_more_images_than_there_are_frames_are_refused_by_the_first_too_many(count) -> None:
    images = [picture(name=f"image_urls[{index}]") for index in range(count)]
    error = refused("vidu-q3-pro", {}, *images)

    assert error.parameter == "image_urls[2]"
    assert error.message == "The model takes at most 2 `image`."


def test_images_whose_roles_were_said_keep_them() -> None:
    frames = [picture(Role.LAST_FRAME), picture(Role.FIRST_FRAME)]

    assert [item.role for item in asked("veo-3.1", {}, *frames).inputs] == [
        Role.LAST_FRAME,
        Role.FIRST_FRAME,
    ]


@pytest.mark.parametrize(
    ("model", "inputs", "is_needed"),
    [
        ("happy-horse-1.0", [picture(Role.FIRST_FRAME)], False),
        ("happy-horse-1.0", [picture()], True),
        ("happy-horse-1.0", [film(4)], True),
        ("vidu-q3-pro", [picture()], False),
        ("vidu-q3-pro", [], True),
        ("grok-imagine-1.0-video", [picture()], False),
        ("grok-imagine-1.0-video", [picture()] * 2, True),
        ("seedance-2.0", [film(4)], False),
        ("veo-3.1", [picture()], True),
        ("enhance-video-1.0", [film(4)], False),
    ],
)
def test_whether_words_are_needed_follows_from_the_files(model, inputs, is_needed) -> None:
    if is_needed:
        error = refused(model, {}, *inputs, prompt=Body(""))
        assert (error.reason, error.parameter) == (Reason.MISSING_PARAMETER, "prompt")
    else:
        assert not asked(model, {}, *inputs, prompt=Body("")).prompt


@pytest.mark.parametrize(
    ("model", "given", "inputs", "name", "says"),
    [
        # modes that exclude each other
        ("happy-horse-1.0", {}, [picture(Role.FIRST_FRAME), picture()], "first_frame", "`image`"),
        ("happy-horse-1.0", {}, [picture(Role.FIRST_FRAME), film(4)], "first_frame", "`video`"),
        ("grok-imagine-1.0-video", {}, [picture(), film(4)], "image", "`video`"),
        ("seedance-2.0", {}, [picture(Role.FIRST_FRAME), film(4)], "first_frame", "`video`"),
        # how many
        ("happy-horse-1.0", {}, [*[picture()] * 6, film(4)], "image", "at most 5 `image` together"),
        ("happy-horse-1.0", {}, [picture()] * 10, "image", "at most 9"),
        ("seedance-2.0", {}, [film(1)] * 4, "video", "at most 3"),
        ("vidu-q3-pro", {}, [picture()] * 3, "image", "at most 2 `image`"),
        # never alone
        ("seedance-2.0", {}, [sound()], "audio", "needs a `image` or a `video`"),
        ("enhance-video-1.0", {}, [], "video", "needs 1 `video`"),
        # how long
        ("seedance-2.0", {}, [film(8), film(8)], "video", "15 seconds at most"),
        ("seedance-2.0", {}, [picture(), sound(9), sound(9)], "audio", "15 seconds at most"),
        ("happy-horse-1.0", {}, [film(2)], "video", "3 seconds or more"),
        ("happy-horse-1.0", {}, [film(61)], "video", "60 seconds at most"),
        ("grok-imagine-1.0-video", {}, [film(9)], "video", "8.7 seconds at most"),
        # what only eight seconds have
        ("veo-3.1", {"resolution": "4k", "duration": 6}, [], "resolution", "be one of: 8"),
        ("veo-3.1", {"duration": 4}, [picture(name="image_urls[0]")] * 3, "image_urls[0]", "of: 8"),
        ("veo-3.1", {"duration": 5}, [], "duration", "a multiple of 2"),
        ("veo-3.1", {"duration": 6}, [picture()] * 2, "image", "be one of: 8"),
        # a length that is paid for
        ("enhance-video-1.0", {"upscale_factor": "3"}, [film(4)], "upscale_factor", "1, 2, 4"),
    ],
)
def test_files_and_parameters_that_do_not_go_together_are_refused_by_name(
    model, given, inputs, name, says
) -> None:
    has_prompt = "prompt" in CATALOGUE.model(model).parameters
    error = refused(model, given, *inputs, prompt=PROMPT if has_prompt else Body(""))

    assert error.parameter == name
    assert says in error.message


@pytest.mark.parametrize(
    ("model", "given", "inputs", "amount"),
    [
        ("happy-horse-1.0", {}, [], 5 * 288),
        ("happy-horse-1.0", {"resolution": "720P", "duration": "3"}, [], 3 * 163),
        ("happy-horse-1.0", {"duration": 15}, [film(4.05)], 2 * 4 * 288),
        ("happy-horse-1.0", {}, [film(60)], 2 * 15 * 288),
        ("vidu-q3-pro", {"resolution": "540p"}, [], 5 * 65),
        ("vidu-q3-turbo", {"duration": 16, "resolution": "1080p"}, [], 16 * 65),
        ("grok-imagine-1.0", {}, [], 25),
        ("grok-imagine-1.0-video", {}, [], 8 * 63),
        ("grok-imagine-1.0-video", {"quality": "720p", "seconds": "6"}, [], 6 * 88),
        ("grok-imagine-1.0-video", {}, [film(6.4)], 7 * 88),
        ("veo-3.1", {"duration": 4}, [], 4 * 500),
        ("veo-3.1", {"resolution": "4K"}, [], 8 * 750),
        ("veo-3.1-fast", {}, [], 8 * 125),
        ("veo3.1-fast-official", {"resolution": "1080p"}, [], 8 * 150),
        ("veo-3.1-lite", {}, [], 8 * 63),
        ("seedance-2.0-fast", {"resolution": "480p"}, [], 5 * 67),
        ("seedance-2.0", {"duration": 5}, [film(7.2), film(3)], (11 + 5) * 109),
        ("seedance-2.0", {"resolution": "4k"}, [film(5)], (5 + 5) * 903),
        ("enhance-video-1.0", {}, [film(10)], 10 * 90),
        ("enhance-video-1.0", {"upscale_factor": 4}, [film(0.3)], 300),
        ("gpt-image-2-official", {"quality": "low"}, [], 6),
        ("gpt-image-2-official", {}, [], 47),
        ("gpt-image-2-official", {"quality": "auto"}, [], 264),
        ("gpt-image-2-official", {"quality": "high", "size": "3840x2160"}, [], 2110),
        ("happyhorse-1.0-official", {}, [], 5 * 300),
    ],
)
def test_what_each_costs_in_credits(model, given, inputs, amount) -> None:
    assert credits_of(model, given, *inputs) == amount


@pytest.mark.parametrize("model", ["enhance-video-1.0", "happy-horse-1.0", "seedance-2.0"])
def test_a_video_that_is_paid_by_a_length_it_does_not_tell_is_refused(model) -> None:
    with pytest.raises(GatewayError) as caught:
        credits_of(model, {}, film(0.0, "video_url"))

    assert (caught.value.reason, caught.value.parameter) == (Reason.INVALID_INPUT, "video_url")


def test_the_length_of_the_output_does_not_lower_what_is_paid_by_the_source() -> None:
    horse = CATALOGUE.model("happy-horse-1.0")
    edit, made = asked(horse.id, {}, film(4)), asked(horse.id, {})

    assert (seconds_of(horse, edit), counted_seconds(horse, edit)) == (8, 0)
    assert (seconds_of(horse, made), counted_seconds(horse, made)) == (5, 5)


def test_a_model_may_not_choose_the_seconds_that_come_to_those_of_a_video() -> None:
    with pytest.raises(GatewayError) as caught:
        credits_of("seedance-2.0", {"duration": -1}, film(5))

    assert caught.value.parameter == "duration"
    assert credits_of("seedance-2.0", {"duration": -1}) == 15 * 178


def test_words_that_are_not_the_prompt_are_no_parameters() -> None:
    ask = asked("veo-3.1", {"negative_prompt": "rain"})

    assert {name: text.reveal() for name, text in ask.texts.items()} == {"negative_prompt": "rain"}
    assert "negative_prompt" not in ask.parameters
    assert "rain" not in repr(ask)
    assert not asked("veo-3.1", {"negative_prompt": ""}).texts
    assert refused("veo-3.1", {"negative_prompt": "x" * 5000}).parameter == "negative_prompt"
    assert refused("veo-3.1", {"negative_prompt": 3}).reason is Reason.INVALID_TYPE
    assert refused("seedance-2.0", {"negative_prompt": "x"}).reason is Reason.UNKNOWN_PARAMETER


@pytest.mark.parametrize(
    ("overlay", "key", "says"),
    [
        # what a model may say of modes, lengths and files
        (MODEL + "images_as = ['image']", "models.m.images_as", "a list of lists"),
        (MODEL + "images_as = [['image', 'mask']]", "models.m.images_as", 'as [["first_frame"]'),
        (MODEL + "images_as = [['mask']]", "models.m.images_as", "roles that the model takes"),
        (MODEL + "source_seconds = {}", "models.m.source_seconds", "the role `video`"),
        (MODEL + "source_seconds = { factor = 2 }", "models.m.source_seconds.factor", "unknown"),
        ("models.m.inputs.image.minimum = 3", "models.m.inputs.image.minimum", "above maximum"),
        ("models.m.inputs.image.needs = ['mask']", "models.m.inputs.image", "needs must name"),
        ("models.m.inputs.image.needs = 'smell'", "models.m.inputs.image.needs", "one of"),
        (
            "models.m.inputs.image.maximum_with = { smell = 1 }",
            "models.m.inputs.image.maximum_with",
            "one of",
        ),
        (
            "models.m.inputs.image.maximum_with = { mask = 1 }",
            "models.m.inputs.image",
            "maximum_with must name other roles",
        ),
        (
            "models.m.parameters.quality.modes = ['dream']",
            "models.m.parameters.quality.modes",
            "each must be one of: text",
        ),
        (
            "models.m.parameters.quality.required_in = ['text']",
            "models.m.parameters.quality.required_in",
            "prompt only",
        ),
        (
            "models.m.parameters.x = { type = 'text', default = 'x' }",
            "models.m.parameters.x.type",
            "use `string`",
        ),
        ("[[models.m.rules]]\ninput = 'mask'", "models.m.rules.1.input", "must be one of: image"),
        (
            "[[models.m.prices]]\nunit = 'image'\ncredits = '1'\nconditions = { mode = 'dream' }",
            "models.m.prices.1.conditions.mode",
            "must be `mode`",
        ),
        (
            "[[models.m.prices]]\nunit = 'image'\ncredits = '1'\nconditions = { mode = 'text' }",
            "models.m.prices",
            "no row for: mode image",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_place(files, overlay, key, says) -> None:
    error = files.mistake(BASE, overlay)

    assert (error.file.name, error.key) == ("2.toml", key)
    assert says in error.problem


def test_a_price_may_depend_on_what_the_request_starts_from(files) -> None:
    model = files.load(
        BASE,
        MODEL + "prices = [{ unit = 'image', credits = '7' }, "
        "{ unit = 'image', credits = '9', conditions = { mode = 'image' } }]",
    ).model("m")
    plain, edit = (
        validate(model, Body(""), {}, inputs) if inputs else Ask("m", model.kind, Body(""))
        for inputs in ([], [picture()])
    )

    assert [
        quote(model.prices, price_facts(model, ask), price_units(ask), NOW) for ask in (plain, edit)
    ] == [7_000, 9_000]
