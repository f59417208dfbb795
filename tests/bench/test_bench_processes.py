import asyncio
import os
import sys
from pathlib import Path

import pytest

from bench.faults import model_of, models
from bench.nginx import configuration
from bench.processes import cores, cpu_seconds, end, machine_cpu_seconds, pin, pss_bytes, tree
from bench.upstream import Fault

_PARENT = "import subprocess as s; p = s.Popen(['sleep', '30']); print(p.pid, flush=True); p.wait()"

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux_only
async def test_a_tree_has_the_children_and_leaves_out_whole_branches() -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PARENT), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        assert child.stdout is not None
        async with asyncio.timeout(10):
            grandchild = int(await child.stdout.readline())

        assert tree(child.pid) < tree(os.getpid())
        assert child.pid not in tree(os.getpid(), without={child.pid})
        assert tree(child.pid) == {child.pid, grandchild}
        assert grandchild not in tree(os.getpid(), without={child.pid})
        if split := cores():
            pin(tree(child.pid), split[1])
            assert os.sched_getaffinity(grandchild) == {split[1]}
    finally:
        os.killpg(child.pid, 9)
        await child.wait()


@linux_only
async def test_the_time_and_memory_of_a_busy_process_are_seen() -> None:
    before, all_before = cpu_seconds({os.getpid()}), machine_cpu_seconds()
    assert before is not None
    assert all_before is not None

    while (after := cpu_seconds({os.getpid()}) or 0.0) < before + 0.3:
        sum(range(10_000))

    assert (machine_cpu_seconds() or 0.0) - all_before >= 0.2  # sampled, where ours is exact
    assert after < before + 1.5
    assert (pss_bytes({os.getpid()}) or 0) > 5 << 20


async def test_a_process_that_does_not_listen_is_made_to_end() -> None:
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-c",
            "import signal as s; s.signal(15, s.SIG_IGN); print(flush=True); s.pause()",
        ),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(10):
        await process.stdout.readline()

        assert await end(process, 0.1) == -9


def test_nginx_keeps_everything_in_memory_and_runs_as_whoever_started_it(tmp_path: Path) -> None:
    ordinary = configuration(tmp_path, "127.0.0.1:9", 8, as_root=False)

    assert "proxy_max_temp_file_size 0;" in ordinary
    assert "server 127.0.0.1:9;" in ordinary
    assert "listen 127.0.0.1:8;" in ordinary
    assert "user root" not in ordinary
    assert "user root;" in configuration(tmp_path, "127.0.0.1:9", 8, as_root=True)


def test_only_a_fault_that_ejects_at_once_needs_a_model_for_every_round() -> None:
    assert model_of(Fault.ERROR, 0) == model_of(Fault.HANG, 7)
    assert model_of(Fault.UNAUTHORIZED, 0) != model_of(Fault.UNAUTHORIZED, 1)
    assert len(models(3)) == 4
