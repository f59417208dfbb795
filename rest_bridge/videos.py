"""`/videos` in OpenAI's words."""

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from reapi.v1 import generation_pb2, generation_service_pb2
from rest_bridge.credentials import Credentials
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.headers import NO_STORE, Header, headers_of_generation
from rest_bridge.job_answers import video_id, video_json, video_page
from rest_bridge.job_submission import submit
from rest_bridge.unary import ask
from rest_bridge.video_requests import read_video

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.generation_service_pb2_grpc import GenerationServiceAsyncStub

_DEFAULT_LIMIT: Final = 20
_MAXIMUM_LIMIT: Final = 100
_LONGEST_QUERY_FIELDS: Final = 100
_VARIANTS: Final = frozenset({"video", "thumbnail", "spritesheet"})

POLL_AFTER: Final[Header] = (b"openai-poll-after-ms", b"1000")
"""How long an SDK waits between two looks, in milliseconds; `int()` is applied to it.

The SDK takes it from its first answer and keeps to it, whatever the model, so it
cannot follow a job. One second: a video is noticed within a second of its end, and
providers are asked hardly more often than that, so that looking more often would
show nothing new. It is also what the SDKs do without the header.
"""


class Videos:
    """The video endpoints."""

    def __init__(self, stub: "GenerationServiceAsyncStub", credentials: Credentials) -> None:
        self._stub = stub
        self._credentials = credentials

    async def create(self, exchange: Exchange) -> None:
        """POST /videos: answered once accepted, never at the end."""
        await submit(self._stub, exchange, read_video, video_json, (POLL_AFTER,))

    async def retrieve(self, exchange: Exchange) -> None:
        """GET /videos/{id}."""
        generation = await self._find(exchange)
        headers = [POLL_AFTER, NO_STORE, *headers_of_generation(generation)]
        await exchange.json(video_json(generation), headers)

    async def list(self, exchange: Exchange) -> None:
        """GET /videos?after&limit&order: newest first, unless `order=asc`."""
        query = _query(exchange)
        limit = _limit(query.get("limit", ""))
        order = query.get("order", "") or "desc"
        if order not in {"asc", "desc"}:
            raise await self._refusal(exchange, "order", "Supported values are: 'asc' and 'desc'.")
        if limit is None:
            raise await self._refusal(exchange, "limit", f"Expected 0 to {_MAXIMUM_LIMIT}.")
        request = generation_service_pb2.ListGenerationsRequest(
            page_size=max(1, limit),
            # A page may begin after any generation: its id is a page token.
            page_token=query.get("after", ""),
            kinds=[generation_pb2.KIND_VIDEO],
            oldest_first=order == "asc",
        )
        try:
            page = await ask(self._stub.ListGenerations, request, exchange)
        except ApiError as error:
            if error.metadata.get("parameter") == "page_token":
                raise ApiError(
                    "INVALID_PARAMETER",
                    "Invalid value for 'after': expected the id of a video.",
                    parameter="after",
                ) from None
            raise
        # Who asks for none gets none, and is not sent on.
        found = page.generations[:limit]
        await exchange.json(
            video_page(found, more=bool(found and page.next_page_token)), (NO_STORE,)
        )

    async def delete(self, exchange: Exchange) -> None:
        """DELETE /videos/{id}: also one that is not finished."""
        generation = await self._find(exchange)
        request = generation_service_pb2.DeleteGenerationRequest(name=generation.name)
        await ask(self._stub.DeleteGeneration, request, exchange)
        id_ = video_id(generation).encode()
        await exchange.json(b'{"id":"%s","object":"video.deleted","deleted":true}' % id_)

    async def content(self, exchange: Exchange) -> None:
        """GET /videos/{id}/content: 302 to the link of the file.

        Not ready is 400: an SDK would retry a 409.
        """
        generation = await self._find(exchange)
        variant = _query(exchange).get("variant", "video")
        if variant != "video":
            known = "is not available" if variant in _VARIANTS else "is not known"
            raise ApiError(
                "INVALID_PARAMETER",
                f"This variant {known} here. Supported values are: 'video'.",
                parameter="variant",
            )
        state = generation_pb2.Generation.State
        if generation.state in {state.STATE_FAILED, state.STATE_CANCELLED}:
            raise ApiError(
                "INVALID_PARAMETER",
                "The video has failed: there is no content. Retrieve it to see why.",
                parameter="video_id",
            )
        if generation.state != state.STATE_SUCCEEDED:
            raise ApiError(
                "INVALID_PARAMETER",
                "The video is not ready yet. Retrieve it until its status is `completed`.",
                parameter="video_id",
            )
        for asset in generation.assets:
            if asset.media_type.startswith("video/"):
                location = (b"location", asset.uri.encode("ascii", "replace"))
                headers = [location, NO_STORE, *headers_of_generation(generation)]
                await exchange.answer(302, headers)
                return
        raise ApiError("ASSET_NOT_FOUND")

    async def remix(self, exchange: Exchange) -> None:
        """POST /videos/{id}/remix, /videos/edits, /videos/extensions: no model here can."""
        raise await self._unavailable(
            exchange,
            "No model here changes an existing video. Create a new one with POST /v1/videos; "
            "`input_reference` gives the frame that it starts with.",
        )

    async def characters(self, exchange: Exchange) -> None:
        """POST /videos/characters and GET /videos/characters/{id}: no model here has them."""
        raise await self._unavailable(
            exchange,
            "Characters are not available here. Show one in `reference_images` of "
            "POST /v1/videos instead.",
        )

    async def _find(self, exchange: Exchange) -> generation_pb2.Generation:
        """The video of the path; 404 for what is none."""
        name = f"generations/{exchange.arguments['id']}"
        request = generation_service_pb2.GetGenerationRequest(name=name)
        generation = (await ask(self._stub.GetGeneration, request, exchange)).generation
        if generation.kind != generation_pb2.KIND_VIDEO:
            raise ApiError("GENERATION_NOT_FOUND")
        return generation

    async def _refusal(self, exchange: Exchange, name: str, hint: str) -> ApiError:
        """The error for a query; a bad key comes before it."""
        await self._credentials.check(exchange)
        return ApiError("INVALID_PARAMETER", f"Invalid value for '{name}'. {hint}", parameter=name)

    async def _unavailable(self, exchange: Exchange, message: str) -> ApiError:
        await self._credentials.check(exchange)
        return ApiError("ENDPOINT_NOT_AVAILABLE", message, metadata={"endpoint": exchange.endpoint})


def _query(exchange: Exchange) -> dict[str, str]:
    """The query; the last of equal names counts. What is not known is ignored, as OpenAI does."""
    query: bytes = exchange.scope.get("query_string", b"")
    try:
        pairs = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, max_num_fields=_LONGEST_QUERY_FIELDS
        )
    except ValueError:
        pairs = None
    if pairs is None:
        raise ApiError("MALFORMED_REQUEST", "We could not parse the query of your request.")
    return dict(pairs)


def _limit(text: str) -> int | None:
    """The page size; None if it is out of range."""
    if not text:
        return _DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 5) or int(text) > _MAXIMUM_LIMIT:
        return None
    return int(text)
