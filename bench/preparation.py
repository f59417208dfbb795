"""What rows need before they are loaded, and after: something to watch, and jobs at an end."""

import asyncio

import orjson

from bench.canned import Shape, request
from bench.gateway import Gateway, GatewayError
from bench.http import Answer, Connection, NoAnswerError
from bench.load import PATH

DRAIN_SECONDS = 60.0
_LOOK_SECONDS = 0.25


async def watch_paths(gateway: Gateway) -> list[str]:
    """The watch of an image that has ended, one for each key."""
    async with Connection(gateway.rest_url) as connection:
        made = [
            await _ask(connection, "POST", PATH, key, request(Shape.SMALL)) for key in gateway.keys
        ]
    ids = [answer.headers["x-reapi-generation"] for answer in made]
    return [f"/api/v1/generations/{id_}:watch" for id_ in ids]


async def drained(gateway: Gateway) -> None:
    """Wait until every job has ended: they would cost CPU in the next turn, and memory for good."""
    async with asyncio.timeout(DRAIN_SECONDS), Connection(gateway.rest_url) as connection:
        for key in gateway.keys:
            while True:
                if not await _is_holding(connection, key):
                    break
                await asyncio.sleep(_LOOK_SECONDS)


async def _is_holding(connection: Connection, key: str) -> bool:
    answer = await _ask(connection, "GET", "/api/v1/balance", key)
    return str(orjson.loads(answer.body)["held"]) != "0"


async def _ask(
    connection: Connection, method: str, path: str, key: str, body: bytes = b""
) -> Answer:
    try:
        answer = await connection.request(method, path, {"authorization": f"Bearer {key}"}, body)
    except NoAnswerError as error:
        raise GatewayError(f"no answer to {path}") from error
    if not answer.is_good:
        raise GatewayError(f"{path} answered {answer.status}")
    return answer
