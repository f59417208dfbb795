"""Vidu's tasks as it tells of them: one, or a page of its list. Pure.

Source: Vidu's references of its tasks (providers.md 5.2); the list as seen in public code.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf
from uuid import UUID

from core.model import Hosted, Report
from core.providers.dates import moment
from core.providers.files import as_link
from core.providers.jobs import Broken, Found, JobState, Made, Stopped, Working
from core.providers.reading import identifier, word
from core.providers.vidu_errors import refusal
from core.providers.wire import Reply, invalid

PAGE_SIZE = 100

_CANCELLED = frozenset({"UserCancelled", "Canceled"})


def answer(reply: Reply) -> dict[str, object]:
    """The document of a call that went well; raises UpstreamError for any other."""
    document = reply.document()
    if not 200 <= reply.status < 300:
        raise refusal(document or {}, reply)
    if document is None:
        raise invalid()
    if word(document, "reason"):
        raise refusal(document, reply)
    return document


def state_of(task: Mapping[str, object]) -> JobState:
    """Where it stands; raises UpstreamError if it does not say."""
    match word(task, "state"):
        case "created" | "queueing":
            return Working(is_queued=True)
        case "processing":
            return Working()
        case "success":
            made = task.get("creations")
            first = made[0] if isinstance(made, list) and made else None
            url = as_link(first.get("url")) if isinstance(first, dict) else None
            return Made([Hosted(0, url)], Report()) if url else Broken(invalid())
        case "failed" if word(task, "err_code") in _CANCELLED:
            return Stopped()
        case "failed":
            return Broken(refusal(task))
    raise invalid()


def search(page: Mapping[str, object], mark: UUID) -> Found:
    """Look for the task with a mark.

    Raises UpstreamError if a task does not show its payload: taken as it is, such a page might
    say that a job does not exist, and it would be made and paid for again.
    """
    tasks = page.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise invalid()
    if not all(isinstance(task.get("payload"), str) for task in tasks):
        raise invalid()
    ours = next((identifier(task, "id") for task in tasks if task["payload"] == mark.hex), "")
    is_last = len(tasks) < PAGE_SIZE and not page.get("next_page_token")
    return Found(ours, is_last, _oldest([moment(task, "created_at") for task in tasks]))


def _oldest(made_at: Sequence[float]) -> float:
    """When the last task of a page was made, if the page shows that the newest come first.

    The documentation does not tell their order; without that, the list is read to its end.
    """
    if not all(made_at) or not made_at:
        return inf
    falls = all(one >= following for one, following in pairwise(made_at))
    return made_at[-1] if falls and made_at[0] > made_at[-1] else inf
