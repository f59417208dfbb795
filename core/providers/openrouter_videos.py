"""Videos through OpenRouter: `POST /videos`.

Source: OpenRouter's OpenAPI file (providers.md 8.6). The videos are behind the key, below the job.
Jobs cannot be cancelled or listed.
"""

from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.model import Ask, Channel, Hosted, Report
from core.providers.jobs import Broken, JobBase, JobState, Made, Stopped, Working
from core.providers.mapping import Told, told
from core.providers.openrouter_errors import failure, refusal
from core.providers.reading import identifier, word
from core.providers.wire import Call, Reply, bearer, invalid


class OpenRouterVideos(JobBase):
    """The dialect. A job makes one video."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        del mark
        fields: Told = {"model": channel.upstream_of(ask), **told(ask, channel)}
        if callback_url:
            fields["callback_url"] = callback_url
        return Call("POST", "/videos", bearer(channel), Body(orjson.dumps(fields)))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        return identifier(_answer(reply, ask), "id")

    def look(self, job_id: str, channel: Channel) -> Call:
        return Call("GET", f"/videos/{quote(job_id, safe='')}", bearer(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        job = _answer(reply)
        match word(job, "status"):
            case "pending" | "in_progress" as status:
                return Working(is_queued=status == "pending")
            case "completed":
                return _made(job, channel)
            case "failed" | "expired":
                return Broken(failure(job))
            case "cancelled":
                return Stopped()
        raise invalid()


def _answer(reply: Reply, ask: Ask | None = None) -> Mapping[str, object]:
    """The document of a call that went well; raises UpstreamError for any other."""
    document = reply.document()
    # A failed job holds its own.
    is_error = bool(document and document.get("error") and "status" not in document)
    if is_error or not 200 <= reply.status < 300:
        raise refusal(document or {}, reply, ask)
    if document is None:
        raise invalid()
    return document


def _made(job: Mapping[str, object], channel: Channel) -> JobState:
    urls = job.get("unsigned_urls")
    if not isinstance(urls, list) or not any(isinstance(url, str) and url for url in urls):
        return Broken(invalid())
    # Those are for whoever has the key; this is the place that takes it for sure.
    job_id = quote(identifier(job, "id"), safe="")
    url = f"{channel.base_url.rstrip('/')}/videos/{job_id}/content?index=0"
    return Made([Hosted(0, Body(url), bearer(channel))], Report())
