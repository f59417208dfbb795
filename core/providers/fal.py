"""fal's queue, which serves other owners' models: `POST /{endpoint}`, then looks at the request.

Source: fal's references of the queue and of the Platform API, its clients (providers.md 8.1). The
requests of an endpoint stand below the first two parts of its id. Results are kept for 7 days at
least. There is no idempotency key; the history, which the Platform API shows for 24 hours, has the
input of each request: its `seed` carries the mark, where the endpoint takes one and the caller
chose none. A request whose status is COMPLETED may have failed: only its outcome tells.

Options of a channel: `pixels`, the name of the input that takes `{width, height}`, said by the rows
as `1024x1024` or, where the request has an aspect ratio, reckoned from that and the resolution;
`store_io = "0"` keeps requests out of fal's history, and so out of our sight when they are lost.
"""

from urllib.parse import quote
from uuid import UUID

import orjson

from core.body import Body
from core.model import Ask, Channel
from core.providers.fal_errors import refusal
from core.providers.fal_history import SEED_BITS, path_of_history, search
from core.providers.fal_requests import answer, outcome_of, path_of, request_id, standing
from core.providers.jobs import Elsewhere, Found, JobBase, JobState, Working
from core.providers.mapping import takes_seed, told
from core.providers.pixels import pixels
from core.providers.reading import identifier, seed_of, word
from core.providers.wire import Call, Reply, invalid

DEFAULT_RESOLUTION = "2k"
"""Of the model that pixels are reckoned for, Seedream."""

_ASKED_FOR = "CANCELLATION_REQUESTED"
_NOT_CANCELLED = frozenset({400, 404})
"""It has ended, or is not known."""


class Fal(JobBase):
    """The dialect. A request makes one video, or as many images as were asked for."""

    def submit(self, ask: Ask, channel: Channel, mark: UUID, callback_url: str = "") -> Call:
        fields = told(ask, channel, {"seed": seed_of(mark, SEED_BITS), "mark": mark.hex})
        name = channel.options.get("pixels", "")
        if name and (size := pixels(fields.get(name), ask, DEFAULT_RESOLUTION)) is not None:
            fields[name] = size
        query = f"?fal_webhook={quote(callback_url, safe='')}" if callback_url else ""
        path = f"/{quote(channel.upstream_of(ask), safe='/')}{query}"
        # Another model in its place would be none of our failovers.
        headers = {**_key(channel), "x-fal-disable-fallbacks": "true"}
        if stored := channel.options.get("store_io"):
            headers["x-fal-store-io"] = stored
        return Call("POST", path, headers, Body(orjson.dumps(fields)))

    def submitted(self, reply: Reply, ask: Ask) -> str:
        document = reply.document()
        if not 200 <= reply.status < 300:
            raise refusal(reply, document or {}, ask)
        return identifier(document or {}, "request_id")

    def marks(self, ask: Ask, channel: Channel) -> bool:
        return takes_seed(ask, channel)

    def look(self, job_id: str, channel: Channel) -> Call:
        return Call("GET", f"{path_of(job_id, channel)}/status", _key(channel))

    def state(self, reply: Reply, channel: Channel) -> JobState:
        document = answer(reply)
        state = standing(document)
        if state is not None:
            return state
        return Elsewhere(Call("GET", path_of(request_id(document), channel), _key(channel)))

    def outcome(self, reply: Reply, channel: Channel) -> JobState:
        del channel
        return outcome_of(reply)

    def cancel(self, job_id: str, channel: Channel, state: Working) -> Call | None:
        del state
        return Call("PUT", f"{path_of(job_id, channel)}/cancel", _key(channel))

    def cancelled(self, reply: Reply) -> bool:
        # What was asked for may be too late: the looks tell.
        if reply.status not in _NOT_CANCELLED and word(answer(reply), "status") != _ASKED_FOR:
            raise invalid()
        return False

    def find(self, channel: Channel, page: int) -> Call | None:
        # Later pages are told by the one before.
        if page > 1 or "seed" not in channel.fields or not channel.side_url:
            return None
        return Call("GET", path_of_history(channel), _key(channel), aside=True)

    def found(self, reply: Reply, mark: UUID) -> Found:
        return search(answer(reply), mark)


def _key(channel: Channel) -> dict[str, str]:
    return {"authorization": f"Key {channel.credential.reveal()}"}
