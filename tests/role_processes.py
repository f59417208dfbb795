"""The roles of the gateway as processes of their own: `reapi core` and `reapi bridge`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.patience import wait_until

ROOT = Path(__file__).parent.parent
START_SECONDS = 60
STOP_SECONDS = 20
LAST_PART = {"core": "probes", "bridge": "rest"}
"""What each role starts last: then it is ready."""
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass
class Role:
    """A running `reapi core` or `reapi bridge`."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def events(self, kind: str) -> list[dict[str, object]]:
        """What it has logged of a kind, in order."""
        lines = [line for line in self.log.splitlines() if line.startswith("{")]
        return [event for line in lines if (event := json.loads(line))["event"] == kind]

    def port(self, part: str) -> int:
        """The port of a part that has started; 0 before that."""
        ports = [event["port"] for event in self.events("Started") if event["part"] == part]
        return int(str(ports[-1])) if ports else 0

    def kill(self) -> None:
        """What a power cut does to the process."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, and wait; returns the exit code."""
        self.ask_to_stop()
        return self.process.wait(STOP_SECONDS)


def launch(
    role: str, folder: Path, environment: Mapping[str, str], module: str = "gateway"
) -> Role:
    """Start a role with nothing but *environment*; it may not be ready yet."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    log_file = folder / f"{role}-{time.monotonic_ns()}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, role],
            cwd=ROOT,
            env={**kept, "REAPI_HTTP_PORT": "0", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    return Role(process, log_file)


def wait_until_ready(started: Role, part: str) -> None:
    """Until *part* of it has started; RuntimeError, with its last words, if it ends before."""

    def is_ready() -> bool:
        if started.process.poll() is not None:
            raise RuntimeError(f"the process ended: {started.log[-2000:]}")
        return started.port(part) != 0

    wait_until(is_ready, START_SECONDS, lambda: f"it did not start: {started.log[-2000:]}")


@contextmanager
def running_role(role: str, folder: Path, **environment: str) -> Iterator[Role]:
    """Start a role and wait until it is ready; whatever is left of it is killed in the end."""
    started = launch(role, folder, environment)
    try:
        wait_until_ready(started, LAST_PART[role])
        yield started
    finally:
        if started.process.poll() is None:
            started.kill()
