import asyncio

import orjson
import pytest

from bench.bridge import command_of
from bench.canned_ark import FILM, SECONDS, TASKS, request, task_request
from bench.gateway import GatewayError
from bench.http import Connection
from bench.load import Load, by_python
from bench.overlay import videos
from bench.rows import GROUPS, ROWS, Plan, Target, Way
from bench.upstream import HOST, Upstream
from core.mp4 import VideoProbe


async def test_the_upstream_makes_tasks_that_have_succeeded_at_the_first_look() -> None:
    async with asyncio.timeout(10), Upstream() as found:
        base_url = f"http://{HOST}:{found.port}"
        async with Connection(base_url) as connection:
            first = await connection.request("POST", TASKS, {}, task_request())
            second = await connection.request("POST", TASKS, {}, task_request())
            id_ = orjson.loads(first.body)["id"]
            shown = await connection.request("GET", f"{TASKS}/{id_}", {})
            film = await connection.request("GET", FILM, {})

    task = orjson.loads(shown.body)
    assert orjson.loads(second.body)["id"] != id_
    assert (task["status"], task["duration"]) == ("succeeded", SECONDS)
    assert task["content"]["video_url"] == f"{base_url}{FILM}"
    assert film.headers["content-type"] == "video/mp4"
    probe = VideoProbe()
    probe.feed(film.body)
    shape = probe.found
    assert shape is not None
    assert round(shape.seconds) == SECONDS


def test_the_bodies_are_json_of_one_video() -> None:
    assert orjson.loads(request())["seconds"] == str(SECONDS)
    assert orjson.loads(task_request())["duration"] == SECONDS


async def test_a_load_takes_a_path_for_each_key() -> None:
    async with asyncio.timeout(10), Upstream() as found:
        paths = (TASKS, f"{TASKS}/1")
        load = Load(f"http://{HOST}:{found.port}", b"", ["k", "l"], 2, 1.0, paths, "GET")
        run = await by_python(load)

    assert run.requests > 2
    assert run.errors == 0


def test_every_way_has_rows_and_every_row_a_group() -> None:
    assert {row.way for row in ROWS} == set(Way)
    assert {row.group for row in ROWS} | {"faults", "ledger"} == set(GROUPS)
    remote = [row for row in ROWS if row.way.is_remote]
    assert all(row.targets == (Target.REMOTE,) for row in remote)


def test_looks_at_jobs_begin_after_the_run_that_made_them() -> None:
    plan = Plan(("video",), 5, 2.0, 60, 25, 6)

    assert plan.look_seconds / 2 > plan.seconds
    assert f"poll_seconds = {plan.look_seconds}" in videos("http://x/api/v3", plan.look_seconds)


def test_a_bridge_is_started_by_the_command_that_serves() -> None:
    assert command_of(["p", "-m", "gateway", "serve", "--demo"]) == ["p", "-m", "gateway", "bridge"]
    with pytest.raises(GatewayError, match="serve"):
        command_of(["p"])
