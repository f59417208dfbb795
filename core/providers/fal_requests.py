"""fal's requests as it tells of them: their status and their outcome. Pure.

Source: fal's reference of the queue (providers.md 8.1).
"""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from core.errors import Fault
from core.model import Channel, Hosted, Report
from core.providers.fal_errors import ended, refusal
from core.providers.files import link
from core.providers.jobs import Broken, JobState, Made, Stopped, Working
from core.providers.reading import count, identifier, word
from core.providers.refusals import refused
from core.providers.wire import Reply, invalid

_NAMESPACES = frozenset({"workflows", "comfy"})
_STILL_RUNNING = "in progress"
_DAY = 86_400
_FILES = ("images", "image", "video")
"""Where an output has its files, or its file."""
_OF_THE_CALL = frozenset({401, 403, 404, 408, 429})
"""Statuses that say nothing of the request that is asked about."""


def path_of(job_id: str, channel: Channel) -> str:
    """The path of a request: below owner and app, whatever its endpoint."""
    parts = channel.upstream_model.split("/")
    app = "/".join(parts[: 3 if parts[0] in _NAMESPACES else 2])
    return f"/{quote(app, safe='/')}/requests/{quote(job_id, safe='')}"


def answer(reply: Reply) -> dict[str, object]:
    """The document of a call that went well; raises UpstreamError for any other."""
    document = reply.document()
    if not 200 <= reply.status < 300:
        raise refusal(reply, document or {})
    if document is None:
        raise invalid()
    return document


def standing(document: Mapping[str, object]) -> Working | Broken | Stopped | None:
    """Where a request stands; None if it has ended, and only its outcome tells how."""
    match word(document, "status"):
        case "IN_QUEUE" | "IN_PROGRESS" as status:
            return Working(is_queued=status == "IN_QUEUE")
        case "COMPLETED" if word(document, "error_type") == "client_cancelled":
            return Stopped()
        case "COMPLETED":
            failure = ended(document)
            return None if failure is None else Broken(failure)
    raise invalid()


def request_id(document: Mapping[str, object]) -> str:
    """The id of the request that a status is of: it has it, or its `response_url` ends with it."""
    if "request_id" in document:
        return identifier(document, "request_id")
    url = document.get("response_url")
    return identifier({"id": url.rpartition("/")[2] if isinstance(url, str) else ""}, "id")


def outcome_of(reply: Reply) -> JobState:
    """How a request ended: its output, or an error with that error's own status.

    Raises UpstreamError where the answer is not about the request.
    """
    document = reply.document()
    if 200 <= reply.status < 300:
        if document is None:
            raise invalid()
        return _made(document)
    told = document or {}
    if reply.status == 400 and _STILL_RUNNING in str(told.get("detail")):
        return Working()
    failure = refusal(reply, told)
    if word(told, "error_type") == "client_cancelled":
        return Stopped()
    if reply.status < 400 or reply.status in _OF_THE_CALL or not told.get("detail"):
        # The account's, the gateway's, or of something in between: the outcome is still there.
        raise failure
    return Broken(failure)


def _made(document: Mapping[str, object]) -> JobState:
    name = next((name for name in _FILES if name in document), None)
    if name is None:
        raise invalid()
    given = document[name]
    files = given if isinstance(given, list) else [given]
    known = [file for file in files if isinstance(file, dict)]
    outputs = list(_hosted(known))
    if not outputs:
        return Broken(refused(Fault.INVALID_RESPONSE, None))
    first = known[0]
    width, height = count(first, "width"), count(first, "height")
    size = f"{width}x{height}" if width and height else ""
    seconds = _seconds(first.get("duration")) if name == "video" else 0.0
    return Made(outputs, Report(size=size, seconds=seconds))


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 < value < _DAY else 0.0


def _hosted(files: Iterable[Mapping[str, object]]) -> Iterable[Hosted]:
    urls = [url for file in files if (url := link(file, "url")) is not None]
    return (Hosted(index, url) for index, url in enumerate(urls))
