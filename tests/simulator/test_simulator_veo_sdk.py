"""The official Google Gen AI SDK, unmodified, against the simulated Veo of Vertex.

The SDK has dropped Veo on the Developer API: that shape is proved by plain HTTP calls.
"""

import io
from collections.abc import AsyncIterator

import av
import httpx
import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials
from PIL import Image

from simulator import Fault, Knobs, SimulatedChannel, Simulator

NAME, TOKEN = "veo-a", "ya29.simulated-token"
VEO, FAST, LITE = (f"veo-3.1-{kind}generate-001" for kind in ("", "fast-", "lite-"))
PREVIEW = "veo-3.1-generate-preview"
AT_ONCE = Knobs(queue_ms=0, run_ms=0)

Client = genai.client.AsyncClient

# The SDK derives a class from aiohttp's session, which aiohttp warns of.
pytestmark = [
    pytest.mark.prove,
    pytest.mark.filterwarnings(
        "ignore:Inheritance class AiohttpClientSession from ClientSession:DeprecationWarning",
        "ignore:.*generate_videos.*",
    ),
]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, TOKEN, "veo")]) as opened:
        opened.configure(AT_ONCE)
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


def vertex(simulator: Simulator, token: str = TOKEN) -> genai.Client:
    return genai.Client(
        vertexai=True,
        project="a-project",
        location="us-central1",
        credentials=Credentials(token),
        http_options=types.HttpOptions(base_url=simulator.base_url(NAME), api_version="v1"),
    )


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Client]:
    async with vertex(simulator).aio as opened:
        yield opened


@pytest.fixture
async def developer(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"{simulator.base_url(NAME)}/v1beta",
        headers={"x-goog-api-key": TOKEN},
        timeout=20,
    ) as opened:
        yield opened


def picture(size=(64, 48), kind="PNG") -> types.Image:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, kind)
    return types.Image(image_bytes=file.getvalue(), mime_type=f"image/{kind.lower()}")


async def done(client: Client, **call: object) -> types.GenerateVideosOperation:
    """The operation of a call, once it is done."""
    operation = await client.models.generate_videos(**{"model": VEO, "prompt": "a fox", **call})
    while not operation.done:
        operation = await client.operations.get(operation)
    return operation


def decoded(data: bytes) -> tuple[int, int, float, int]:
    with av.open(io.BytesIO(data)) as film:
        (pictures,), sounds = film.streams.video, film.streams.audio
        return pictures.width, pictures.height, film.duration / 1_000_000, len(sounds)


@pytest.mark.parametrize(
    ("model", "config", "shape"),
    [
        (VEO, {}, (1280, 720, 8.0, 1)),
        (FAST, {"aspect_ratio": "9:16", "duration_seconds": 4}, (720, 1280, 4.0, 1)),
        (LITE, {"resolution": "1080p", "generate_audio": False}, (1920, 1080, 8.0, 0)),
    ],
)
async def test_a_video_comes_inside_of_the_operation(client: Client, model, config, shape):
    operation = await done(client, model=model, config=types.GenerateVideosConfig(**config))

    assert operation.name.startswith(
        f"projects/a-project/locations/us-central1/publishers/google/models/{model}/operations/"
    )
    (made,) = operation.response.generated_videos
    assert made.video.mime_type == "video/mp4"
    assert decoded(made.video.video_bytes) == shape
    assert operation.response.rai_media_filtered_count == 0


@pytest.mark.parametrize(
    "call",
    [
        {"image": picture()},
        {"image": picture(), "config": {"last_frame": picture(kind="JPEG")}},
        {
            "config": {
                "reference_images": [
                    {"image": picture(), "reference_type": "asset"},
                    {"image": types.Image(gcs_uri="gs://b/x.png"), "reference_type": "asset"},
                ]
            }
        },
    ],
    ids=["first frame", "both frames", "references"],
)
async def test_images_are_taken_as_the_sdk_sends_them(client: Client, call):
    operation = await done(client, **call)

    assert decoded(operation.response.generated_videos[0].video.video_bytes)[2] == 8.0


async def test_results_lie_in_a_bucket_on_demand(client: Client):
    config = {"output_gcs_uri": "gs://ours/videos/", "number_of_videos": 2}
    operation = await done(client, config=config)

    videos = [made.video for made in operation.response.generated_videos]
    assert all(video.uri.startswith("gs://ours/videos/") for video in videos)
    assert len({video.uri for video in videos}) == 2


async def test_what_is_filtered_is_counted(client: Client):
    none = await done(client, prompt="moderation_blocked_output")
    some = await done(client, prompt="moderation_blocked_one", config={"number_of_videos": 3})

    assert not none.response.generated_videos
    assert none.response.rai_media_filtered_count == 1
    assert "Support codes" in none.response.rai_media_filtered_reasons[0]
    assert (len(some.response.generated_videos), some.response.rai_media_filtered_count) == (2, 1)


async def test_a_refused_prompt_is_an_operation_that_failed(client: Client):
    operation = await done(client, prompt="moderation_blocked")

    assert operation.error["code"] == 3
    assert "usage guidelines" in operation.error["message"]
    assert operation.response is None


async def test_an_operation_can_be_made_to_fail(simulator: Simulator, client: Client):
    await simulator.set_fault(NAME, Fault("job_fails", code="UNAVAILABLE"))

    assert (await done(client)).error["code"] == 14


async def refused(call: object) -> errors.APIError:
    with pytest.raises(errors.APIError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize(
    "config",
    [
        {"duration_seconds": 5},
        {"duration_seconds": 4, "resolution": "1080p"},
        {"duration_seconds": 6, "last_frame": picture()},
        {"aspect_ratio": "1:1"},
        {"resolution": "480p"},
        {"number_of_videos": 5},
        {"fps": 30},
        {"seed": -1},
        {"person_generation": "everybody"},
        {"output_gcs_uri": "s3://ours"},
        {"reference_images": [{"image": picture(), "reference_type": "style"}]},
    ],
)
async def test_what_a_model_cannot_make_is_an_invalid_argument(client: Client, config):
    call = {"image": picture()} if "last_frame" in config else {}
    found = await refused(
        client.models.generate_videos(model=VEO, prompt="a fox", config=config, **call)
    )

    assert isinstance(found, errors.ClientError)
    assert (found.code, found.status) == (400, "INVALID_ARGUMENT")


async def test_a_wrong_token_is_unauthenticated(simulator: Simulator):
    async with vertex(simulator, "ya29.expired").aio as opened:
        found = await refused(opened.models.generate_videos(model=VEO, prompt="a fox"))

    assert (found.code, found.status) == (401, "UNAUTHENTICATED")


async def test_a_model_that_is_not_there_is_not_found(client: Client):
    found = await refused(client.models.generate_videos(model="veo-2.0-generate-001", prompt="x"))

    assert (found.code, found.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize(("status", "kind"), [(429, errors.ClientError), (503, errors.ServerError)])
async def test_a_scripted_status_is_the_sdks_error(
    simulator: Simulator, client: Client, status, kind
):
    await simulator.set_fault(NAME, Fault("status", status=status))
    found = await refused(client.models.generate_videos(model=VEO, prompt="a fox"))

    assert isinstance(found, kind)
    assert found.code == status


# The Developer API as it was.


def call(parameters: object = None, **instance: object) -> dict[str, object]:
    return {"instances": [{"prompt": "a fox", **instance}], "parameters": parameters or {}}


async def test_the_developer_api_gives_a_file_that_wants_the_key(developer: httpx.AsyncClient):
    made = await developer.post(f"/models/{PREVIEW}:predictLongRunning", json=call({"seed": 7}))
    name = made.json()["name"]
    assert name.startswith(f"models/{PREVIEW}/operations/")
    response = (await developer.get(f"/{name}")).json()["response"]
    (sample,) = response["generateVideoResponse"]["generatedSamples"]
    assert response["@type"].endswith("v1beta.PredictLongRunningResponse")
    uri = sample["video"]["uri"]

    async with httpx.AsyncClient(follow_redirects=True) as anybody:
        assert (await anybody.get(uri)).status_code == 403
        file = await anybody.get(f"{uri}&key={TOKEN}")
    assert decoded(file.content) == (1280, 720, 8.0, 1)


@pytest.mark.parametrize(
    "name",
    ["generateAudio", "storageUri", "enhancePrompt", "compressionQuality", "pubsubTopic", "fps"],
)
async def test_the_developer_api_refuses_what_only_vertex_knows(developer: httpx.AsyncClient, name):
    values = {"generateAudio": True, "enhancePrompt": True, "fps": 24}
    body = call({name: values.get(name, "x")})
    answer = await developer.post(f"/models/{PREVIEW}:predictLongRunning", json=body)

    assert answer.status_code == 400
    assert f"`{name}` isn't supported by this model" in answer.json()["error"]["message"]


async def test_an_image_is_not_inline_data(developer: httpx.AsyncClient):
    body = call(image={"inlineData": {"mimeType": "image/png", "data": "eA=="}})
    answer = await developer.post(f"/models/{PREVIEW}:predictLongRunning", json=body)

    assert answer.status_code == 400


@pytest.mark.parametrize("model", ["veo-3.0-generate-001", PREVIEW])
async def test_a_retired_model_is_no_longer_available(
    simulator: Simulator, developer: httpx.AsyncClient, model
):
    if model == PREVIEW:
        await simulator.set_fault(NAME, Fault("status", status=404, code="RETIRED"))
    answer = await developer.post(f"/models/{model}:predictLongRunning", json=call())

    assert answer.status_code == 404
    assert "is no longer available" in answer.json()["error"]["message"]


async def test_faults_meet_the_operation_they_are_for(
    simulator: Simulator, developer: httpx.AsyncClient
):
    made = await developer.post(f"/models/{PREVIEW}:predictLongRunning", json=call())
    path = f"/{made.json()['name']}"
    await simulator.set_fault(NAME, Fault("status", status=503, on="poll", times=1))
    assert [(await developer.get(path)).status_code for _ in range(2)] == [503, 200]

    response = (await developer.get(path)).json()["response"]["generateVideoResponse"]
    uri = response["generatedSamples"][0]["video"]["uri"]
    await simulator.set_fault(NAME, Fault("status", status=500, on="file", times=1))
    assert [(await developer.get(uri)).status_code for _ in range(2)] == [500, 302]
