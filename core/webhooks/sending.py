"""Sends one message once, and writes down how it went."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from core.body import Secret
from core.engine.callback_urls import CallbackUrls
from core.engine.library import Library
from core.errors import GatewayError, Reason
from core.fetch.addresses import Network
from core.fetch.guard import FetchError, Problem
from core.fetch.posting import Poster
from core.keyring import Keyring
from core.sealing import UnsealError
from core.webhooks.deliveries import Deliveries
from core.webhooks.endpoints import Endpoints
from core.webhooks.payload import EXAMPLE, message, task
from core.webhooks.records import EventType, Letter, message_id
from core.webhooks.schedule import Course, Fault, Tried, answered, judge
from core.webhooks.signing import signed_headers

_FAULTS: Final[dict[Problem, Fault]] = {
    Problem.REFUSED: Fault.FORBIDDEN_ADDRESS,
    Problem.UNRESOLVED: Fault.FORBIDDEN_ADDRESS,
    Problem.TIMEOUT: Fault.TIMEOUT,
}
"""All other problems are REFUSED."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How messages are sent: under which keys, and to whom besides the open internet."""

    keyring: Keyring = field(repr=False)
    public_url: str
    """Base of links to outputs."""
    networks: tuple[Network, ...] = ()
    random: Callable[[], float] = random.random
    """0 to 1."""


class Sender:
    """Sends messages."""

    def __init__(
        self,
        deliveries: Deliveries,
        endpoints: Endpoints,
        library: Library,
        poster: Poster,
        manner: Manner,
    ) -> None:
        self._deliveries = deliveries
        self._endpoints = endpoints
        self._callback_urls = CallbackUrls(manner.keyring, manner.networks)
        self._library = library
        self._poster = poster
        self._media = f"{manner.public_url}/media/"
        self._random = manner.random
        self._networks = manner.networks

    async def send(self, account_id: UUID, id_: UUID) -> None:
        """Try a message once, if it is still to be sent. Raises what the pool raises."""
        letter = await self._deliveries.load(account_id, id_)
        if letter is None:
            return
        body = None if letter.stopped else await self._body(letter)
        if body is None:
            await self._deliveries.drop(letter)
            return
        tried = await self._try(letter, body)
        course = Course(
            tries=letter.round_tries,
            age=(letter.now - letter.round_at).total_seconds(),
            failing_for=None
            if letter.failing_since is None
            else (letter.now - letter.failing_since).total_seconds(),
            once=letter.event_type is EventType.TEST,
        )
        await self._deliveries.record(letter, tried, judge(tried, course, self._random))

    async def _body(self, letter: Letter) -> bytes | None:
        """What the message says; None when its generation was deleted, or its notice swept."""
        timestamp = letter.created_at.isoformat().replace("+00:00", "Z")
        if letter.facts is not None:
            return message(letter.event_type, timestamp, letter.facts)
        if letter.notice_id is not None:
            return None
        if letter.generation_id is None:
            return message(letter.event_type, timestamp, EXAMPLE)
        try:
            item = await self._library.find(letter.account_id, letter.generation_id)
        except GatewayError as gone:
            if gone.reason is not Reason.GENERATION_NOT_FOUND:
                raise
            return None
        return message(letter.event_type, timestamp, task(item, self._media))

    async def _try(self, letter: Letter, body: bytes) -> Tried:
        try:
            url, secrets = self._opened(letter)
            headers = signed_headers(
                secrets, message_id(letter.id), int(letter.now.timestamp()), body
            )
            headers["content-type"] = "application/json"
            return answered(
                await self._poster.post(url, body, headers, self._networks, owner=letter.account_id)
            )
        except FetchError as failed:
            return Tried(fault=_FAULTS.get(failed.problem, Fault.REFUSED))
        except UnsealError:  # sealed under a server key that is gone, and may be restored
            return Tried(fault=Fault.REFUSED)

    def _opened(self, letter: Letter) -> tuple[Secret[str], list[Secret[str]]]:
        account_id, endpoint_id = letter.account_id, letter.endpoint_id
        if endpoint_id is None:
            url = self._callback_urls.open(account_id, letter.url)
        else:
            url = self._endpoints.url(account_id, endpoint_id, letter.url)
        unseal = self._endpoints.secret
        return url, [unseal(account_id, endpoint_id, sealed) for sealed in letter.secrets]
