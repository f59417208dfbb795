"""Topaz Labs' video API: enhanced videos, made in four calls and an upload.

Source: Topaz' OpenAPI file, Video API 1.0.0 (providers.md 7.1). POST /video/ asks and is free;
PATCH …/accept reserves the credits and tells where to put the file; the file is PUT there, to an
object store of others, without our key; PATCH …/complete-upload/ starts the job. It fails with a
full refund when the file is not what was said of it. There is no idempotency key, and the list of
jobs shows nothing that is ours; but a POST whose answer is lost has spent nothing, so that another
channel is asked at once.

Files of at most 500 MB are one part, and a request's are far smaller: so one ETag is all.
"""

from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Input, Role
from core.providers.files import as_link
from core.providers.jobs import JobBase, JobState, Working
from core.providers.reading import identifier
from core.providers.topaz_video import answer, is_stopping, order, state_of, upload_refused
from core.providers.wire import Call, Reply, invalid

VIDEO = "/video"


class Topaz(JobBase):
    """The dialect. `upstream_model` is Topaz' filter, such as `prob-4`."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        del mark
        fields = order(_video(ask), ask, channel)
        if callback_url:
            fields["notifications"] = {"webhookUrl": callback_url}
        return Call("POST", f"{VIDEO}/", _key(channel), Body(orjson.dumps(fields)))

    def is_free(self) -> bool:
        return True

    def submitted(self, reply: Reply, ask: Ask) -> str:
        return identifier(answer(reply, ask), "requestId")

    def proceed(
        self, reply: Reply, step: int, job_id: str, ask: Ask, channel: Channel
    ) -> Call | None:
        match step:
            case 1:
                return Call("PATCH", _path(job_id, "/accept"), _key(channel))
            case 2:
                urls = answer(reply).get("urls")
                url = as_link(urls[0]) if isinstance(urls, list) and len(urls) == 1 else None
                if url is None:
                    raise invalid()
                item = _video(ask)
                return Call("PUT", "", {}, item.data, url=url, media_type=item.media_type)
            case 3:
                upload_refused(reply)
                parts = [{"partNum": 1, "eTag": reply.headers.get("etag", "").strip('"')}]
                body = Body(orjson.dumps({"uploadResults": parts}))
                return Call("PATCH", _path(job_id, "/complete-upload/"), _key(channel), body)
        answer(reply)
        return None

    def look(self, job_id: str, channel: Channel) -> Call:
        return Call("GET", _path(job_id, "/status"), _key(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        del channel
        return state_of(answer(reply))

    def cancel(self, job_id: str, channel: Channel, state: Working) -> Call | None:
        # What runs can be stopped too; the part that was done is billed.
        del state
        return Call("DELETE", _path(job_id), _key(channel))

    def cancelled(self, reply: Reply) -> bool:
        if reply.status == 204:  # it is being cancelled already
            return True
        return is_stopping(answer(reply))


def _video(ask: Ask) -> Input:
    found = next((item for item in ask.inputs if item.role is Role.VIDEO), None)
    if found is None:
        raise UpstreamError(Fault.BAD_REQUEST)
    return found


def _path(job_id: str, what: str = "") -> str:
    return f"{VIDEO}/{quote(job_id, safe='')}{what}"


def _key(channel: Channel) -> dict[str, str]:
    return {"x-api-key": channel.credential.reveal()}
