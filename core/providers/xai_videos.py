"""xAI's Grok Imagine videos: `/videos/generations` and `/videos/edits`, then `/videos/{id}`.

Source: xAI's SDK and @ai-sdk/xai (providers.md 6.2). There is no list, no cancel, no webhook and
no idempotency key: a submission whose answer is lost is lost. A look answers 202, often without a
body, while it runs; then 200, at times without a `status`. What moderation keeps back is a 400 of
the look, or `respect_moderation: false` inside a 200, and is billed. Links live 24 hours.
"""

from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault
from core.model import Ask, Channel, Hosted, Mode, Report
from core.providers.files import link
from core.providers.jobs import Broken, JobBase, JobState, Made, Working
from core.providers.mapping import told
from core.providers.reading import count, identifier, section, word
from core.providers.wire import Call, Reply, bearer, invalid
from core.providers.xai_errors import moderated, refusal

RUNS = 202


class XaiVideos(JobBase):
    """The dialect. A request makes one video; the channel's `fields` name what is asked for."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        del mark, callback_url  # nothing that is sent comes back, and nobody is called
        path = "/videos/edits" if ask.mode is Mode.VIDEO else "/videos/generations"
        fields = {**told(ask, channel), "model": channel.upstream_of(ask)}
        return Call("POST", path, bearer(channel), Body(orjson.dumps(fields)))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        document = reply.document()
        if not 200 <= reply.status < 300 or (document or {}).get("error"):
            raise refusal(document or {}, reply, ask)
        return identifier(document or {}, "request_id")

    def look(self, job_id: str, channel: Channel) -> Call:
        return Call("GET", f"/videos/{quote(job_id, safe='')}", bearer(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        del channel
        document = reply.document()
        if not 200 <= reply.status < 300:
            error = refusal(document or {}, reply)
            if error.fault is Fault.CONTENT_POLICY:
                error.stage = "output"
                return Broken(error)
            if error.fault is Fault.BAD_REQUEST:
                # Seen of requests that were just made: as if it did not know them yet.
                error.fault = Fault.NOT_FOUND
            raise error
        if reply.status == RUNS:
            return _working(document or {})
        if document is None:
            raise invalid()
        video, status = section(document, "video"), word(document, "status")
        if video.get("respect_moderation") is False:
            return Broken(moderated())
        if status in {"failed", "expired"}:
            return Broken(refusal(document))
        if status == "pending":
            return _working(document)
        if url := link(video, "url"):
            return Made([Hosted(0, url)], Report(seconds=float(count(video, "duration"))))
        if status == "done":
            return Broken(invalid())
        raise invalid()


def _working(document: dict[str, object]) -> Working:
    return Working(percent=min(count(document, "progress"), 100) or None)
