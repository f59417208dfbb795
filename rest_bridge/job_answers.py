"""A generation as a job: OpenAI's Video object, and reAPI's task."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from reapi.v1 import generation_pb2
from rest_bridge.rpc_errors import from_status

Generation = generation_pb2.Generation
JsonMap = dict[str, object]

_VIDEO_STATUS: Mapping[int, str] = {
    Generation.STATE_ACCEPTED: "queued",
    Generation.STATE_RUNNING: "in_progress",
    Generation.STATE_SUCCEEDED: "completed",
    Generation.STATE_FAILED: "failed",
    Generation.STATE_CANCELLED: "failed",
}
"""OpenAI knows these four only: an SDK takes any other for the end of the job."""
_TASK_STATUS: Mapping[int, str] = {
    Generation.STATE_ACCEPTED: "processing",
    Generation.STATE_RUNNING: "processing",
    Generation.STATE_SUCCEEDED: "completed",
    Generation.STATE_FAILED: "failed",
    Generation.STATE_CANCELLED: "failed",
}
_MAIN_TYPES: Mapping[int, str] = {
    generation_pb2.KIND_IMAGE: "image",
    generation_pb2.KIND_VIDEO: "video",
    generation_pb2.KIND_AUDIO: "audio",
}
"""The main type of what a kind of model makes; a tool makes what it makes."""
_MILLISECOND_NANOS: Final = 1_000_000


def video_id(generation: Generation) -> str:
    """The id in /v1."""
    return "video_" + generation.name.removeprefix("generations/")


def video(generation: Generation) -> JsonMap:
    """OpenAI's Video: every key, null where nobody knows.

    `prompt` is always null: requests are never kept. `completed_at` is set once the
    job has ended, however it did.
    """
    expires = [a.expire_time.seconds for a in generation.assets if a.HasField("expire_time")]
    return {
        "id": video_id(generation),
        "object": "video",
        "model": generation.model,
        "status": _VIDEO_STATUS.get(generation.state, "in_progress"),
        "progress": _progress(generation),
        "created_at": generation.create_time.seconds,
        "completed_at": (generation.end_time.seconds if generation.HasField("end_time") else None),
        "expires_at": min(expires, default=None),
        "prompt": None,
        "size": generation.size or None,
        "seconds": _seconds(generation),
        "remixed_from_video_id": None,
        "error": failure(generation),
    }


def video_json(generation: Generation) -> bytes:
    """The JSON of a Video."""
    return orjson.dumps(video(generation))


def video_page(generations: Sequence[Generation], *, more: bool) -> bytes:
    """The JSON of a page. SDKs ask for the next one after `last_id`."""
    data = [video(generation) for generation in generations]
    return orjson.dumps(
        {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": more,
        }
    )


def submitted_task(generation: Generation) -> bytes:
    """The JSON that answers a submission (reapi.md 2.3): `id`, and `data` for older samples."""
    id_, status = task_id(generation), task_status(generation)
    return orjson.dumps(
        {
            "id": id_,
            "model": generation.model,
            "status": status,
            "created_at": generation.create_time.seconds,
            "data": [{"task_id": id_, "status": status}],
        }
    )


def task(generation: Generation) -> bytes:
    """The JSON of a task (reapi.md 2.4); `output` is null until it is completed."""
    status = task_status(generation)
    return orjson.dumps(
        {
            "id": task_id(generation),
            "model": generation.model,
            "status": status,
            "created_at": generation.create_time.seconds,
            "output": _outputs(generation) if status == "completed" else None,
            "error": failure(generation),
        }
    )


def failure(generation: Generation) -> JsonMap | None:
    """Why a generation failed, as `{code, message}`; a cancelled one has code `cancelled`."""
    if generation.state == Generation.STATE_CANCELLED:
        return {"code": "cancelled", "message": "The generation was cancelled."}
    if generation.state != Generation.STATE_FAILED:
        return None
    error = from_status(generation.error)
    return {"code": error.rendering.code, "message": error.message}


def _progress(generation: Generation) -> int:
    if generation.state == Generation.STATE_SUCCEEDED:
        return 100
    if generation.state == Generation.STATE_ACCEPTED:
        return 0
    return max(0, min(generation.progress_percent, 99))


def _seconds(generation: Generation) -> str | None:
    """The duration as a decimal text: `5`, `5.042`; None where the model picks it."""
    length = generation.duration
    milliseconds = length.seconds * 1_000 + round(length.nanos / _MILLISECOND_NANOS)
    if milliseconds <= 0:
        return None
    whole, rest = divmod(milliseconds, 1_000)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def task_id(generation: Generation) -> str:
    """The id in /api/v1."""
    return "task_" + generation.name.removeprefix("generations/")


def task_status(generation: Generation) -> str:
    """Where it stands, in reAPI's three words."""
    return _TASK_STATUS.get(generation.state, "processing")


def _outputs(generation: Generation) -> JsonMap:
    """The links by media type. A picture beside a video is its last frame."""
    kind = _MAIN_TYPES.get(generation.kind)
    links: dict[str, list[str]] = {} if kind is None else {kind: []}
    for asset in generation.assets:
        links.setdefault(asset.media_type.partition("/")[0], []).append(asset.uri)
    frames = links.pop("image", []) if kind == "video" else []
    found: JsonMap = {f"{main}_urls": uris for main, uris in links.items()}
    if frames:
        found["last_frame_url"] = frames[0]
    return found
