"""Veo at kie.ai, which has calls of its own: `POST /veo/generate`.

Source: kie.ai's documentation of Veo (providers.md 8.5). Its videos have 720p and 8 seconds, and a
sound track.
"""

from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.model import Ask, Channel
from core.providers.jobs import Broken, JobBase, JobState, Working
from core.providers.kie import data_of, headers, made
from core.providers.kie_errors import failure
from core.providers.mapping import Told, told
from core.providers.reading import identifier, section
from core.providers.wire import Call, Reply, invalid


class KieVeo(JobBase):
    """The dialect."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        del mark
        fields: Told = {"model": channel.upstream_of(ask), **told(ask, channel)}
        if callback_url:
            fields["callBackUrl"] = callback_url
        return Call("POST", "/veo/generate", headers(channel), Body(orjson.dumps(fields)))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        return identifier(data_of(reply, ask), "taskId")

    def look(self, job_id: str, channel: Channel) -> Call:
        path = f"/veo/record-info?taskId={quote(job_id, safe='')}"
        return Call("GET", path, headers(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        data = data_of(reply)
        match data.get("successFlag"):
            case bool():  # which Python takes for numbers
                raise invalid()
            case 0:
                return Working()
            case 1:
                return made(section(data, "response").get("resultUrls"), channel)
            case 2 | 3:
                return Broken(failure(data, "errorCode", "errorMessage"))
        raise invalid()
