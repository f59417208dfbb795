"""What tests of jobs ask for, and what they look at."""

import asyncio
from typing import Any

from core.engine.records import AttemptRecord, Generation, Listing
from reapi.v1 import generation_service_pb2 as pb
from tests.fix_core import TestCore
from tests.generating import SECONDS, start
from tests.scripted_jobs import MODEL


def video(seconds: int = 5, **changes: Any) -> pb.GenerateRequest:
    """Detached: the clock of a test may run ahead of the deadline of its call."""
    asked = start(spec={"model": MODEL}, **{"detached": True, **changes})
    asked.start.spec.parameters.duration.FromSeconds(seconds)
    return asked


async def reached(core: TestCore, channel: str, operation: str) -> None:
    """Wait until the provider is asked."""
    await asyncio.wait_for(core.upstream.reached[channel, operation].wait(), SECONDS)


async def row_of(core: TestCore) -> tuple[Generation, list[AttemptRecord]]:
    """The only generation, hidden or not, and its attempts."""
    (known,) = core.records.generations_by_id.values()
    return known.row, await core.records.attempts(core.account, known.row.id)


async def listed(core: TestCore) -> list[Generation]:
    return await core.records.generations(core.account, Listing(10))


def commits_of(core: TestCore) -> list[Any]:
    """Every part that is committed from now on, with how often it was accepted."""
    seen: list[Any] = []
    commit = core.committer.commit

    async def noting(commits: Any) -> Any:
        verdict = await commit(commits)
        seen.extend(commits.parts)
        return verdict

    core.committer.commit = noting
    return seen
