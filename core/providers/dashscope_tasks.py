"""DashScope's tasks as it tells of them. Pure.

Source: Model Studio's reference of asynchronous tasks (providers.md 4.3). A failed task, and one
that is not known, come with the status 200.
"""

from core.errors import Fault, UpstreamError
from core.model import Hosted, Report
from core.providers.dashscope_errors import refusal
from core.providers.files import link
from core.providers.jobs import Broken, JobState, Made, Stopped, Working
from core.providers.reading import count, identifier, section, word
from core.providers.wire import Reply, invalid

_NOT_CANCELLED = "UnsupportedOperation"
"""What a task that runs or has ended answers."""


def answer(reply: Reply) -> dict[str, object]:
    """The document of a call that went well; raises UpstreamError for any other."""
    return _checked(reply, reply.document())


def is_cancelled(reply: Reply) -> bool:
    """Whether the task was stopped; raises UpstreamError if the answer does not say."""
    document = reply.document()
    if reply.status == 400 and document and word(document, "code") == _NOT_CANCELLED:
        return False
    # All that a success has: something in between would not know of it.
    identifier(_checked(reply, document), "request_id")
    return True


def state_of(reply: Reply) -> JobState:
    """Where a task stands; raises UpstreamError if the answer does not say, or knows no task."""
    document = answer(reply)
    output = section(document, "output")
    match word(output, "task_status"):
        case "PENDING" | "SUSPENDED":
            return Working(is_queued=True)
        case "RUNNING":
            return Working()
        case "SUCCEEDED":
            url = link(output, "video_url")
            # `duration` is what is billed: of an edited video, its source too.
            seconds = count(section(document, "usage"), "output_video_duration")
            return Made([Hosted(0, url)], Report(seconds=seconds)) if url else Broken(invalid())
        case "FAILED":
            return Broken(refusal(output))
        case "CANCELED":
            return Stopped()
        case "UNKNOWN":
            raise UpstreamError(Fault.NOT_FOUND, http_status=reply.status)
    raise invalid()


def _checked(reply: Reply, document: dict[str, object] | None) -> dict[str, object]:
    if not 200 <= reply.status < 300:
        raise refusal(document or {}, reply)
    if document is None:
        raise invalid()
    if word(document, "code") and "output" not in document:
        raise refusal(document, reply)
    return document
