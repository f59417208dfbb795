import asyncio
import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from PIL import Image

from bench.canned import LARGE_BYTES, SMALL_BYTES, Shape, answers, png, request, shape_of
from bench.http import Answer, Connection, NoAnswerError
from bench.load import PATH, Load, by_python
from bench.upstream import HOST, Fault, Upstream

CANNED = answers()


@asynccontextmanager
async def upstream() -> AsyncIterator[tuple[Upstream, Connection]]:
    async with (
        asyncio.timeout(10),
        Upstream(CANNED) as found,
        Connection(f"http://{HOST}:{found.port}") as connection,
    ):
        yield found, connection


async def ask(connection: Connection, shape: Shape = Shape.SMALL) -> Answer:
    return await connection.request("POST", PATH, {}, request(shape))


@pytest.mark.parametrize("size", [SMALL_BYTES, LARGE_BYTES])
def test_the_pictures_have_the_promised_size_and_can_be_viewed(size: int) -> None:
    data = png(size)

    assert len(data) == size
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.size == (1024, 1024)


def test_a_picture_too_small_to_be_one_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        png(100)


@pytest.mark.parametrize("shape", Shape)
def test_a_request_tells_which_answer_it_wants_also_with_its_members_in_another_order(
    shape: Shape,
) -> None:
    body = request(shape)

    assert shape_of(body) is shape
    assert shape_of(orjson.dumps(dict(reversed(orjson.loads(body).items())))) is shape


@pytest.mark.parametrize(
    ("shape", "image", "size"),
    [(Shape.SMALL, SMALL_BYTES, 1_000), (Shape.LARGE, LARGE_BYTES, 1_500_000)],
)
async def test_a_plain_answer_is_openais_and_about_as_large_as_promised(
    shape: Shape, image: int, size: int
) -> None:
    async with upstream() as (_, connection):
        answer = await ask(connection, shape)

    document = orjson.loads(answer.body)
    assert answer.status == 200
    assert base64.b64decode(document["data"][0]["b64_json"]) == png(image)
    assert document["usage"]["total_tokens"] == 210
    assert answer.size == len(answer.body) == pytest.approx(size, rel=0.1)
    assert 0 < answer.first <= answer.seconds


async def test_a_stream_has_two_previews_and_a_final_image_with_pauses_between() -> None:
    async with upstream() as (_, connection):
        answer = await ask(connection, Shape.STREAM)

    events = [part.split("\n") for part in answer.body.decode().strip().split("\n\n")]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [name for name, _ in events] == [
        "event: image_generation.partial_image",
        "event: image_generation.partial_image",
        "event: image_generation.completed",
    ]
    documents = [orjson.loads(data.removeprefix("data: ")) for _, data in events]
    assert [found.get("partial_image_index") for found in documents] == [0, 1, None]
    assert base64.b64decode(documents[2]["b64_json"]) == png(SMALL_BYTES)
    assert answer.seconds - answer.first >= 0.015


@pytest.mark.parametrize(
    ("fault", "status", "content"),
    [
        (Fault.ERROR, 500, b"server_error"),
        (Fault.RATE_LIMITED, 429, b"rate_limit_exceeded"),
        (Fault.UNAUTHORIZED, 401, b"invalid_api_key"),
        (Fault.HTML, 200, b"<!doctype html>"),
        (Fault.EMPTY, 200, b'"data":[]'),
    ],
)
async def test_a_fault_that_answers_does_so_until_it_is_healed(
    fault: Fault, status: int, content: bytes
) -> None:
    async with upstream() as (found, connection):
        await found.break_with(fault)
        broken = await ask(connection)
        await found.break_with(None)
        healed = await ask(connection)

    assert (broken.status, healed.status) == (status, 200)
    assert content in broken.body


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [(Fault.REFUSE, "cannot connect"), (Fault.RESET, "broke off")],
)
async def test_a_fault_of_the_connection_is_none_of_the_next_one(
    fault: Fault, complaint: str
) -> None:
    async with upstream() as (found, connection):
        assert (await ask(connection)).is_good
        connection.close()
        await found.break_with(fault)
        with pytest.raises(NoAnswerError, match=complaint):
            await ask(connection)
        await found.break_with(None)
        assert (await ask(connection)).is_good


async def test_a_hanging_upstream_says_nothing() -> None:
    async with upstream() as (found, connection):
        await found.break_with(Fault.HANG)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await ask(connection)


async def test_the_load_counts_good_answers_and_errors_apart() -> None:
    async with upstream() as (found, _):
        load = Load(f"http://{HOST}:{found.port}", request(Shape.SMALL), ["k"], 4, 0.2)
        good = await by_python(load)
        await found.break_with(Fault.ERROR)
        bad = await by_python(load)

    assert good.requests > 0
    assert good.errors == 0
    assert 0 < good.p50 <= good.p99 < 0.2
    assert bad.requests == 0
    assert bad.errors > 0
