"""What the SDK never sends or hides: addresses, credentials, refusals, streams, faults, privacy."""

import asyncio
import base64
import io
import json
import uuid
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
from fix_simulator import until
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_simulator_privacy import holders

from simulator import Fault, Knobs, SimulatedChannel, Simulator
from simulator.gemini_errors import ApiError, Rejected
from simulator.gemini_fields import Message
from simulator.gemini_request import Address, address_of, read_request

KEY = "AIzaSimulatedKey"
NAME = "gemini-a"
MODEL = "gemini-2.5-flash-image"
DEVELOPER = f"/v1beta/models/{MODEL}"
EXPRESS = f"/v1/publishers/google/models/{MODEL}"
VERTEX = f"/v1/projects/p/locations/global/publishers/google/models/{MODEL}"
OWNER = "/v1/projects/{project}/locations/{location}"
WORDS = (
    *("parts", "text", "role", "inlineData", "mimeType", "data", "fileData", "fileUri", "seed"),
    *("imageConfig", "aspectRatio", "imageSize", "imageOutputOptions", "compressionQuality"),
    *("responseModalities", "candidateCount", "temperature", "thinkingConfig", "includeThoughts"),
)
HEADERS = {"x-goog-api-key": KEY}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel(NAME, KEY, "gemini")]) as opened:
        opened.configure(Knobs(image="tiny"))
        yield opened


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.base_url(NAME), timeout=20) as client:
        yield client


def request(*parts: object, **config: object) -> dict[str, object]:
    contents = [{"role": "user", "parts": [*parts] or [{"text": "a fox"}]}]
    return {"contents": contents, "generationConfig": {"responseModalities": ["IMAGE"], **config}}


def inline(data: str | None = None, kind: str = "image/png") -> dict[str, object]:
    if data is None:
        file = io.BytesIO()
        Image.new("RGB", (16, 16)).save(file, "PNG")
        data = base64.b64encode(file.getvalue()).decode()
    return {"inlineData": {"mimeType": kind, "data": data}}


def reason(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    details = error.get("details", [{}])
    return error["code"], error["status"], details[0].get("reason")


@pytest.mark.parametrize("path", [DEVELOPER, f"/v1/models/{MODEL}", EXPRESS])
async def test_a_key_comes_in_a_header_or_in_the_query(http: httpx.AsyncClient, path):
    url = f"{path}:generateContent"

    assert (await http.post(url, json=request(), headers=HEADERS)).status_code == 200
    assert (await http.post(f"{url}?key={KEY}", json=request())).status_code == 200
    assert reason(await http.post(f"{url}?key=wrong", json=request())) == (
        400,
        "INVALID_ARGUMENT",
        "API_KEY_INVALID",
    )
    assert reason(await http.post(url, json=request()))[:2] == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer {KEY}"}, 200),
        ({"authorization": "Bearer wrong"}, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ({"authorization": f"Basic {KEY}"}, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ({}, "CREDENTIALS_MISSING"),
        (HEADERS, "CREDENTIALS_MISSING"),
    ],
)
async def test_vertex_takes_tokens_only(http: httpx.AsyncClient, headers, expected):
    answer = await http.post(f"{VERTEX}:generateContent", json=request(), headers=headers)

    if expected == 200:
        assert answer.status_code == 200
    else:
        assert reason(answer) == (401, "UNAUTHENTICATED", expected)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{DEVELOPER}:generateContent"),
        ("POST", DEVELOPER),
        ("POST", f"{DEVELOPER}:countTokens"),
        ("POST", f"/v1beta1/models/{MODEL}:generateContent"),
        ("POST", f"/v1beta/publishers/google/models/{MODEL}:generateContent"),
        ("POST", f"/v2/models/{MODEL}:generateContent"),
        ("POST", f"/v1/projects/p/models/{MODEL}:generateContent"),
        ("POST", "/"),
    ],
)
async def test_elsewhere_there_is_only_googles_page(http: httpx.AsyncClient, method, path):
    answer = await http.request(method, path, headers=HEADERS, content=b"{}")

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (f"{DEVELOPER}:generateContent", f"{DEVELOPER}:generateContent"),
        ("/v1beta/models/secret:generateContent", "/v1beta/models/{model}:generateContent"),
        (
            f"{VERTEX}:streamGenerateContent",
            f"{OWNER}/publishers/google/models/{MODEL}:streamGenerateContent",
        ),
        ("/v1beta/models/secret:tell", None),
        ("/secret", None),
    ],
)
def test_a_recorded_path_has_no_word_of_the_callers(path, route):
    found = address_of(path)

    assert (found and found.route) == route


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Invalid JSON payload"),
        (b"{", "Invalid JSON payload"),
        (b"[]", "Root element must be a message"),
        ({}, "contents is not specified"),
        ({"contents": []}, "contents is not specified"),
        ({"contents": "x"}, "Invalid value at 'contents[0]'"),
        ({"contents": [{}]}, "contents[0].parts"),
        ({"contents": [{"parts": [{}]}]}, "required oneof field 'data'"),
        ({"contents": [{"role": "fox", "parts": [{"text": "x"}]}]}, "valid role"),
        ({"prompt": "x"}, 'Unknown name "prompt": Cannot find field.'),
        (request(foo=1), "Unknown name \"foo\" at 'generation_config'"),
        (request({"text": 7}), "'contents[0].parts[0].text' (TYPE_STRING), 7"),
        (request(seed="7"), "'generation_config.seed' (TYPE_INT32)"),
        (request(seed=1 << 31), "'generation_config.seed' (TYPE_INT32)"),
        (request(seed=True), "'generation_config.seed' (TYPE_INT32)"),
        (request(temperature="hot"), "'generation_config.temperature' (TYPE_FLOAT)"),
        (request(temperature=3), "temperature value of 3"),
        (request(candidateCount=2), "Multiple candidates"),
        (request(responseModalities=["SMELL"]), "response_modalities[0]"),
        (request(responseModalities=["AUDIO"]), "combination of response modalities (AUDIO)"),
        (request(imageConfig={"aspectRatio": "8:1"}), "aspect_ratio: '8:1'"),
        (request(imageConfig={"imageSize": "1k"}), "image_size: '1k'"),
        (request(imageConfig={"personGeneration": "ALLOW_ALL"}), 'Unknown name "personGeneration"'),
        (request(thinkingConfig={"includeThoughts": 1}), "(TYPE_BOOL)"),
        (request() | {"safetySettings": [{"category": "FOX"}]}, "HarmCategory"),
        (request(inline("!!!")), "Base64 decoding failed"),
        (request(inline("AAAA")), "Unable to process input image."),
        (request(inline(kind="image/gif")), "Unsupported MIME type: image/gif"),
        (request(*[inline()] * 4), "takes 3"),
        (request({"text": "x" * 140_000}), "exceeds the maximum number of tokens allowed (32768)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_wrong_is_an_invalid_argument(http: httpx.AsyncClient, body, words):
    content = body if isinstance(body, bytes) else json.dumps(body)
    answer = await http.post(f"{DEVELOPER}:generateContent", content=content, headers=HEADERS)

    assert reason(answer)[:2] == (400, "INVALID_ARGUMENT")
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"contents": {"parts": {"text": "a single message stands for a list"}}},
        {"contents": [{"parts": [{"text": "x"}]}], "generation_config": {"image_config": {}}},
        request({"inline_data": {"mime_type": "image/heic", "data": "AAAA"}}, {"text": "x"}),
        request({"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/x.png"}}),
        request({"text": "\ud800"}, {"fileData": {"fileUri": "\ud800"}}),
        request(inline(), seed=None, temperature=0.5, imageConfig={"imageSize": "4K"}),
        request()
        | {"tools": [{"google_search": {}}], "systemInstruction": {"parts": {"text": ""}}},
    ],
    ids=["single", "snake case", "HEIC", "file", "half a character", "null", "tools"],
)
async def test_whatever_protobuf_takes_as_json_is_taken(http: httpx.AsyncClient, body):
    content = json.dumps(body)
    answer = await http.post(f"{DEVELOPER}:generateContent", content=content, headers=HEADERS)

    assert answer.status_code == 200, answer.text
    assert answer.json()["candidates"][0]["finishReason"] == "STOP"


async def test_the_seed_chooses_another_image_and_the_same_one_again(http: httpx.AsyncClient):
    async def image(seed: int) -> str:
        answer = await http.post(
            f"{DEVELOPER}:generateContent", json=request(seed=seed), headers=HEADERS
        )
        return answer.json()["candidates"][0]["content"]["parts"][0]["inlineData"]["data"]

    images = [await image(seed) for seed in range(12)]

    assert len({*images}) > 2
    assert [await image(seed) for seed in range(12)] == images


async def test_vertex_knows_fields_of_its_own(http: httpx.AsyncClient):
    body = request(
        imageConfig={
            "personGeneration": "ALLOW_ADULT",
            "imageOutputOptions": {"mimeType": "image/jpeg"},
        }
    )
    headers = {"authorization": f"Bearer {KEY}"}
    answer = await http.post(
        f"{VERTEX}:generateContent", json=body | {"labels": {}}, headers=headers
    )

    part = answer.json()["candidates"][0]["content"]["parts"][0]
    assert part["inlineData"]["mimeType"] == "image/jpeg"
    assert answer.json()["usageMetadata"]["trafficType"] == "ON_DEMAND"
    assert answer.json()["createTime"].endswith("Z")


async def test_a_stream_without_alt_sse_is_a_list_and_so_are_its_errors(http: httpx.AsyncClient):
    url = f"{DEVELOPER}:streamGenerateContent"
    listed = await http.post(url, json=request(), headers=HEADERS)
    refused = await http.post(url, json={}, headers=HEADERS)
    events = await http.post(f"{url}?alt=sse", json={}, headers=HEADERS)

    assert [len(each["candidates"]) for each in listed.json()] == [1, 1]
    assert listed.json()[-1]["candidates"][0]["finishReason"] == "STOP"
    assert refused.json()[0]["error"]["code"] == refused.status_code == 400
    assert events.json()["error"]["code"] == events.status_code == 400


async def test_a_stream_can_break_between_its_events(simulator: Simulator, http: httpx.AsyncClient):
    url = f"{DEVELOPER}:streamGenerateContent?alt=sse"
    await simulator.set_fault(NAME, Fault("status", status=503, after=1, unit="events"))
    failed = await http.post(url, json=request(), headers=HEADERS)
    *_, last = failed.text.strip().split("\r\n\r\n")
    await simulator.set_fault(NAME, Fault("cut", after=1))

    assert json.loads(last.removeprefix("data: "))["error"]["status"] == "UNAVAILABLE"
    with pytest.raises(httpx.RemoteProtocolError):
        await http.post(url, json=request(), headers=HEADERS)


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent?alt=sse"])
@pytest.mark.parametrize("variant", ["no_data", "no_image", "null_image"])
async def test_an_empty_answer_succeeds_without_an_image(
    simulator: Simulator, http: httpx.AsyncClient, verb, variant
):
    await simulator.set_fault(NAME, Fault("empty", variant=variant))
    answer = await http.post(f"{DEVELOPER}:{verb}", json=request(), headers=HEADERS)

    assert answer.status_code == 200
    assert "iVBOR" not in answer.text
    assert ('"data": null' in answer.text) is (variant == "null_image")
    assert ("NO_IMAGE" in answer.text) is (variant == "no_image")
    assert simulator.calls.newest()[-1].made == 0


@pytest.mark.parametrize(
    ("fault", "status", "media_type"),
    [
        (Fault("status", status=502), 502, "text/html"),
        (Fault("status", status=200), 200, None),
        (Fault("status", status=418), 418, "application/json"),
        (Fault("garbage"), 200, "text/html"),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else None,
)
async def test_other_faults_look_as_they_would_at_google(
    simulator: Simulator, http: httpx.AsyncClient, fault, status, media_type
):
    await simulator.set_fault(NAME, fault)
    answer = await http.post(f"{DEVELOPER}:generateContent", json=request(), headers=HEADERS)

    assert answer.status_code == status
    assert media_type is None or answer.headers["content-type"].startswith(media_type)
    assert simulator.calls.newest()[-1].fault == fault.kind


@pytest.mark.parametrize("size", ["bytes:5000", "bytes:100000"])
async def test_an_image_can_be_of_any_length(simulator: Simulator, http: httpx.AsyncClient, size):
    simulator.turn_knobs(NAME, Knobs(image=size))
    answer = await http.post(f"{DEVELOPER}:generateContent", json=request(), headers=HEADERS)
    part = answer.json()["candidates"][0]["content"]["parts"][0]

    assert len(base64.b64decode(part["inlineData"]["data"])) == int(size.partition(":")[2])


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(body=JSON, path=st.sampled_from([DEVELOPER, VERTEX]))
def test_whatever_is_sent_is_taken_or_refused(body, path):
    address = address_of(f"{path}:generateContent")
    wrapped = {"contents": [{"parts": [{"text": "x"}]}], "generationConfig": body}
    for each in (body, {"contents": body}, wrapped):
        try:
            read_request(address, json.dumps(each).encode())
        except Rejected as rejected:
            assert rejected.error.http in {400, 404}


def test_nothing_shows_its_words():
    secret = "canary-in-a-repr"
    error = ApiError(400, "INVALID_ARGUMENT", secret, ({"x": secret},))
    address = address_of(f"/v1beta/models/{secret}:generateContent")
    shown = [error, Rejected(error), Message({"text": secret}, frozenset({"text"})), address]

    assert isinstance(address, Address)
    assert secret not in " ".join([*map(repr, shown), *map(str, shown)])


class Line:
    """Calls by hand on new connections, and leaves those open and idle."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.writers: list[asyncio.StreamWriter] = []

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        port = int(self.simulator.base_url(NAME).rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.writers.append(writer)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{lines}content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await reader.read(1)
        calls = self.simulator.calls
        await until(lambda: all(call.outcome != "running" for call in calls.newest()))
        # The reader of this side holds the answer, echoes and all; it goes with this frame.
        writer.transport.pause_reading()
        reader._buffer.clear()


@pytest.mark.prove
async def test_no_object_holds_a_word_of_a_call_while_its_connection_idles(simulator: Simulator):
    canary = f"canary{uuid.uuid4().hex}"
    line = Line(simulator)
    words = {"text": canary}
    for body in (
        request(words),
        request(words, inline()),
        request(words, inline(canary)),
        request({"text": f"moderation_blocked {canary}"}),
        request({"text": f"moderation_blocked_output {canary}"}),
        request(words, {canary: 1}),
        request(words, seed=canary),
        request(words, imageConfig={"aspectRatio": canary}),
        request({"fileData": {"fileUri": canary}}),
        request() | {"contents": [{"role": canary}]},
    ):
        data = json.dumps(body).encode()
        for verb in ("generateContent", "streamGenerateContent", "streamGenerateContent?alt=sse"):
            await line.post(f"{DEVELOPER}:{verb}", data, HEADERS)
    await line.post(f"{DEVELOPER}:generateContent", b'{"x": "' + canary.encode(), HEADERS)
    for kind in ("status", "cut", "garbage", "empty", "lost", "slow"):
        await simulator.set_fault(NAME, Fault(kind, delay_ms=1))
        await line.post(f"{DEVELOPER}:generateContent", data + canary.encode(), HEADERS)
    del body, data, words

    calls = simulator.calls.newest()
    assert {call.outcome for call in calls} == {"ok", "error", "moderated", "faulted"}
    assert holders(canary) == []
    assert canary not in json.dumps([call.as_json() for call in calls])
    for writer in line.writers:
        writer.close()
