"""The official Google Gen AI SDK, unmodified, against the simulated Gemini."""

import io
from collections.abc import AsyncIterator, Callable

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials
from PIL import Image

from simulator import Fault, Knobs, SimulatedChannel, Simulator

CHANNELS = (
    SimulatedChannel("gemini-a", "AIzaSimulatedKeyOfA", "gemini"),
    SimulatedChannel("gemini-b", "ya29.simulated-token-of-b", "gemini"),
)
KEYS = {channel.name: channel.credential for channel in CHANNELS}
PRO, FLASH, OLD = "gemini-3-pro-image", "gemini-3.1-flash-image", "gemini-2.5-flash-image"

Client = genai.client.AsyncClient

# The SDK derives a class from aiohttp's session, which aiohttp warns of.
pytestmark = [
    pytest.mark.prove,
    pytest.mark.filterwarnings(
        "ignore:Inheritance class AiohttpClientSession from ClientSession:DeprecationWarning"
    ),
]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(CHANNELS) as opened:
        yield opened


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads keys, projects and versions from the environment."""
    for name in (
        "GOOGLE_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_CLOUD_LOCATION",
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_GENAI_USE_ENTERPRISE",
        "GOOGLE_GENAI_API_VERSION",
    ):
        monkeypatch.delenv(name, raising=False)


def options(simulator: Simulator, channel: str, version: str | None = None) -> types.HttpOptions:
    return types.HttpOptions(base_url=simulator.base_url(channel), api_version=version)


def developer(simulator: Simulator, key: str = KEYS["gemini-a"]) -> genai.Client:
    return genai.Client(api_key=key, http_options=options(simulator, "gemini-a", "v1beta"))


def express(simulator: Simulator) -> genai.Client:
    return genai.Client(
        vertexai=True, api_key=KEYS["gemini-a"], http_options=options(simulator, "gemini-a", "v1")
    )


def vertex(simulator: Simulator, token: str = KEYS["gemini-b"]) -> genai.Client:
    return genai.Client(
        vertexai=True,
        project="a-project",
        location="europe-west4",
        credentials=Credentials(token),
        http_options=options(simulator, "gemini-b", "v1"),
    )


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Client]:
    async with developer(simulator).aio as opened:
        yield opened


def config(**image: object) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        response_modalities=["IMAGE"], image_config=types.ImageConfig(**image) if image else None
    )


def picture(part: types.Part) -> Image.Image:
    assert part.inline_data is not None
    assert part.inline_data.data is not None
    image = Image.open(io.BytesIO(part.inline_data.data))
    image.load()
    assert part.inline_data.mime_type == f"image/{image.format.lower()}"
    return image


def only(answer: types.GenerateContentResponse) -> types.Part:
    assert answer.parts is not None
    assert len(answer.parts) == 1
    return answer.parts[0]


def png(size: tuple[int, int] = (64, 48)) -> types.Part:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    return types.Part.from_bytes(data=file.getvalue(), mime_type="image/png")


@pytest.mark.parametrize(
    ("model", "ratio", "size", "pixels"),
    [
        (PRO, None, None, (1024, 1024)),
        (PRO, "16:9", "1K", (1376, 768)),
        (PRO, "9:16", None, (768, 1376)),
        (PRO, "1:1", "2K", (2048, 2048)),
        (PRO, "21:9", "4K", (6336, 2688)),
        (FLASH, "4:3", "512", (600, 448)),
        (FLASH, "8:1", "1K", (3072, 384)),
        (OLD, "16:9", None, (1344, 768)),
        (OLD, "2:3", "4K", (832, 1248)),
    ],
)
async def test_an_image_has_the_size_that_google_would_give_it(
    client: Client, model, ratio, size, pixels
):
    answer = await client.models.generate_content(
        model=model, contents="a fox", config=config(aspect_ratio=ratio, image_size=size)
    )

    assert picture(only(answer)).size == pixels
    assert answer.candidates[0].finish_reason is types.FinishReason.STOP
    assert answer.model_version == model
    assert answer.response_id


@pytest.mark.parametrize("opened", [developer, express, vertex])
async def test_every_address_serves_the_same_image_and_keeps_the_callers_names(
    simulator: Simulator, client: Client, opened: Callable[[Simulator], genai.Client]
):
    async with opened(simulator).aio as elsewhere:
        answer = await elsewhere.models.generate_content(
            model=OLD, contents="a fox", config=config()
        )
    expected = await client.models.generate_content(model=OLD, contents="a fox", config=config())

    assert only(answer).inline_data == only(expected).inline_data
    paths = {
        developer: f"/v1beta/models/{OLD}:generateContent",
        express: f"/v1/publishers/google/models/{OLD}:generateContent",
        vertex: "/v1/projects/{project}/locations/{location}"
        f"/publishers/google/models/{OLD}:generateContent",
    }
    assert simulator.calls.newest()[0].path == paths[opened]
    assert simulator.calls.newest()[0].made == 1


async def test_the_usage_adds_up(client: Client):
    answer = await client.models.generate_content(
        model=PRO, contents=["two foxes", png(), png()], config=config(image_size="4K")
    )
    usage = answer.usage_metadata

    assert usage.candidates_token_count == 2_000
    assert usage.candidates_tokens_details == [
        types.ModalityTokenCount(modality="IMAGE", token_count=2_000)
    ]
    given = {each.modality: each.token_count for each in usage.prompt_tokens_details}
    assert given[types.MediaModality.IMAGE] == 2 * 560
    assert usage.prompt_token_count == sum(given.values())
    assert usage.thoughts_token_count > 0
    assert usage.total_token_count == (
        usage.prompt_token_count + usage.candidates_token_count + usage.thoughts_token_count
    )


async def test_inputs_change_the_image(client: Client):
    images = {
        only(
            await client.models.generate_content(model=OLD, contents=contents, config=config())
        ).inline_data.data
        for size in range(16, 32)
        for contents in [["put them together", png((size, 16))]]
    }

    assert len(images) > 2


async def test_words_come_with_the_image_where_both_are_asked_for(client: Client):
    answer = await client.models.generate_content(model=PRO, contents="a fox")

    assert answer.text
    assert picture(answer.parts[-1]).size == (1024, 1024)


async def test_thoughts_hold_a_draft_that_is_not_the_image(client: Client):
    answer = await client.models.generate_content(
        model=PRO,
        contents="a fox",
        config=types.GenerateContentConfig(
            response_modalities=["IMAGE"],
            thinking_config=types.ThinkingConfig(include_thoughts=True),
        ),
    )

    assert [part.thought for part in answer.parts] == [True, True, None]
    draft, final = answer.parts[1:]
    assert picture(draft).size == picture(final).size
    assert draft.inline_data.data != final.inline_data.data


async def test_vertex_makes_jpegs_on_demand(
    simulator: Simulator,
):
    wanted = types.GenerateContentConfig(
        response_modalities=["IMAGE"],
        image_config=types.ImageConfig(
            output_mime_type="image/jpeg",
            output_compression_quality=10,
            person_generation="ALLOW_ADULT",
        ),
    )
    async with vertex(simulator).aio as opened:
        answer = await opened.models.generate_content(model=OLD, contents="a fox", config=wanted)

    assert picture(only(answer)).format == "JPEG"
    assert answer.usage_metadata.traffic_type is types.TrafficType.ON_DEMAND


async def test_a_stream_ends_with_the_image_the_reason_and_the_usage(client: Client):
    stream = await client.models.generate_content_stream(model=PRO, contents="a fox")
    chunks = [chunk async for chunk in stream]

    assert [bool(chunk.text) for chunk in chunks] == [True, False, False]
    assert picture(only(chunks[1])).size == (1024, 1024)
    assert [chunk.candidates[0].finish_reason for chunk in chunks] == [
        None,
        None,
        types.FinishReason.STOP,
    ]
    assert chunks[-1].usage_metadata.candidates_token_count > 1_120
    assert len({chunk.response_id for chunk in chunks}) == 1


async def test_a_refused_prompt_is_a_200_without_candidates(simulator: Simulator, client: Client):
    answer = await client.models.generate_content(
        model=PRO, contents="please moderation_blocked this", config=config()
    )

    assert answer.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT
    assert not answer.candidates
    assert answer.usage_metadata.candidates_token_count is None
    call = simulator.calls.newest()[-1]
    assert (call.status, call.outcome, call.made) == (200, "moderated", 0)


@pytest.mark.parametrize("streams", [False, True])
async def test_a_refused_image_is_a_200_that_stopped_for_safety(client: Client, streams):
    asked = {"model": PRO, "contents": "moderation_blocked_output", "config": config()}
    if streams:
        answer = await anext(await client.models.generate_content_stream(**asked))
    else:
        answer = await client.models.generate_content(**asked)

    assert answer.candidates[0].finish_reason is types.FinishReason.IMAGE_SAFETY
    assert not answer.parts


@pytest.mark.parametrize("reason", ["NO_IMAGE", "RECITATION", "STOP"])
async def test_a_200_without_an_image_can_be_asked_for(
    simulator: Simulator, client: Client, reason
):
    await simulator.set_fault("gemini-a", Fault("status", status=200, code=reason))

    answer = await client.models.generate_content(model=PRO, contents="a fox")

    assert answer.candidates[0].finish_reason == reason
    assert bool(answer.text) is (reason == "STOP")


async def refused(call: object) -> errors.APIError:
    with pytest.raises(errors.APIError) as caught:
        await call
    return caught.value


async def test_a_wrong_key_is_refused_as_google_refuses_it(simulator: Simulator):
    async with developer(simulator, "AIzaWrong").aio as opened:
        found = await refused(opened.models.generate_content(model=PRO, contents="a fox"))

    assert isinstance(found, errors.ClientError)
    assert (found.code, found.status) == (400, "INVALID_ARGUMENT")
    assert found.message == "API key not valid. Please pass a valid API key."
    assert found.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"


async def test_a_wrong_token_is_unauthenticated(simulator: Simulator):
    async with vertex(simulator, "ya29.wrong").aio as opened:
        found = await refused(opened.models.generate_content(model=PRO, contents="a fox"))

    assert isinstance(found, errors.ClientError)
    assert (found.code, found.status) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("gemini-9-image", "is not found for API version v1beta"),
        ("gemini-3-pro-image-preview", "is no longer available"),
    ],
)
async def test_a_model_that_is_not_there_is_not_found(client: Client, model, words):
    found = await refused(client.models.generate_content(model=model, contents="a fox"))

    assert (found.code, found.status) == (404, "NOT_FOUND")
    assert words in found.message


@pytest.mark.parametrize(
    ("image", "field"),
    [
        ({"aspect_ratio": "7:5"}, "generation_config.image_config.aspect_ratio"),
        ({"aspect_ratio": "8:1"}, "generation_config.image_config.aspect_ratio"),
        ({"image_size": "1k"}, "generation_config.image_config.image_size"),
        ({"image_size": "512"}, "generation_config.image_config.image_size"),
    ],
)
async def test_what_a_model_cannot_make_is_an_invalid_argument(client: Client, image, field):
    found = await refused(
        client.models.generate_content(model=PRO, contents="a fox", config=config(**image))
    )

    assert (found.code, found.status) == (400, "INVALID_ARGUMENT")
    assert found.details["error"]["details"][0]["fieldViolations"][0]["field"] == field


async def test_a_broken_input_image_is_an_invalid_argument(client: Client):
    broken = types.Part.from_bytes(data=b"not an image", mime_type="image/png")
    found = await refused(client.models.generate_content(model=PRO, contents=["a fox", broken]))

    assert (found.code, found.status) == (400, "INVALID_ARGUMENT")
    assert found.message.startswith("Unable to process input image.")


@pytest.mark.parametrize(
    ("fault", "kind", "code", "status"),
    [
        (Fault("status", status=403), errors.ClientError, 403, "PERMISSION_DENIED"),
        (
            Fault("status", status=400, code="FAILED_PRECONDITION"),
            errors.ClientError,
            400,
            "FAILED_PRECONDITION",
        ),
        (Fault("status", status=429), errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        (Fault("status", status=500), errors.ServerError, 500, "INTERNAL"),
        (Fault("status", status=503), errors.ServerError, 503, "UNAVAILABLE"),
        (Fault("status", status=504), errors.ServerError, 504, "DEADLINE_EXCEEDED"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else None,
)
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
async def test_a_scripted_status_is_the_sdks_error(
    simulator: Simulator, client: Client, fault, kind, code, status, streams
):
    await simulator.set_fault("gemini-a", fault)
    if streams:
        stream = await client.models.generate_content_stream(model=PRO, contents="a fox")
        found = await refused(anext(stream))
    else:
        found = await refused(client.models.generate_content(model=PRO, contents="a fox"))

    assert type(found) is kind
    assert (found.code, found.status) == (code, status)


@pytest.mark.parametrize(("code", "period"), [(None, "PerMinute"), ("PerDay", "PerDay")])
async def test_a_429_tells_in_its_body_which_quota_and_how_long(
    simulator: Simulator, client: Client, code, period
):
    await simulator.set_fault("gemini-a", Fault("status", status=429, code=code, retry_after=7))
    found = await refused(client.models.generate_content(model=PRO, contents="a fox"))
    quota, _, retry = found.details["error"]["details"]

    assert period in quota["violations"][0]["quotaId"]
    assert retry == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}


async def test_a_rate_limit_of_its_own_is_a_429(simulator: Simulator, client: Client):
    simulator.turn_knobs("gemini-a", Knobs(image="tiny", requests_per_minute=1))
    await client.models.generate_content(model=OLD, contents="a fox")

    found = await refused(client.models.generate_content(model=OLD, contents="a fox"))

    assert (found.code, found.status) == (429, "RESOURCE_EXHAUSTED")
