"""xAI's gRPC services in front of an xAI REST API: what xAI's own SDK for Python speaks.

Serves the service definitions that ship inside `xai_sdk`. Every call becomes one REST call with the
caller's authorization; nothing is kept between calls. Neither mapping is documented by xAI: which
field is which follows their names, an error's gRPC status follows its HTTP status, and its details
are the words of the REST error.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import httpx
from google.protobuf.message import Message
from xai_sdk.proto import deferred_pb2, image_pb2, image_pb2_grpc, video_pb2, video_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
Json = dict[str, Any]

STATUSES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    502: grpc.StatusCode.UNAVAILABLE,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.UNAVAILABLE,
}
_DEFERRED: Final = {
    "pending": deferred_pb2.DeferredStatus.PENDING,
    "done": deferred_pb2.DeferredStatus.DONE,
    "failed": deferred_pb2.DeferredStatus.FAILED,
    "expired": deferred_pb2.DeferredStatus.EXPIRED,
}
_QUALITIES: Final = {
    image_pb2.ImageQuality.IMG_QUALITY_LOW: "low",
    image_pb2.ImageQuality.IMG_QUALITY_MEDIUM: "medium",
    image_pb2.ImageQuality.IMG_QUALITY_HIGH: "high",
}
# What the SDK's channel takes and sends at most.
_MESSAGE_BYTES: Final = 20 << 20


@asynccontextmanager
async def xai_grpc_face(base_url: str) -> AsyncIterator[str]:
    """Serve on a free port of loopback, without TLS, in front of *base_url*; give `host:port`."""
    server = grpc.aio.server(
        options=(
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        )
    )
    async with httpx.AsyncClient(base_url=f"{base_url}/v1", timeout=20, trust_env=False) as client:
        rest = Rest(client)
        image_pb2_grpc.add_ImageServicer_to_server(Images(rest), server)
        video_pb2_grpc.add_VideoServicer_to_server(Videos(rest), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)


class Rest:
    """The REST API, its errors told as gRPC statuses."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(
        self, context: Context, method: str, path: str, body: Json | None = None
    ) -> tuple[int, Json]:
        """Give status and document (empty without a body); ends the gRPC call with any error."""
        given = dict(context.invocation_metadata() or ())
        headers = {"authorization": str(given.get("authorization", ""))}
        try:
            answer = await self._client.request(method, path, json=body, headers=headers)
        except httpx.TransportError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The connection was lost.")
        if not answer.is_success:
            usual = grpc.StatusCode.INTERNAL if answer.is_server_error else grpc.StatusCode.UNKNOWN
            await context.abort(STATUSES.get(answer.status_code, usual), words(answer))
        return answer.status_code, answer.json() if answer.content else {}


class Images(image_pb2_grpc.ImageServicer):
    """`xai_api.Image`."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def GenerateImage(
        self, request: image_pb2.GenerateImageRequest, context: Context
    ) -> image_pb2.ImageResponse:
        """Draw at once, or edit where there is an image."""
        await refuse_storage(request, context)
        inline = request.format == image_pb2.ImageFormat.IMG_FORMAT_BASE64
        body: Json = {
            "model": request.model,
            "prompt": request.prompt,
            "response_format": "b64_json" if inline else "url",
            **scalars(request, "n"),
            **shape(request, image_pb2.ImageAspectRatio, image_pb2.ImageResolution),
        }
        if request.user:
            body["user"] = request.user
        if request.HasField("quality"):
            body["quality"] = _QUALITIES[request.quality]
        if request.HasField("image"):
            body["image"] = {"type": "image_url", **source(request.image)}
        if request.images:
            body["images"] = [{"type": "image_url", **source(item)} for item in request.images]
        kind = "edits" if "image" in body or "images" in body else "generations"
        _, document = await self._rest.send(context, "POST", f"/images/{kind}", body)
        images = [generated(item) for item in document["data"]]
        return image_pb2.ImageResponse(images=images, model=request.model, usage=document["usage"])


class Videos(video_pb2_grpc.VideoServicer):
    """`xai_api.Video`."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def GenerateVideo(
        self, request: video_pb2.GenerateVideoRequest, context: Context
    ) -> deferred_pb2.StartDeferredResponse:
        """Take a request for a video, or for an edit where there is one."""
        await refuse_storage(request, context)
        body: Json = {
            "model": request.model,
            "prompt": request.prompt,
            **scalars(request, "duration", "generate_audio"),
            **shape(request, video_pb2.VideoAspectRatio, video_pb2.VideoResolution),
            **{
                name: source(getattr(request, name))
                for name in ("image", "last_frame", "video")
                if request.HasField(name)
            },
        }
        lists = {
            "reference_images": [source(item) for item in request.reference_images],
            "reference_audios": [{"voice_id": item.voice_id} for item in request.reference_audios],
            "keyframes": [
                {"image": source(item.image), "timestamp_s": item.timestamp_s}
                for item in request.keyframes
            ],
        }
        body |= {name: items for name, items in lists.items() if items}
        return await self._submit(context, "edits" if "video" in body else "generations", body)

    async def ExtendVideo(
        self, request: video_pb2.ExtendVideoRequest, context: Context
    ) -> deferred_pb2.StartDeferredResponse:
        """Take a request for more of a video."""
        await refuse_storage(request, context)
        body = {
            "model": request.model,
            "prompt": request.prompt,
            "video": source(request.video),
            **scalars(request, "duration"),
        }
        return await self._submit(context, "extensions", body)

    async def GetDeferredVideo(
        self, request: video_pb2.GetDeferredVideoRequest, context: Context
    ) -> video_pb2.GetDeferredVideoResponse:
        """Say how a request stands, and give its video once it is done."""
        path = f"/videos/{request.request_id}"
        status, document = await self._rest.send(context, "GET", path)
        # Neither the empty body of a 202 nor every video that is done tells its status.
        standing = document.pop("status", "pending" if status == 202 else "done")
        return video_pb2.GetDeferredVideoResponse(
            status=_DEFERRED[standing], response=document or None
        )

    async def _submit(
        self, context: Context, kind: str, body: Json
    ) -> deferred_pb2.StartDeferredResponse:
        _, document = await self._rest.send(context, "POST", f"/videos/{kind}", body)
        return deferred_pb2.StartDeferredResponse(request_id=document["request_id"])


async def refuse_storage(request: Message, context: Context) -> None:
    """End a call that wants its result kept: the simulator has no Files API."""
    if request.HasField("storage_options"):
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Results are not stored here.")


def words(answer: httpx.Response) -> str:
    """Give what an error says, in any of xAI's three shapes; nothing if it is not JSON."""
    if answer.headers.get("content-type") != "application/json":
        return ""
    error = answer.json()["error"]
    return str(error["message"] if isinstance(error, dict) else error)


def scalars(request: Message, *names: str) -> Json:
    """Give those of *names* that were set, even to zero or false, as they are."""
    return {name: getattr(request, name) for name in names if request.HasField(name)}


def shape(request: Any, ratios: Any, resolutions: Any) -> Json:
    """Give ratio and resolution, where set, as REST writes them: `9:19.5`, `2k`, `720p`."""
    asked: Json = {}
    if request.HasField("aspect_ratio"):
        name = ratios.Name(request.aspect_ratio).partition("_RATIO_")[2].lower()
        asked["aspect_ratio"] = name.replace("19_5", "19.5").replace("_", ":")
    if request.HasField("resolution"):
        name = resolutions.Name(request.resolution)
        asked["resolution"] = name.partition("_RESOLUTION_")[2].lower()
    return asked


def source(content: Any) -> Json:
    """Give an input's file or address; an image calls its address `image_url`, a video `url`."""
    if content.file_id:
        return {"file_id": content.file_id}
    return {"url": content.image_url if hasattr(content, "image_url") else content.url}


def generated(item: Json) -> image_pb2.GeneratedImage:
    """Give an image of an answer: base64 comes as a data URI, the only form that the SDK decodes."""
    inline = item["b64_json"]
    return image_pb2.GeneratedImage(
        url=item["url"],
        base64=f"data:{item['mime_type']};base64,{inline}" if inline else None,
        respect_moderation=item["respect_moderation"],
    )
