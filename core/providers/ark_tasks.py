"""Ark's tasks as it tells of them: one, or a page of its list. Pure.

Source: ModelArk's API reference, video generation tasks (providers.md 3.3).
"""

from collections.abc import Mapping
from uuid import UUID

from core.model import Ask, Hosted, Report, Usage
from core.providers.ark_errors import refusal
from core.providers.files import link
from core.providers.jobs import Broken, Found, JobState, Made, Stopped, Working
from core.providers.reading import count, identifier, section, seed_of, word
from core.providers.wire import Reply, invalid


def answer(reply: Reply, ask: Ask | None = None) -> dict[str, object]:
    """The document of a call that went well; raises UpstreamError for any other."""
    document = reply.document()
    error = section(document or {}, "error")
    if not 200 <= reply.status < 300:
        raise refusal(error, ask, reply)
    if document is None:
        raise invalid()
    # A failed task holds its own.
    if document.get("error") and document.keys().isdisjoint({"id", "status"}):
        raise refusal(error, ask, reply)
    return document


def state_of(task: Mapping[str, object]) -> JobState:
    """Where it stands; raises UpstreamError if it does not say."""
    match word(task, "status"):
        case "queued" | "running" as status:
            return Working(is_queued=status == "queued")
        case "succeeded":
            url = link(section(task, "content"), "video_url")
            tokens = count(section(task, "usage"), "completion_tokens")
            usage = Usage(output_tokens=tokens) if tokens else None
            report = Report(usage, seconds=float(count(task, "duration")))
            return Made([Hosted(0, url)], report) if url else Broken(invalid())
        case "failed" | "expired":
            return Broken(refusal(section(task, "error")))
        case "cancelled":
            return Stopped()
    raise invalid()


def search(page: Mapping[str, object], mark: UUID) -> Found:
    """Look for the task with a mark.

    Raises UpstreamError if a task is garbled: taken as it is, such a page might say that a
    job does not exist, and it would be made and paid for again.
    """
    tasks, total = page.get("items"), page.get("total")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise invalid()
    made_at = [count(task, "created_at") for task in tasks]
    if not isinstance(total, int) or total < len(tasks) or not all(made_at):
        raise invalid()
    ours = next((identifier(task, "id") for task in tasks if _has(mark, task)), "")
    # The page tells no number, so only an empty one, or one that holds all, is surely the last.
    return Found(ours, not tasks or len(tasks) == total, float(min(made_at, default=0)))


def _has(mark: UUID, task: Mapping[str, object]) -> bool:
    echo = word(task, "safety_identifier")
    return echo == mark.hex if echo else task.get("seed") == seed_of(mark)
