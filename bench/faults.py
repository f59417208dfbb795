"""What a broken first channel costs a request: added latency over the requests before it.

Each model of the overlay has a first channel on an upstream that breaks on demand, and a
second one on the static upstream. Two requests go well on the first channel, the third
fails over; so the channel never has the faults in a row that would eject it. Where one fault
is enough to eject (a refused credential), every round has a channel of its own, and further
requests show what an ejected channel costs.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.canned import Shape, request
from bench.figures import Failover, failover
from bench.http import Answer, Connection, NoAnswerError
from bench.load import PATH
from bench.upstream import Fault, Upstream

HANG_SECONDS = 0.5
"""The first channels' deadline for the first byte."""
EJECTED = "ejected"
_AT_ONCE = frozenset({Fault.UNAUTHORIZED})
_PLAIN = 2
_SETTLED_SECONDS = 0.01


def model_of(fault: Fault, turn: int) -> str:
    """The model whose first channel breaks in round *turn*."""
    return f"bench-{fault}-{turn}" if fault in _AT_ONCE else "bench-fault"


def models(rounds: int) -> list[str]:
    """Every model that the overlay must have."""
    return list(dict.fromkeys(model_of(fault, turn) for fault in Fault for turn in range(rounds)))


@dataclass(slots=True)
class _Tally:
    plain: list[float] = field(default_factory=list)
    failed_over: list[float] = field(default_factory=list)
    ejected: list[float] = field(default_factory=list)
    errors: int = 0


async def fault_rows(
    url: str, keys: Sequence[str], broken: Upstream, rounds: Mapping[Fault, int]
) -> dict[str, Failover]:
    """Measure each fault *rounds* times, at concurrency 1."""
    rows: dict[str, Failover] = {}
    async with Connection(url) as connection:
        asker = _Asker(connection, keys[0])
        for fault, count in rounds.items():
            tally = _Tally()
            for turn in range(count):
                await _round(asker, broken, fault, model_of(fault, turn), tally)
            waited = HANG_SECONDS if fault is Fault.HANG else 0.0
            rows[fault.value] = failover(tally.plain, tally.failed_over, tally.errors, waited)
            if tally.ejected:
                rows[EJECTED] = failover(tally.plain, tally.ejected, 0)
    return rows


class _Asker:
    def __init__(self, connection: Connection, key: str) -> None:
        self._connection = connection
        self._headers = {"authorization": f"Bearer {key}"}

    async def ask(self, model: str, attempts: int, into: list[float], tally: _Tally) -> None:
        """Ask once; an answer after another number of attempts counts as an error."""
        try:
            answer = await self._send(model)
        except NoAnswerError:
            tally.errors += 1
            return
        if answer.is_good and answer.headers.get("x-reapi-attempts") == str(attempts):
            into.append(answer.seconds)
        else:
            tally.errors += 1

    async def _send(self, model: str) -> Answer:
        body = request(Shape.SMALL, model)
        return await self._connection.request("POST", PATH, self._headers, body)


async def _round(asker: _Asker, broken: Upstream, fault: Fault, model: str, tally: _Tally) -> None:
    if fault in _AT_ONCE:
        await asker.ask(model, 1, [], tally)  # a new channel's first request opens a connection
    for _ in range(_PLAIN):
        await asker.ask(model, 1, tally.plain, tally)
    await broken.break_with(fault)
    try:
        # The gateway learns by itself that its idle connections were closed.
        await asyncio.sleep(_SETTLED_SECONDS)
        await asker.ask(model, 2, tally.failed_over, tally)
        if fault in _AT_ONCE:
            await asker.ask(model, 1, tally.ejected, tally)
    finally:
        await broken.break_with(None)
