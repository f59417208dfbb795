"""Replicate's predictions of official models: `POST /models/{owner}/{name}/predictions`.

Source: Replicate's HTTP reference and clients (providers.md 8.2). Outputs are kept for an hour, and
wiped with the prediction then. There is no idempotency key; a listed prediction tells its input, so
its `seed` carries the mark, where the model takes one and the caller chose none.
"""

from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.model import Ask, Channel
from core.providers.jobs import Found, JobBase, JobState, Working
from core.providers.mapping import takes_seed, told
from core.providers.reading import identifier, seed_of, word
from core.providers.replicate_errors import refusal
from core.providers.replicate_predictions import SEED_BITS, STOPPED, answer, search, state_of
from core.providers.wire import Call, Reply, bearer

PREDICTIONS = "/predictions"


class Replicate(JobBase):
    """The dialect. A prediction makes one video, or as many images as were asked for."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        inputs = told(ask, channel, {"seed": seed_of(mark, SEED_BITS), "mark": mark.hex})
        fields: dict[str, object] = {"input": inputs}
        if callback_url:
            fields |= {"webhook": callback_url, "webhook_events_filter": ["completed"]}
        path = f"/models/{quote(channel.upstream_of(ask), safe='/')}{PREDICTIONS}"
        return Call("POST", path, bearer(channel), Body(orjson.dumps(fields)))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        document = reply.document()
        if not 200 <= reply.status < 300:
            raise refusal(reply, document or {}, ask)
        return identifier(document or {}, "id")

    def marks(self, ask: Ask, channel: Channel) -> bool:
        return takes_seed(ask, channel)

    def look(self, job_id: str, channel: Channel) -> Call:
        return Call("GET", f"{PREDICTIONS}/{quote(job_id, safe='')}", bearer(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        del channel
        return state_of(answer(reply))

    def cancel(self, job_id: str, channel: Channel, state: Working) -> Call | None:
        del state
        return Call("POST", f"{PREDICTIONS}/{quote(job_id, safe='')}/cancel", bearer(channel))

    def cancelled(self, reply: Reply) -> bool:
        document = answer(reply)
        if not word(document, "status"):
            raise refusal(reply, document)
        return word(document, "status") in STOPPED

    def find(self, channel: Channel, page: int) -> Call | None:
        # Later pages are told by the one before.
        if page > 1 or "seed" not in channel.fields:
            return None
        return Call("GET", PREDICTIONS, bearer(channel))

    def found(self, reply: Reply, mark: UUID) -> Found:
        return search(answer(reply), mark)
