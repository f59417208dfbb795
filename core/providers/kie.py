"""kie.ai's tasks, of many providers' models: `POST /jobs/createTask`.

Source: kie.ai's documentation (providers.md 8.5). Failures come in answers of HTTP 200, results as
JSON inside of a string. Tasks cannot be cancelled or listed, files must be at public URLs, and a
link to a result may die after minutes: it is copied when it is seen. Where the account has no
credits, a task may wait for ever. Veo has calls of its own: `kie_veo`.
"""

from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.model import Ask, Channel, Hosted, Report
from core.providers.files import as_link
from core.providers.jobs import Broken, JobBase, JobState, Made, Working
from core.providers.kie_errors import failure, refusal
from core.providers.mapping import Told, told
from core.providers.reading import identifier, word
from core.providers.wire import Call, Reply, bearer, invalid

# Without one that looks like a browser's, the network in front of the API may answer 403 by itself.
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (compatible; reapi)"


class Kie(JobBase):
    """The dialect. A task makes one video, or images."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        del mark
        fields: Told = {"model": channel.upstream_of(ask), "input": told(ask, channel)}
        if callback_url:
            fields["callBackUrl"] = callback_url
        return Call("POST", "/jobs/createTask", headers(channel), Body(orjson.dumps(fields)))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        return identifier(data_of(reply, ask), "taskId")

    def look(self, job_id: str, channel: Channel) -> Call:
        path = f"/jobs/recordInfo?taskId={quote(job_id, safe='')}"
        return Call("GET", path, headers(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        data = data_of(reply)
        match word(data, "state"):
            case "waiting" | "queuing":
                return Working(is_queued=True)
            case "generating":
                return Working()
            case "success":
                return made(_inside(data.get("resultJson")).get("resultUrls"), channel)
            case "fail":
                return Broken(failure(data, "failCode", "failMsg"))
        raise invalid()


def headers(channel: Channel) -> dict[str, str]:
    """What every call needs."""
    return bearer(channel) | {"user-agent": USER_AGENT}


def data_of(reply: Reply, ask: Ask | None = None) -> Mapping[str, object]:
    """The `data` of a call that went well; raises UpstreamError for any other."""
    page = reply.body.reveal()[:64]
    document = reply.document()
    if not 200 <= reply.status < 300 or (document or {}).get("code", 200) != 200:
        raise refusal(document or {}, reply, page, ask)
    data = (document or {}).get("data")
    if not isinstance(data, dict):
        raise invalid()
    return data


def made(urls: object, channel: Channel) -> JobState:
    """The outputs behind links: some models make more of them than anybody asks for."""
    links = [as_link(each) for each in urls] if isinstance(urls, list) else []
    hosted = [Hosted(index, url) for index, url in enumerate(url for url in links if url)]
    return Made(hosted[: channel.maximum_count], Report()) if hosted else Broken(invalid())


def _inside(text: object) -> Mapping[str, object]:
    """The JSON object inside a string; empty if it is anything else."""
    try:
        found = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
