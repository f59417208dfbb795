"""Who looks at a job does so with the credential that submitted it, in whatever process."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from core.body import Secret
from core.engine.leases_memory import MemoryLeases
from core.engine.leases_sql import LeasesSql
from core.errors import Fault, UpstreamError
from core.model import AttemptState, Channel
from core.providers.wire import Call, Clear, Reply, at_any_time
from tests import job_processes
from tests.fix_commit import House, MemoryHouse
from tests.job_processes import CREDIT, SECONDS, World
from tests.scripted_jobs import A, Ark, B, operation_of, videos

KEYS = {"env:ONE": Secret("sk-one"), "env:TWO": Secret("sk-two")}
REFUSED = UpstreamError(Fault.AUTH)


class Watched(Ark):
    """Notes with which credential it is asked what."""

    def __init__(self) -> None:
        super().__init__()
        self.used: list[tuple[str, str, str]] = []

    async def call(
        self,
        call: Call,
        channel: Channel,
        budget: float | None = None,
        clear: Clear = at_any_time,
    ) -> Reply:
        name, secret = channel.credential_name, channel.credential.reveal()
        self.used.append((operation_of(call), name, secret))
        return await super().call(call, channel, budget, clear)


@pytest_asyncio.fixture
async def world(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    changes: dict[str, Any] = {
        "credential": KEYS["env:ONE"],
        "credential_name": "env:ONE",
        "credentials": KEYS,
    }
    monkeypatch.setattr(job_processes, "videos", lambda: videos(**changes))
    leases = (
        MemoryLeases(house.records, lambda: house.now_us)
        if isinstance(house, MemoryHouse)
        else LeasesSql(house.pool)
    )
    made = World(house, await house.customer(credit=CREDIT), leases, ark=Watched())
    yield made
    for process in made.processes:
        await process.engine.stop(SECONDS)


def used(world: World) -> list[tuple[str, str, str]]:
    assert isinstance(world.ark, Watched)
    return world.ark.used


async def test_an_adopter_looks_with_the_credential_that_submitted(world: World) -> None:
    world.ark.plan(A, "submit", (REFUSED,))
    world.ark.lives[A] = ["running"]
    owner, other = await world.process(), await world.process()
    await owner.begin(A, "look")
    await owner.die()
    before = len(used(world))
    assert [each[:2] for each in used(world)[:2]] == [("submit", "env:ONE"), ("submit", "env:TWO")]

    for task in world.ark.tasks[A]:
        task.states = ["succeeded"]
    assert await other.adopt() == 1
    await other.finish()
    row, attempts = await world.row()

    assert row.state == "succeeded"
    assert set(used(world)[before:]) == {("look", "env:TWO", "sk-two")}
    assert [(each.channel, each.credential) for each in attempts] == [
        (A, "env:ONE"),
        (A, "env:TWO"),
    ]
    assert world.ark.count(B, "submit") == 0
    assert [each.state for each in attempts] == [AttemptState.FAILED, AttemptState.DONE]


async def test_what_is_submitted_first_is_known_too(world: World) -> None:
    process = await world.process()
    await process.begin(A, "look")
    _, (attempt,) = await world.row()

    assert attempt.credential == "env:ONE"
    await process.finish()


async def test_looks_go_on_with_the_credential_that_took_the_others_place(world: World) -> None:
    process = await world.process()
    world.ark.lives[A] = ["running", "running", "running", "succeeded"]
    process.jobs.renewed = lambda channel: replace(channel, credential=Secret("sk-rotated"))
    await process.begin(A, "look")
    await process.finish()
    secrets = {secret for operation, _, secret in used(world) if operation == "look"}

    assert secrets == {"sk-rotated"}
