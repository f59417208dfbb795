"""Simulated Recraft, through OpenAI's SDK, which Recraft's documentation tells to use."""

import base64
import io
from collections.abc import AsyncIterator

import httpx
import openai
import pytest
from PIL import Image

from simulator import SimulatedChannel, Simulator

TOKEN = "recraft-simulated-token"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator([SimulatedChannel("recraft-a", TOKEN, "recraft")]) as opened:
        yield opened


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    url = f"{simulator.base_url('recraft-a')}/v1"
    async with openai.AsyncOpenAI(api_key=TOKEN, base_url=url, max_retries=0) as opened:
        yield opened


async def test_images_are_behind_links_that_need_no_token(client: openai.AsyncOpenAI) -> None:
    made = await client.images.generate(
        model="recraftv3",
        prompt="a red fox",
        n=2,
        extra_body={"size": "1707x1024", "style": "digital_illustration"},
    )

    urls = [image.url for image in made.data or []]
    assert len(set(urls)) == 2
    async with httpx.AsyncClient(trust_env=False) as http:
        picture = (await http.get(urls[0] or "")).content
    assert Image.open(io.BytesIO(picture)).size == (1707, 1024)


async def test_images_are_in_the_answer_where_that_is_asked_for(client: openai.AsyncOpenAI) -> None:
    made = await client.images.generate(
        model="recraftv3", prompt="a red fox", response_format="b64_json"
    )

    (image,) = made.data or []
    assert image.url is None
    picture = base64.b64decode(image.b64_json or "")
    assert Image.open(io.BytesIO(picture)).size == (1024, 1024)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"n": 7}, "n: less than equal"),
        ({"prompt": ""}, "prompt: missing"),
        ({"prompt": "x" * 1_001}, "prompt: too long"),
        ({"size": "1x1"}, "size: one of"),
        ({"style": "vector_illustration"}, "style: one of"),
        ({"model": "recraftv99"}, "unknown model"),
        ({"prompt": "moderation_blocked"}, "the prompt does not pass moderation"),
    ],
)
async def test_a_wrong_request_is_refused_with_code_and_message(
    client: openai.AsyncOpenAI, fields: dict[str, object], said: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(model="recraftv3", prompt="a fox", extra_body=fields)

    body = caught.value.response.json()
    assert body.keys() == {"code", "message"}
    assert body["message"] == said


async def test_a_wrong_token_and_a_wrong_path_are_answered_in_plain_text(
    simulator: Simulator, client: openai.AsyncOpenAI
) -> None:
    url = simulator.base_url("recraft-a")
    async with httpx.AsyncClient(trust_env=False, base_url=url) as http:
        refused = await http.post("/v1/images/generations", json={"prompt": "a fox"})
        absent = await http.get("/v1/styles", headers=client.auth_headers)

    assert (refused.status_code, refused.text) == (401, "request unauthorized")
    assert (absent.status_code, absent.text) == (404, "404 page not found")


async def test_nothing_is_a_job_here(simulator: Simulator, client: openai.AsyncOpenAI) -> None:
    await client.images.generate(model="recraftv3", prompt="a red fox")

    assert simulator.books()["recraft-a"].made == 0
    assert [call.made for call in simulator.calls.newest()] == [1]
