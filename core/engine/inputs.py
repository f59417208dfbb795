"""Brings the files that a request names by URL into memory, before anything is accepted."""

import asyncio
import binascii
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Protocol
from urllib.parse import unquote_to_bytes
from uuid import UUID

import pybase64

from core.body import Body
from core.engine.admission import RETRY_SECONDS, Slot
from core.engine.order import MAXIMUM_INLINE_BYTES, Order, RawInput
from core.errors import GatewayError, Reason

MAXIMUM_URLS: Final = 32
"""Of one request."""
AT_ONCE: Final = 8
"""Files of one request that are fetched at the same time."""
SHARE: Final = 64
"""Files of one account that are fetched at the same time, in this process; others wait."""
IN_ALL: Final = 512
"""Files that are fetched at the same time, in this process; others are refused."""
SECONDS: Final = 60.0
"""What all files of a request may take together."""

_LONGEST_PREAMBLE = 128
"""Characters before the comma of a data URL."""
_MOST_ESCAPES = 4096
"""Escapes (`%41`) in a data URL: a megabyte of them holds up everybody for 0.14 s and takes
80 MB. Files come in base64."""
_OF_BASE64 = (
    ("%2B", "+"),
    ("%2b", "+"),
    ("%2F", "/"),
    ("%2f", "/"),
    ("%3D", "="),
    ("%3d", "="),
)
"""What JavaScript's `encodeURIComponent` escapes in base64: undone at once, however many."""


class Fetch(Protocol):
    """Where files come from: `core.fetch.caller.CallerFetch`."""

    async def fetch(
        self, url: Body[str], parameter: str, took: Callable[[int], None], owner: object
    ) -> Body[bytes]: ...


@dataclass(slots=True)
class _Share:
    """What one account fetches now, or waits to fetch."""

    users: int = 0
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SHARE))


class Inputs:
    """Fetches inputs, so many at a time for each account."""

    def __init__(self, fetch: Fetch, seconds: float = SECONDS) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._shares: dict[UUID, _Share] = {}
        self._running = 0

    async def fetched(self, order: Order, slot: Slot, account_id: UUID) -> Order:
        """The order with all its files in memory, counted in *slot*.

        Data URLs become inline files; files from the net keep their URL. Raises GatewayError:
        INVALID_INPUT naming the parameter, REQUEST_TOO_LARGE when the files inside the request
        have too many bytes, OVERLOADED when this process has no room. Nothing was accepted
        yet: a caller who leaves meanwhile leaves nothing behind.
        """
        if all(item.url is None for item in order.inputs):
            return order
        budget = _Budget(slot)
        inputs = [_decoded(item, budget) for item in order.inputs]
        wanted = [number for number, item in enumerate(inputs) if item.url is not None]
        if len(wanted) > MAXIMUM_URLS:
            raise GatewayError(
                Reason.INVALID_PARAMETER,
                f"At most {MAXIMUM_URLS} inputs may be given by URL.",
                parameter=inputs[wanted[MAXIMUM_URLS]].parameter,
            )
        gate = asyncio.Semaphore(AT_ONCE)
        ends_at = asyncio.get_running_loop().time() + self._seconds

        async def one(item: RawInput) -> RawInput:
            try:
                async with asyncio.timeout_at(ends_at), gate, self._share(account_id):
                    return await self._one(item, budget, account_id)
            except TimeoutError:
                raise GatewayError(
                    Reason.INVALID_INPUT,
                    f"`{item.parameter}` could not be fetched in time.",
                    parameter=item.parameter,
                ) from None

        found = await _all([one(inputs[number]) for number in wanted])
        for number, item in zip(wanted, found, strict=True):
            inputs[number] = item
        return replace(order, inputs=tuple(inputs))

    async def _one(self, item: RawInput, budget: "_Budget", account_id: UUID) -> RawInput:
        assert item.url is not None
        if self._running >= IN_ALL:
            raise GatewayError(
                Reason.OVERLOADED,
                "The gateway is at capacity; try again in a moment.",
                retry_after=RETRY_SECONDS,
                metadata={"resource": "fetches"},
            )
        self._running += 1
        try:
            data = await self._fetch.fetch(
                item.url,
                item.parameter,
                lambda size: budget.take(size, item.parameter),
                account_id,
            )
        finally:
            self._running -= 1
        return replace(item, data=data)

    @asynccontextmanager
    async def _share(self, account_id: UUID) -> AsyncIterator[None]:
        """One of the account's fetches; waits while it has its share."""
        share = self._shares.setdefault(account_id, _Share())
        share.users += 1
        try:
            async with share.gate:
                yield
        finally:
            share.users -= 1
            if not share.users:
                del self._shares[account_id]


class _Budget:
    """The bytes of one request's files."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._total = 0

    def inline(self, size: int, *, is_counted: bool) -> None:
        """Add a file that came with the request."""
        self._total += size
        if self._total > MAXIMUM_INLINE_BYTES:
            raise GatewayError(
                Reason.REQUEST_TOO_LARGE,
                f"Inline inputs may have {MAXIMUM_INLINE_BYTES} bytes in all.",
                metadata={"limit": str(MAXIMUM_INLINE_BYTES)},
            )
        if not is_counted:
            self._slot.grow(self._slot.size + size)

    def take(self, size: int, parameter: str) -> None:
        """Add bytes that are about to be kept of a file from the net."""
        self._total += size
        if self._total > MAXIMUM_INLINE_BYTES:
            raise GatewayError(
                Reason.INVALID_INPUT,
                f"`{parameter}` is too large: "
                f"the inputs of a request may have {MAXIMUM_INLINE_BYTES} bytes in all.",
                parameter=parameter,
            )
        self._slot.grow(self._slot.size + size)


async def _all(fetches: list[Coroutine[None, None, RawInput]]) -> list[RawInput]:
    """Every file; the first failure, or a cancellation, ends the others."""
    tasks = [asyncio.create_task(each) for each in fetches]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _decoded(item: RawInput, budget: _Budget) -> RawInput:
    """The input, inline if it is a data URL."""
    if item.url is None:
        budget.inline(len(item.data), is_counted=True)
        return item
    text = item.url.reveal()
    if text[:5].lower() != "data:":
        return item
    data = _data_of(text)
    if not data:
        raise GatewayError(
            Reason.INVALID_INPUT,
            f"`{item.parameter}` is not a valid data URL: write its bytes in base64.",
            parameter=item.parameter,
        )
    budget.inline(len(data), is_counted=False)
    return replace(item, data=Body(data), url=None)


def _data_of(url: str) -> bytes | None:
    """The bytes in a data URL (RFC 2397), base64 or percent-encoded.

    None if it is broken, or escapes more than a file has reason to.
    """
    preamble, comma, payload = url[5 : 5 + _LONGEST_PREAMBLE].partition(",")
    if not comma:
        return None
    payload = url[5 + len(preamble) + 1 :]
    is_base64 = preamble.lower().rstrip().endswith(";base64")
    if is_base64 and "%" in payload:
        for escaped, plain in _OF_BASE64:
            payload = payload.replace(escaped, plain)
    if payload.count("%") > _MOST_ESCAPES:
        return None
    if not is_base64:
        return unquote_to_bytes(payload)
    try:
        decoded = unquote_to_bytes(payload) if "%" in payload else payload
        return pybase64.b64decode(decoded, validate=True)
    except (binascii.Error, ValueError):
        return None
