"""A caller of the gateway, and what it is told."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from core.body import Body
from core.engine.events import AttemptStarted, Completed, Failed
from core.engine.order import Order
from core.errors import GatewayError, Reason
from core.model import Preview
from storage.pool import StorageUnavailable


@dataclass
class Wish:
    """What a caller will ask for, and how it behaves."""

    name: str
    """Also the prompt, by which providers know whom a request is for."""
    model: str
    at: float
    """Seconds after the beginning."""
    count: int = 1
    partials: int = 0
    detached: bool = True
    has_key: bool = False
    """An idempotency key: it asks again when its process dies."""
    deadline: float | None = None
    """Seconds that an attached caller waits."""
    cancels_after: float | None = None
    leaves_after: float | None = None
    given: dict[str, Any] = field(default_factory=dict)
    only: frozenset[str] = frozenset()


class Caller:
    """One caller, who asks for one generation. It is outside of every process."""

    def __init__(self, world: Any, wish: Wish) -> None:
        self._world = world
        self.wish = wish
        self.ids: list[UUID] = []
        """Of generations that it was told of."""
        self.refusal: BaseException | None = None
        self.streams: list[list[tuple[int, Any]]] = []
        """The events of each of its calls."""
        self.times: list[float] = []
        self.left = False
        self.cut = 0
        """Calls that ended with their process."""

    # ---- what it is told

    def accepted(self, id_: UUID) -> None:
        if id_ not in self.ids:
            self.ids.append(id_)

    def event(self, seq: int, event: Any) -> None:
        self.streams[-1].append((seq, event))
        self.times.append(self._world.loop.time())

    @property
    def ending(self) -> Any:
        """The terminal event, if it heard of one."""
        for stream in self.streams:
            for _, event in stream:
                if isinstance(event, Completed | Failed):
                    return event
        return None

    # ---- what it does

    async def run(self) -> None:
        world, wish = self._world, self.wish
        await asyncio.sleep(wish.at)
        for _ in range(20 if wish.has_key else 1):
            while (gateway := world.any_gateway()) is None:
                await asyncio.sleep(0.2)
            self.refusal = None
            await self._call(gateway)
            if self.left or self.ending is not None:
                return
            if not gateway.process.is_dead and not _is_passing(self.refusal):
                return
            await asyncio.sleep(1.0)

    async def _call(self, gateway: Any) -> None:
        """One call: until it ends, the process dies, or the caller has had enough."""
        world, wish = self._world, self.wish
        self.streams.append([])
        order = self._order()
        call = gateway.run(gateway.serve(world.caller, order, self))
        gone = asyncio.ensure_future(gateway.is_gone.wait())
        waits = [asyncio.ensure_future(_over(call)), gone]
        acts = []
        if wish.cancels_after is not None:
            acts.append(asyncio.ensure_future(self._cancels(gateway, wish.cancels_after)))
        if wish.leaves_after is not None:
            acts.append(asyncio.ensure_future(self._leaves(call, wish.leaves_after)))
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in (*waits, *acts):
            each.cancel()
        if gone.done() and not gone.cancelled():
            self.cut += 1
            return
        if call.cancelled():
            self.left = True
        elif (error := call.exception()) is not None:
            self.refusal = error
            if not isinstance(error, GatewayError | StorageUnavailable):
                raise error

    def _order(self) -> Order:
        from core.policy.deadlines import attempts_end

        wish, now = self.wish, self._world.loop.time()
        ends = None if wish.deadline is None else attempts_end(now, now + wish.deadline)
        from core.engine.order import Routing

        return Order(
            wish.model,
            Body(wish.name),
            given=wish.given,
            count=wish.count,
            partials=wish.partials,
            idempotency_key=Body(f"key-{wish.name}") if wish.has_key else None,
            detached=wish.detached,
            ends=ends,
            routing=Routing(only=wish.only),
        )

    async def _cancels(self, gateway: Any, after: float) -> None:
        await asyncio.sleep(after)
        if self.ids and not gateway.process.is_dead:
            other = self._world.any_gateway()
            if other is not None:
                cancel = other.engine.cancel
                other.run(_ignoring(lambda: cancel(self._world.caller, self.ids[0])))

    async def _leaves(self, call: Any, after: float) -> None:
        await asyncio.sleep(after)
        call.cancel()

    # ---- laws

    def check(self) -> None:
        """What every stream of events must be like."""
        channels = self._world.catalogue.routes[self.wish.model]
        # Each part of what is divided has a commit point of its own: the oracle looks at them.
        is_whole = self.wish.count <= min(each.maximum_count for each in channels)
        for stream in self.streams:
            numbers = [seq for seq, _ in stream]
            assert numbers == sorted(set(numbers)), "sequence numbers rise"
            ends = [
                at for at, (_, event) in enumerate(stream) if isinstance(event, Completed | Failed)
            ]
            assert len(ends) <= 1, "one terminal event"
            assert not ends or ends[0] == len(stream) - 1, "nothing follows the terminal event"
            shown = False
            for _, event in stream:
                shown = shown or isinstance(event, Preview)
                assert not (is_whole and shown and isinstance(event, AttemptStarted)), (
                    "no attempt after the commit point"
                )
        if not self.left and not self.cut and self.refusal is None:
            assert self.ending is not None, "every call ends with a terminal event"


def _is_passing(error: BaseException | None) -> bool:
    """Whether it is worth asking again."""
    return isinstance(error, StorageUnavailable) or (
        isinstance(error, GatewayError)
        and error.reason in (Reason.STORAGE_UNAVAILABLE, Reason.STILL_RUNNING)
    )


async def _over(task: Any) -> None:
    await asyncio.wait([task])


async def _ignoring(work: Any) -> None:
    with suppress(GatewayError, StorageUnavailable):
        await work()
