"""Vidu's own API: the videos of Q3.

Source: Vidu's references of its endpoints, tasks and callbacks (providers.md 5). Videos are kept
for 24 hours. There is no idempotency key, but a task shows its `payload` wherever it is told of:
that carries the mark.
"""

from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.model import Ask, Channel, Mode
from core.providers.jobs import Found, JobBase, JobState, Working
from core.providers.mapping import told
from core.providers.reading import identifier
from core.providers.vidu_tasks import PAGE_SIZE, answer, search, state_of
from core.providers.wire import Call, Reply, invalid

TASKS = "/tasks"

PATHS: Mapping[Mode, str] = {
    Mode.TEXT: "/text2video",
    Mode.FIRST_FRAME: "/img2video",
    Mode.FRAMES: "/start-end2video",
    Mode.IMAGE: "/reference2video",
}
"""By what a video starts from; a channel has a variant for each that it serves."""

_NOT_CANCELLED = frozenset({400, 404, 409})
"""What a task that runs or has ended may answer; the documentation does not tell which."""


class Vidu(JobBase):
    """The dialect. A task makes one video."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        fields = {"model": channel.upstream_of(ask), **told(ask, channel), "payload": mark.hex}
        if callback_url:
            fields["callback_url"] = callback_url
        return Call("POST", PATHS[ask.mode], _key(channel), Body(orjson.dumps(fields)))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        del ask
        return identifier(answer(reply), "task_id")

    def look(self, job_id: str, channel: Channel) -> Call:
        return Call("GET", f"{TASKS}/{quote(job_id, safe='')}/creations", _key(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        del channel
        return state_of(answer(reply))

    def cancel(self, job_id: str, channel: Channel, state: Working) -> Call | None:
        if not state.is_queued:
            return None
        path = f"{TASKS}/{quote(job_id, safe='')}/cancel"
        return Call("POST", path, _key(channel), Body(orjson.dumps({"id": job_id})))

    def cancelled(self, reply: Reply) -> bool:
        if reply.status in _NOT_CANCELLED:
            return False
        if answer(reply):
            raise invalid()  # documented is an empty object
        return True

    def find(self, channel: Channel, page: int) -> Call | None:
        query = f"pager.page={page - 1}&pager.pagesz={PAGE_SIZE}"
        return Call("GET", f"{TASKS}?{query}", _key(channel))

    def found(self, reply: Reply, mark: UUID) -> Found:
        return search(answer(reply), mark)


def _key(channel: Channel) -> dict[str, str]:
    return {"authorization": f"Token {channel.credential.reveal()}"}
