"""What the simulated images API refuses, and in which words: over plain HTTP."""

import asyncio
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from PIL import Image

from simulator import Knobs, Simulator
from simulator.front import MAX_BODY_BYTES

VALID = {"model": "gpt-image-2", "prompt": "a fox", "size": "16x16"}


class Wire:
    """Posts to one channel and gives the status, the headers and the decoded JSON."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, key: str) -> None:
        self.session = session
        self.base_url = base_url
        self.authorization = {"authorization": f"Bearer {key}"}

    async def generate(self, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", **self.authorization, **headers}
        url = f"{self.base_url}/v1/images/generations"
        async with self.session.post(url, data=data, headers=sent) as response:
            return response.status, response.headers, await response.json()

    async def edit(self, *fields):
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in fields:
            if isinstance(value, tuple):
                data, content_type = value
                form.add_field(name, data, filename="x.png", content_type=content_type)
            else:
                form.add_field(name, value)
        url = f"{self.base_url}/v1/images/edits"
        async with self.session.post(url, data=form, headers=self.authorization) as response:
            return response.status, response.headers, await response.json()


@pytest.fixture
async def wire(simulator: Simulator, simulated_credentials) -> AsyncIterator[Wire]:
    async with aiohttp.ClientSession() as session:
        yield Wire(session, simulator.base_url("openai-a"), simulated_credentials["openai-a"])


def png(size=(64, 48), mode="RGB") -> tuple[bytes, str]:
    file = io.BytesIO()
    Image.new(mode, size, 0).save(file, "PNG")
    return file.getvalue(), "image/png"


def refusal(body) -> tuple[str, str | None, str | None]:
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error["type"], error["param"], error["code"]


REQUEST = "invalid_request_error"
MODEL = "image_generation_user_error"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": None}, (REQUEST, "model", "invalid_type")),
        ({"model": ...}, (REQUEST, "model", "missing_required_parameter")),
        ({"prompt": ...}, (REQUEST, "prompt", "missing_required_parameter")),
        ({"prompt": 7}, (REQUEST, "prompt", "invalid_type")),
        ({"prompt": ""}, (REQUEST, "prompt", "empty_string")),
        ({"prompt": "x" * 32_001}, (REQUEST, "prompt", "string_above_max_length")),
        ({"response_format": "url"}, (REQUEST, "response_format", "unknown_parameter")),
        ({"response_format": None}, (REQUEST, "response_format", "unknown_parameter")),
        ({"style": "vivid"}, (REQUEST, "style", "unknown_parameter")),
        ({"input_fidelity": "high"}, (REQUEST, "input_fidelity", "unknown_parameter")),
        ({"image": "x"}, (REQUEST, "image", "unknown_parameter")),
        ({"n": 0}, (REQUEST, "n", "integer_below_min_value")),
        ({"n": 11}, (REQUEST, "n", "integer_above_max_value")),
        ({"n": 1.5}, (REQUEST, "n", "invalid_type")),
        ({"n": "2"}, (REQUEST, "n", "invalid_type")),
        ({"n": True}, (REQUEST, "n", "invalid_type")),
        ({"quality": "hd"}, (REQUEST, "quality", "invalid_value")),
        ({"quality": "xhigh"}, (REQUEST, "quality", "invalid_value")),
        ({"quality": 1}, (REQUEST, "quality", "invalid_type")),
        ({"background": "blue"}, (REQUEST, "background", "invalid_value")),
        ({"moderation": "none"}, (REQUEST, "moderation", "invalid_value")),
        ({"output_format": "gif"}, (REQUEST, "output_format", "invalid_value")),
        ({"output_compression": 101}, (REQUEST, "output_compression", "integer_above_max_value")),
        ({"partial_images": 4}, (REQUEST, "partial_images", "integer_above_max_value")),
        ({"stream": "yes"}, (REQUEST, "stream", "invalid_type")),
        (
            {"safety_identifier": "x" * 65},
            (REQUEST, "safety_identifier", "string_above_max_length"),
        ),
        ({"size": "bogus"}, (MODEL, "size", "invalid_value")),
        ({"size": "0x0"}, (MODEL, "size", "invalid_value")),
        ({"size": "1000x1000"}, (MODEL, "size", "invalid_value")),
        ({"size": "3856x1440"}, (MODEL, "size", "invalid_value")),
        ({"size": "3200x1056"}, (MODEL, "size", "invalid_value")),
        ({"size": "3840x2176"}, (MODEL, "size", "invalid_value")),
        ({"size": 1024}, (REQUEST, "size", "invalid_type")),
        (
            {"background": "transparent", "output_format": "jpeg"},
            (MODEL, "background", "invalid_value"),
        ),
        (
            {"output_compression": 50},
            (MODEL, "output_compression", "invalid_png_output_compression"),
        ),
    ],
)
async def test_a_wrong_field_is_refused_by_its_name_and_code(wire: Wire, change, expected):
    body = {name: value for name, value in {**VALID, **change}.items() if value is not ...}

    status, headers, answer = await wire.generate(body)

    assert status == 400
    assert refusal(answer) == expected
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"n": 11},
            "Invalid 'n': integer above maximum value. Expected a value <= 10, but got 11 instead.",
        ),
        ({"n": "2"}, "Invalid type for 'n': expected an integer, but got a string instead."),
        (
            {"quality": "ultra"},
            "Invalid value: 'ultra'. Supported values are: 'low', 'medium', 'high', and 'auto'.",
        ),
        (
            {"moderation": "none"},
            "Invalid value: 'none'. Supported values are: 'auto' and 'low'.",
        ),
        (
            {"quality": 1},
            "Invalid type for 'quality': expected one of 'low', 'medium', 'high', or 'auto', but got an integer instead.",
        ),
        (
            {"size": "9x9"},
            "Invalid size '9x9'. Width and height must both be divisible by 16.",
        ),
        ({"response_format": "url"}, "Unknown parameter: 'response_format'."),
        ({"prompt": None}, "Invalid type for 'prompt': expected a string, but got null instead."),
    ],
)
async def test_the_message_is_openais_own(wire: Wire, change, message):
    _, _, answer = await wire.generate({**VALID, **change})

    assert answer["error"]["message"] == message


async def test_the_first_of_two_faults_is_reported_in_the_apis_order(wire: Wire):
    order = [
        {"model": "x"},
        {"bogus": 1},
        {"prompt": ""},
        {"n": 0},
        {"quality": "x"},
        {"size": "x"},
    ]
    named = [None, "bogus", "prompt", "n", "quality", "size"]

    for index, expected in enumerate(named):
        wrong = {name: value for part in order[index:] for name, value in part.items()}
        _, _, answer = await wire.generate({**VALID, **wrong})
        assert answer["error"]["param"] == expected


async def test_null_means_not_given(wire: Wire):
    optional = ("n", "quality", "background", "output_format", "output_compression", "stream")
    body = {**VALID, **dict.fromkeys(optional), "user": "u", "moderation": "low"}

    status, _, answer = await wire.generate(body)

    assert status == 200
    assert answer["output_format"] == "png"


@pytest.mark.parametrize("size", ["2160x3840", "3840x1280", "48x16"])
async def test_any_size_within_the_limits_is_taken(simulator: Simulator, wire: Wire, size):
    simulator.configure(Knobs(image="tiny"))
    status, _, answer = await wire.generate({**VALID, "size": size})

    assert (status, answer["size"]) == (200, size)


async def test_models_differ_in_what_they_take(simulator: Simulator, wire: Wire):
    simulator.configure(Knobs(image="tiny"))
    fine = {**VALID, "model": "gpt-image-2.5-flare", "quality": "max"}
    fixed = {**VALID, "model": "gpt-image-1.5"}

    assert (await wire.generate(fine))[0] == 200
    _, _, answer = await wire.generate(fixed)
    assert refusal(answer) == (REQUEST, "size", "invalid_value")
    assert (await wire.generate({**fixed, "size": "1536x1024"}))[0] == 200


async def test_the_safety_identifier_is_echoed(wire: Wire):
    _, _, answer = await wire.generate({**VALID, "safety_identifier": 'hash "é'})

    assert answer["safety_identifier"] == 'hash "é'


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe\x00", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_could_not_be_parsed(wire: Wire, body):
    status, _, answer = await wire.generate(body)

    assert (status, refusal(answer)) == (400, (REQUEST, None, None))
    assert answer["error"]["message"].startswith(
        "We could not parse the JSON body of your request. (HINT: "
    )


async def test_another_content_type_is_415(wire: Wire):
    status, _, answer = await wire.generate(VALID, **{"content-type": "text/plain"})

    assert status == 415
    assert refusal(answer) == (REQUEST, None, "unsupported_content_type")
    assert answer["error"]["message"].startswith("Unsupported content type: 'text/plain'. This API")


async def test_a_body_that_is_announced_too_long_is_413_before_it_is_read(wire: Wire):
    host, _, port = wire.base_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
        % (MAX_BODY_BYTES + 1)
    )
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()

    assert head.startswith(b"HTTP/1.1 413 ")


async def test_a_caller_that_waits_for_100_continue_gets_it(wire: Wire):
    status, _, _ = await wire.generate(VALID, expect="100-continue")

    assert status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/images/generations"),
        ("PUT", "/v1/images/edits"),
        ("POST", "/v1/images/variations"),
        ("POST", "/images/generations"),
        ("GET", "/"),
    ],
)
async def test_a_wrong_method_or_url_is_404_with_a_null_code(wire: Wire, method, path):
    async with wire.session.request(method, wire.base_url + path) as response:
        answer = await response.json()

    assert response.status == 404
    assert refusal(answer) == (REQUEST, None, None)
    assert answer["error"]["message"] == f"Invalid URL ({method} {path})"


@pytest.mark.parametrize("authorization", [None, "", "Basic abc", "Bearer", "Bearer "])
async def test_a_missing_key_is_asked_for(wire: Wire, authorization):
    headers = {} if authorization is None else {"authorization": authorization}
    url = f"{wire.base_url}/v1/images/generations"
    async with wire.session.post(url, json=VALID, headers=headers) as response:
        answer = await response.json()

    assert response.status == 401
    assert refusal(answer) == (REQUEST, None, None)
    assert answer["error"]["message"].startswith("You didn't provide an API key.")


async def test_the_rate_limit_is_a_real_bucket(simulator: Simulator, wire: Wire):
    simulator.configure(Knobs(image="tiny", requests_per_minute=3))
    answers = [await wire.generate(VALID) for _ in range(4)]

    assert [status for status, _, _ in answers] == [200, 200, 200, 429]
    left = [headers["x-ratelimit-remaining-requests"] for _, headers, _ in answers]
    assert left == ["2", "1", "0", "0"]
    _, headers, body = answers[-1]
    assert refusal(body) == ("requests", None, "rate_limit_exceeded")
    assert 1 <= int(headers["retry-after"]) <= 20
    assert int(headers["retry-after-ms"]) > 1_000
    assert headers["x-ratelimit-limit-requests"] == "3"
    assert headers["x-ratelimit-reset-requests"].startswith(("59.", "1m"))


EDIT = (("model", "gpt-image-2"), ("prompt", "a hat"), ("size", "16x16"))
NOT_AN_IMAGE = (b"not an image", "image/png")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), (REQUEST, "image", "missing_required_parameter")),
        ((("image", png()), ("bogus", "1")), (REQUEST, "bogus", "unknown_parameter")),
        ((("image", png()), ("moderation", "low")), (REQUEST, "moderation", "unknown_parameter")),
        ((("images", png()),), (REQUEST, "images", "invalid_value")),
        ((("image", "text"),), (REQUEST, "image", "invalid_type")),
        ((("image[]", png()), ("image[]", "text")), (REQUEST, "image[1]", "invalid_type")),
        (
            (("image", (png()[0], "application/octet-stream")),),
            (REQUEST, "image", "unsupported_file_mimetype"),
        ),
        ((("image", NOT_AN_IMAGE),), (MODEL, "", "invalid_image_file")),
        ((("image[]", png()),) * 17, (REQUEST, "image", "array_above_max_length")),
        ((("image", png()), ("n", "two")), (REQUEST, "n", "invalid_type")),
        ((("image", png()), ("n", "11")), (REQUEST, "n", "integer_above_max_value")),
        ((("image", png()), ("stream", "maybe")), (REQUEST, "stream", "invalid_type")),
        (
            (("image", png()), ("input_fidelity", "high")),
            (MODEL, "input_fidelity", "invalid_input_fidelity_model"),
        ),
        ((("image", png()), ("mask", png())), (MODEL, "mask", "invalid_mask_image_format")),
        (
            (("image", png()), ("mask", png((32, 32), "RGBA"))),
            (MODEL, "mask", "invalid_mask_image_format"),
        ),
        (
            (("image", png()), ("mask", NOT_AN_IMAGE)),
            (MODEL, "mask", "invalid_mask_image_format"),
        ),
    ],
)
async def test_a_wrong_edit_is_refused_by_its_name_and_code(wire: Wire, fields, expected):
    status, _, answer = await wire.edit(*EDIT, *fields)

    assert (status, refusal(answer)) == (400, expected)


async def test_sixteen_images_in_every_spelling_are_taken(wire: Wire):
    spellings = [("image[]", png())] * 14 + [("image", png()), ("image[3]", png())]
    status, _, answer = await wire.edit(*EDIT, *spellings, ("n", "2"), ("stream", "false"))

    assert status == 200
    assert len(answer["data"]) == 2


async def test_a_json_edit_is_415_and_a_broken_form_is_400(wire: Wire):
    url = f"{wire.base_url}/v1/images/edits"
    async with wire.session.post(url, json=VALID, headers=wire.authorization) as response:
        assert response.status == 415
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=abc"):
        headers = {**wire.authorization, "content-type": content_type}
        async with wire.session.post(url, data=b"--abc\r\nbroken", headers=headers) as response:
            assert response.status == 400
            assert refusal(await response.json()) == (REQUEST, None, None)
