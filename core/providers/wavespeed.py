"""WaveSpeed's predictions, of many providers' models: `POST /{model_id}`.

Source: WaveSpeed's documentation and SDK (providers.md 8.4). Nothing of ours is shown by any list,
a prediction can only be deleted, and there is no idempotency key. How long outputs are kept is not
promised.
"""

from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.model import Ask, Channel, Hosted, Report
from core.providers.files import as_link
from core.providers.jobs import Broken, JobBase, JobState, Made, Stopped, Working
from core.providers.mapping import told
from core.providers.reading import identifier, word
from core.providers.wavespeed_errors import failure, refusal
from core.providers.wire import Call, Reply, bearer, invalid


class WaveSpeed(JobBase):
    """The dialect. A prediction makes one video, or images."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        del mark
        path = f"/{quote(channel.upstream_of(ask), safe='/')}"
        if callback_url:
            path = f"{path}?webhook={quote(callback_url, safe='')}"
        return Call("POST", path, bearer(channel), Body(orjson.dumps(told(ask, channel))))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        return identifier(_data(reply, ask), "id")

    def look(self, job_id: str, channel: Channel) -> Call:
        return Call("GET", f"/predictions/{quote(job_id, safe='')}/result", bearer(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        data = _data(reply)
        match word(data, "status"):
            case "created" | "processing" as status:
                return Working(is_queued=status == "created")
            case "completed":
                return _made(data.get("outputs"), channel.maximum_count)
            case "failed" | "timeout" | "deleted":
                return Broken(failure(data))
            case "cancelled":
                return Stopped()
        raise invalid()


def _data(reply: Reply, ask: Ask | None = None) -> Mapping[str, object]:
    """The `data` of a call that went well; raises UpstreamError for any other."""
    document = reply.document()
    if not 200 <= reply.status < 300 or (document or {}).get("code", 200) != 200:
        raise refusal(document or {}, reply, ask)
    data = (document or {}).get("data")
    if not isinstance(data, dict):
        raise invalid()
    return data


def _made(outputs: object, most: int) -> JobState:
    # What they call not safe for work is made and delivered all the same: `has_nsfw_contents`.
    links = [as_link(each) for each in outputs] if isinstance(outputs, list) else []
    hosted = [Hosted(index, url) for index, url in enumerate(url for url in links if url)]
    return Made(hosted[:most], Report()) if hosted else Broken(invalid())
