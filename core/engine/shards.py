"""Makes the outputs of one generation in several calls at the same time.

Each call, a shard, has attempts of its own. What a channel can make at once is asked of it at
once; when no channel can, or the one that could has failed, the rest becomes further shards.
docs/decisions/0017-fan-out.md says why.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from core.engine.course import Lane, Made
from core.engine.stops import explain
from core.errors import GatewayError, Reason, explained
from core.policy.decisions import Attempt, Stop
from core.policy.failover import Failover
from core.policy.fan_out import SHARDS_AT_ONCE, gapless, most_useful, together
from core.policy.routing import Why

Follow = Callable[[Lane, Attempt], Awaitable[Attempt | None]]
"""Lives through a lane; gives the attempt, already booked, that cannot make all of it."""


class Shards:
    """The lanes of one generation. *now* is the monotonic clock."""

    def __init__(self, follow: Follow, now: Callable[[], float]) -> None:
        self.lanes: list[Lane] = []
        self._follow = follow
        self._now = now
        self._tasks: dict[asyncio.Task[Attempt | None], Lane] = {}
        self._spare: deque[tuple[tuple[int, ...], Failover]] = deque()

    async def run(self, lane: Lane, attempt: Attempt) -> None:
        """Make what *lane* is to make, beginning with *attempt*, until nothing runs any more.

        What failed has its `error` then. Raises defects only.
        """
        self.lanes.append(lane)
        try:
            self._begin(lane, attempt)
            while self._tasks:
                self._fill(lane)
                done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    ended = self._tasks.pop(task)
                    following = task.result()
                    if following is None:
                        ended.failover.close()
                    else:
                        self._begin(ended, following)
                self._fill(lane)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for failover in [*(each.failover for each in self.lanes), *(f for _, f in self._spare)]:
                failover.close()

    def _begin(self, lane: Lane, attempt: Attempt) -> None:
        """Ask for as much as the channel makes; the rest is somebody else's."""
        size = attempt.channel.maximum_count
        if size < len(lane.indices):
            rest = lane.indices[size:]
            lane.indices = lane.indices[:size]
            self._spare.append((rest, lane.failover.branch(len(rest))))
        self._tasks[asyncio.ensure_future(self._lived(lane, attempt))] = lane

    def _fill(self, like: Lane) -> None:
        """Begin what is left, as far as channels and the limit allow it."""
        while self._spare and len(self._tasks) < SHARDS_AT_ONCE:
            indices, failover = self._spare.popleft()
            first = failover.next_channel(self._now())
            if isinstance(first, Stop) and _is_full(first) and self._tasks:
                # A shard that ends makes room.
                self._spare.appendleft((indices, failover.branch(len(indices))))
                failover.close()
                return
            lane = Lane(like.ask, like.live, like.course, failover, indices, shard=len(self.lanes))
            self.lanes.append(lane)
            if isinstance(first, Stop):
                lane.error = explain(first)
                failover.close()
            elif like.live.cancel_asked:
                lane.error = explained(Reason.CANCELLED)
                failover.close()
            else:
                self._begin(lane, first)

    async def _lived(self, lane: Lane, attempt: Attempt) -> Attempt | None:
        try:
            return await self._follow(lane, attempt)
        except GatewayError as error:
            lane.error = error
            return None


def _is_full(stop: Stop) -> bool:
    return stop.unroutable is not None and stop.unroutable.why is Why.FULL


def merged(lanes: list[Lane]) -> Made:
    """What all lanes made; raises the most useful of their errors when that is nothing."""
    made = [each for lane in lanes for each in lane.made]
    course = lanes[0].course
    if not made:
        errors = [lane.error for lane in lanes if lane.error is not None]
        raise most_useful(errors, len(course.records))
    if course.asked == 1:
        return made[0]
    made.sort(key=lambda each: min(each.indices))
    outputs = [pair for each in made for pair in each.outputs]
    outputs.sort(key=lambda pair: pair[0].output_index)
    kept = [item for each in made for item in each.kept]
    finals = gapless([final for final, _ in outputs], {item.record.output_index for item in kept})
    return Made(
        made[0].channel,
        tuple(zip(finals, [found for _, found in outputs], strict=True)),
        together([each.report for each in made]),
        tuple(kept),
    )
