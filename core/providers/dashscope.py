"""Alibaba's DashScope (Model Studio, Bailian): HappyHorse's videos, and Vidu's in Beijing.

Source: Model Studio's references of both and of its asynchronous tasks (providers.md 4). Tasks and
their videos are kept for 24 hours. There is no idempotency key, no callback, and nothing of ours
that the list of tasks would show: a lost submission cannot be told from others.
"""

from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.model import Ask, Channel
from core.providers.dashscope_sizes import DEFAULT, SIZES
from core.providers.dashscope_tasks import answer, is_cancelled, state_of
from core.providers.jobs import JobBase, JobState, Working
from core.providers.mapping import told
from core.providers.reading import identifier, section
from core.providers.wire import Call, Reply, bearer

SYNTHESIS = "/services/aigc/video-generation/video-synthesis"
TASKS = "/tasks"


class DashScope(JobBase):
    """The dialect. A task makes one video. A channel of Vidu's has the option `sizes = "vidu"`."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        del mark, callback_url
        fields = {"model": channel.upstream_of(ask), **told(ask, channel)}
        parameters = fields.get("parameters")
        if channel.options.get("sizes") == "vidu" and isinstance(parameters, dict):
            _say_size(parameters, ask)
        headers = {**bearer(channel), "x-dashscope-async": "enable"}
        return Call("POST", SYNTHESIS, headers, Body(orjson.dumps(fields)))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        del ask
        return identifier(section(answer(reply), "output"), "task_id")

    def look(self, job_id: str, channel: Channel) -> Call:
        return Call("GET", f"{TASKS}/{quote(job_id, safe='')}", bearer(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        del channel
        return state_of(reply)

    def cancel(self, job_id: str, channel: Channel, state: Working) -> Call | None:
        if not state.is_queued:
            return None
        return Call("POST", f"{TASKS}/{quote(job_id, safe='')}/cancel", bearer(channel))

    def cancelled(self, reply: Reply) -> bool:
        return is_cancelled(reply)


def _say_size(parameters: dict[str, object], ask: Ask) -> None:
    """Say in pixels what the row of `aspect_ratio` said as a ratio."""
    ratio = parameters.pop("size", None)
    sizes = SIZES.get(ask.mode)
    if sizes is not None and isinstance(ratio, str):
        parameters["size"] = sizes[str(ask.parameters.get("resolution", DEFAULT))][ratio]
