"""A watcher who hangs up after every event, asks another process each time, and outlives one."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest

from tests import books
from tests.fix_gateway import eventually
from tests.fix_postgres import scratch_folder
from tests.job_fleet import UNREACHABLE, Member, VideoModel, running_job_fleet, videos_of
from tests.role_processes import launch, wait_until_ready

pytestmark = pytest.mark.prove

MODEL = VideoModel("video-watched", sla_seconds=300, job_seconds=300)
FIRST = MODEL.channels[0]
SECONDS = 60
TERMINAL = frozenset({"completed", "failed"})


@pytest.fixture
def fleet(database_url):
    with scratch_folder() as folder, running_job_fleet(folder, database_url, [MODEL]) as fleet:
        yield fleet


async def next_event(videos, id_, after):
    """(number, name) of the first event after *after*; None when there is none to come (204).

    Raises ConnectionError for a watch that was cut: it must say so, by an error or by breaking off.
    """
    url = f"{videos.url}/api/v1/generations/{id_}:watch"
    headers = {"authorization": f"Bearer {videos.key}", "last-event-id": str(after)}
    number = 0
    async with videos.session.get(url, headers=headers) as response:
        if response.status == 204:
            return None
        if response.status == 503:  # a bridge whose core is gone
            raise ConnectionError
        assert response.status == 200
        async for raw in response.content:
            line = raw.decode().strip()
            if line.startswith("id: "):
                number = int(line.removeprefix("id: "))
            elif line.startswith("event: "):
                return number, line.removeprefix("event: ")
            elif line.startswith('data: {"error"'):
                raise ConnectionError
    raise AssertionError("a clean end without a terminal event")


def bridge_of(fleet, member):
    """A bridge of a process of its own, over gRPC."""
    core = f"127.0.0.1:{member.role.port('grpc')}"
    role = launch("bridge", fleet.folder / "logs", {"REAPI_CORE": core})
    fleet.stack.callback(role.kill)
    wait_until_ready(role, "rest")
    return Member(role, f"http://127.0.0.1:{role.port('rest')}")


@pytest.mark.parametrize("kill", ["after an event", "never"])
async def test_a_watch_is_resumed_from_process_to_process_without_a_gap(fleet, kill):
    fleet.upstreams.settings(queue_ms=0, run_ms=4_000)
    owner, other = (fleet.start(REAPI_PUBLIC_URL=UNREACHABLE) for _ in range(2))
    _, key = fleet.account(owner)
    async with AsyncExitStack() as stack:
        one, two, *bridged = [
            await stack.enter_async_context(videos_of(member, key))
            for member in (owner, other, *(bridge_of(fleet, core) for core in (owner, other)))
        ]
        id_ = await one.create(MODEL.name)
        await eventually(lambda: fleet.made(FIRST) == 1)
        alive, seen, turn = [one, two, *bridged], [], 0
        async with asyncio.timeout(SECONDS):
            while not seen or seen[-1][1] not in TERMINAL:
                if kill != "never" and one in alive and seen:
                    owner.kill()
                    alive.remove(one)
                turn += 1
                try:
                    found = await asyncio.wait_for(
                        next_event(alive[turn % len(alive)], id_, seen[-1][0] if seen else 0), 15
                    )
                except (aiohttp.ClientError, ConnectionError):
                    await asyncio.sleep(0.1)
                    continue
                except TimeoutError:  # nothing new for a while: it is adopted after some seconds
                    continue
                assert found is not None, "a clean end without a terminal event"
                seen.append(found)
        again = [await next_event(videos, id_, seen[-1][0]) for videos in (two, bridged[1])]

    numbers, names = [number for number, _ in seen], [name for _, name in seen]
    assert numbers == sorted(set(numbers))
    assert names[-1] == "completed"
    epochs = {number >> 32 for number in numbers}
    assert len(epochs) == (1 if kill == "never" else 2)
    assert names.count("accepted") == len(epochs)
    assert 1 <= names.count("attempt") <= len(epochs)  # rows tell who served once it has ended
    assert (names.count("output"), names.count("usage")) == (1, 1)
    assert sum(name in TERMINAL for name in names) == 1
    assert again == [None, None]
    with fleet.database() as connection:
        books.assert_right(connection)
