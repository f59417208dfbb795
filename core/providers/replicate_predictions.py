"""Replicate's predictions as it tells of them: one, or a page of its list. Pure.

Source: Replicate's HTTP reference (providers.md 8.2).
"""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit
from uuid import UUID

from core.body import Body
from core.errors import Fault
from core.model import EMPTY_REPORT, Hosted
from core.providers.dates import moment
from core.providers.files import as_link
from core.providers.jobs import Broken, Found, JobState, Made, Stopped, Working
from core.providers.reading import identifier, section, seed_of, word
from core.providers.refusals import refused
from core.providers.replicate_errors import failure, refusal
from core.providers.wire import Reply, invalid

SEED_BITS = 31
"""What the seed of every model takes."""

STOPPED = frozenset({"canceled", "aborted"})
"""Ended by a wish, or before it began."""


def answer(reply: Reply) -> dict[str, object]:
    """The document of a call that went well; raises UpstreamError for any other."""
    document = reply.document()
    if not 200 <= reply.status < 300:
        raise refusal(reply, document or {})
    if document is None:
        raise invalid()
    return document


def state_of(prediction: Mapping[str, object]) -> JobState:
    """Where it stands; raises UpstreamError if it does not say.

    One that succeeded may be empty: refused in silence, or wiped an hour after its end.
    """
    match word(prediction, "status"):
        case "starting" | "processing" as status:
            return Working(is_queued=status == "starting")
        case "succeeded":
            urls = _links(prediction.get("output"))
            outputs = [Hosted(index, url) for index, url in enumerate(urls)]
            if not outputs:
                return Broken(refused(Fault.INVALID_RESPONSE, None))
            return Made(outputs, EMPTY_REPORT)
        case "failed":
            return Broken(failure(prediction))
        case status if status in STOPPED:
            return Stopped()
    raise invalid()


def search(page: Mapping[str, object], mark: UUID) -> Found:
    """Look for the prediction with a mark; raises UpstreamError if one is garbled."""
    items, after = page.get("results"), page.get("next")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise invalid()
    times = [moment(item, "created_at") for item in items]
    if not all(times) or "next" not in page:
        raise invalid()
    seed = seed_of(mark, SEED_BITS)
    ours = [item for item in items if section(item, "input").get("seed") == seed]
    found = identifier(ours[0], "id") if ours else ""
    return Found(found, after is None, min(times, default=0.0), _cursor(after))


def _cursor(after: object) -> str:
    """The query that leads to the next page, out of the address of that page."""
    if not isinstance(after, str):
        return ""
    try:
        return quote(urlsplit(after).query, safe="=&%")
    except ValueError:
        return ""


def _links(output: object) -> list[Body[str]]:
    """The URLs in an output: one, a list of them, or an object that has them, by the model."""
    if isinstance(output, dict):
        output = output.get("url") or output.get("video") or output.get("images")
    found = [as_link(each) for each in (output if isinstance(output, list) else [output])]
    return [url for url in found if url is not None]
