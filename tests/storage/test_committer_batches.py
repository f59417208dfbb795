"""What goes together into one flush, without a database."""

import asyncio
from collections.abc import Sequence

import pytest

from storage.commits import Commit, Committed
from storage.committer import Committer, _Entry

_TURNS = 3


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commits each flush had; each takes some turns of the loop."""
    sizes: list[int] = []

    async def counted(_: Committer, entries: Sequence[_Entry]) -> None:
        sizes.append(len(entries))
        for _turn in range(_TURNS):
            await asyncio.sleep(0)
        for entry in entries:
            entry.verdict.set_result(Committed(()))

    monkeypatch.setattr(Committer, "_flush", counted)
    return sizes


async def committed(committer: Committer, turns: int) -> None:
    """A commit whose caller comes to it some turns of the loop later."""
    for _ in range(turns):
        await asyncio.sleep(0)
    await committer.commit(Commit(()))


async def test_who_comes_during_a_flush_shares_the_next(flushes: list[int]) -> None:
    async with Committer("postgresql://nowhere", ()) as committer, asyncio.timeout(5):
        await asyncio.gather(*[committed(committer, turns) for turns in (0, 0, 1, 2, 3)])
    assert flushes == [2, 3]


async def test_an_idle_committer_waits_for_nobody(flushes: list[int]) -> None:
    async with Committer("postgresql://nowhere", ()) as committer, asyncio.timeout(5):
        await asyncio.gather(*[committed(committer, turns) for turns in (0, 6)])
    assert flushes == [1, 1]
