"""What is said to Topaz about a video, and what it says of a job. Pure.

Source: Topaz' OpenAPI file, Video API 1.0.0 (providers.md 7.1).
"""

from collections.abc import Mapping
from fractions import Fraction

from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Hosted, Input, Report
from core.providers.faults import fault_of
from core.providers.files import link
from core.providers.jobs import Broken, JobState, Made, Stopped, Working
from core.providers.reading import count, message, section, word
from core.providers.refusals import refused
from core.providers.wire import Reply, invalid

FACTOR = "upscale_factor"
USUAL_RATE = 30
"""Frames a second of a video that does not tell; Topaz looks for itself before it starts."""
WIDEST_H264, WIDEST = 4096, 8192
"""Pixels across that H.264, and any of the codecs that players know, can hold."""

_QUEUED = frozenset({"requested", "accepted", "initializing"})
_RUNNING = frozenset({"preprocessing", "processing", "postprocessing", "canceling"})
_CALLERS = frozenset({"INVALID_INPUT"})
"""An `errorCode` that blames the file."""


def order(item: Input, ask: Ask, channel: Channel) -> dict[str, object]:
    """The body that asks for *item* enlarged; raises UpstreamError BAD_REQUEST."""
    if item.media_type != "video/mp4" or item.seconds <= 0:
        raise UpstreamError(Fault.BAD_REQUEST, parameter=item.parameter)
    factor = Fraction(str(ask.parameters.get(FACTOR, 2)))
    width, height = int(item.width * factor), int(item.height * factor)
    if max(width, height) > WIDEST:
        raise UpstreamError(Fault.BAD_REQUEST, parameter=FACTOR)
    frames = item.frames or max(1, round(item.seconds * USUAL_RATE))
    rate = round(frames / item.seconds, 3)
    return {
        "source": {
            "container": "mp4",
            "size": len(item.data),
            "duration": round(item.seconds, 3),
            "frameCount": frames,
            "frameRate": rate,
            "resolution": {"width": item.width, "height": item.height},
        },
        "filters": [{"model": channel.upstream_model, "videoType": "Progressive", "auto": "Auto"}],
        "output": {
            "resolution": {"width": width, "height": height},
            "frameRate": rate,
            "audioTransfer": "Copy",
            "audioCodec": "AAC",
            "videoEncoder": "H264" if max(width, height) <= WIDEST_H264 else "H265",
            "dynamicCompressionLevel": "High",
            "container": "mp4",
        },
    }


def answer(reply: Reply, ask: Ask | None = None) -> dict[str, object]:
    """The document of a call that went well; raises UpstreamError for any other."""
    document = reply.document()
    if 200 <= reply.status < 300:
        if document is None:
            raise invalid()
        return document
    said = message(document or {}, "message")
    blamed = next((item.parameter for item in ask.inputs), "") if ask is not None else ""
    raise refused(None, reply, said, parameter=blamed)


def state_of(document: Mapping[str, object]) -> JobState:
    """Where a job stands; raises UpstreamError if it does not say."""
    status = word(document, "status")
    if status in _QUEUED or status in _RUNNING:
        # A part of one, done; it is told from the start.
        percent = min(count(document, "progress"), 100) if "progress" in document else None
        return Working(is_queued=status in _QUEUED, percent=percent)
    match status:
        case "complete":
            url = link(section(document, "download"), "url")
            return Made([Hosted(0, url)], Report()) if url else Broken(invalid())
        case "failed":
            is_callers = word(document, "errorCode") in _CALLERS
            fault = Fault.BAD_REQUEST if is_callers else Fault.SERVER_ERROR
            return Broken(refused(fault, None, message(document, "message")))
        case "canceled":
            return Stopped()
    raise invalid()


def is_stopping(document: Mapping[str, object]) -> bool:
    """Whether the answer to a cancellation says that it is one; raises UpstreamError if not."""
    said = message(document, "message")
    if said is None or "cancel" not in said.reveal().lower():
        raise invalid()
    return True


def upload_refused(reply: Reply) -> None:
    """Raise UpstreamError unless the object store took the file and told its ETag."""
    if reply.status == 200 and reply.headers.get("etag"):
        return
    # A refusal of the store is about its link, not about our key or the caller's file.
    fault = fault_of(reply.status) if reply.status >= 500 else Fault.INVALID_RESPONSE
    raise UpstreamError(fault, http_status=reply.status)
