"""ByteDance's Seedance on Volcengine Ark and BytePlus ModelArk: `/contents/generations/tasks`.

Source: ModelArk's API reference, video generation tasks (providers.md 3.3). Tasks are listed
for 7 days, their videos kept for 24 hours. There is no idempotency key. A task tells its
`seed`, and perhaps its `safety_identifier`: both carry the mark. Where the caller chose the
seed, only the second does.
"""

from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.model import Ask, Channel, Role
from core.providers.ark_tasks import answer, search, state_of
from core.providers.files import address
from core.providers.jobs import Found, JobBase, JobState, Working
from core.providers.reading import identifier, seed_of, word
from core.providers.wire import Call, Reply, bearer

TASKS = "/contents/generations/tasks"
PAGE_SIZE = 50

# fmt: off
ROLES: Mapping[Role, tuple[str, str]] = {
    Role.FIRST_FRAME: ("image_url", "first_frame"),
    Role.LAST_FRAME:  ("image_url", "last_frame"),
    Role.IMAGE:       ("image_url", "reference_image"),
    Role.VIDEO:       ("video_url", "reference_video"),
    Role.AUDIO:       ("audio_url", "reference_audio"),
}
"""What an input is for; the schema of a model allows no others."""

NAMES: Mapping[str, str] = {
    "resolution":   "resolution",
    "aspect_ratio": "ratio",
    "duration":     "duration",
    "with_audio":   "generate_audio",
}
"""Our names of parameters, and theirs."""
# fmt: on

_NOT_CANCELLED = frozenset({400, 404, 409})
"""What a task that runs or has ended answers to DELETE; the documentation does not tell which."""


class ArkVideos(JobBase):
    """The dialect. A task makes one video."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        content: list[dict[str, object]] = []
        if ask.prompt:
            content.append({"type": "text", "text": ask.prompt.reveal()})
        for item in ask.inputs:
            kind, role = ROLES[item.role]
            content.append({"type": kind, kind: {"url": address(item, channel)}, "role": role})
        given = ask.parameters
        fields = {theirs: given[ours] for ours, theirs in NAMES.items() if ours in given} | {
            "model": channel.upstream_model,
            "content": content,
            "seed": seed_of(mark) if given.get("seed", -1) == -1 else given["seed"],
            "safety_identifier": mark.hex,
            "watermark": given.get("watermark", False),
            "return_last_frame": False,
        }
        if fields.get("ratio") == "auto":
            fields["ratio"] = "adaptive"
        if callback_url:
            fields["callback_url"] = callback_url
        return Call("POST", TASKS, bearer(channel), Body(orjson.dumps(fields)))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        return identifier(answer(reply, ask), "id")

    def look(self, job_id: str, channel: Channel) -> Call:
        return Call("GET", f"{TASKS}/{quote(job_id, safe='')}", bearer(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        del channel
        return state_of(answer(reply))

    def cancel(self, job_id: str, channel: Channel, state: Working) -> Call | None:
        # What runs cannot be stopped, and what has ended would be deleted.
        if not state.is_queued:
            return None
        return Call("DELETE", f"{TASKS}/{quote(job_id, safe='')}", bearer(channel))

    def cancelled(self, reply: Reply) -> bool:
        if reply.status in _NOT_CANCELLED:
            return False
        return word(answer(reply), "status") in {"", "cancelled"}

    def find(self, channel: Channel, page: int) -> Call | None:
        model = quote(channel.upstream_model, safe="")
        query = f"page_num={page}&page_size={PAGE_SIZE}&filter.model={model}"
        return Call("GET", f"{TASKS}?{query}", bearer(channel))

    def found(self, reply: Reply, mark: UUID) -> Found:
        return search(answer(reply), mark)
