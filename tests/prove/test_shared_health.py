"""Two real gateways on one database: what one finds out about a channel, the other knows."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from storage.embedded import EmbeddedPostgres
from tests.fix_fleet import CREDENTIAL, Spec, Upstreams, running_upstreams, upstream_names
from tests.fix_postgres import database, scratch_folder
from tests.job_fleet import JobFleet, Member, VideoModel, running_job_fleet
from tests.patience import wait_until
from tests.prove_options import Figure

pytestmark = [pytest.mark.prove, pytest.mark.alone]

SHARED = Spec("shared", ("shared", "good"))
TWO_KEYS = Spec("two-keys", ("two-keys", "good"))
ROTATED = Spec("rotated", ("rotated", "good"))
SPENT = Spec("spent", ("spent", "good"))
HUNG = Spec("hung", ("hung", "good"))
SPECS = (SHARED, TWO_KEYS, ROTATED, SPENT, HUNG)
SECOND = 1.0
RELOAD_SECONDS = 20.0
STATE = 'reapi_channel_state{{channel="{channel}",operation="image.generate"}}'
KEYS = """
[channels.two-keys-0]
credentials = [{ env = "WRONG_KEY" }, { env = "FLEET_KEY" }]

[channels.rotated-0]
credentials = [{ file = "rotated.key" }]
"""


@dataclass
class Pair:
    """Two gateways and the upstreams that they share."""

    fleet: JobFleet
    images: Upstreams
    members: tuple[Member, Member]
    key: str = field(repr=False)

    def make(self, number: int, model: Spec, only: str = "") -> httpx.Response:
        """One image by a member."""
        headers = {"authorization": f"Bearer {self.key}"}
        if only:
            headers["x-reapi-routing"] = f"only={only}"
        url = f"{self.members[number].url}/v1/images/generations"
        asked = {"model": model.name, "prompt": "a cat"}
        return httpx.post(url, json=asked, headers=headers, timeout=30)

    def made_by(self, number: int, model: Spec, only: str = "") -> str:
        """The channel that made it."""
        answer = self.make(number, model, only)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-reapi-channel"]

    def state(self, number: int, channel: str) -> int | None:
        """How a channel stands for a member: 0 healthy, 1 ejected; None: it knows nothing."""
        text = httpx.get(f"{self.members[number].url}/metrics", timeout=20).text
        name = STATE.format(channel=channel)
        found = [line for line in text.splitlines() if line.startswith(name)]
        return int(float(found[0].rsplit(" ", 1)[1])) if found else None


@pytest.fixture(scope="module")
def pair(postgres_server: EmbeddedPostgres) -> Iterator[Pair]:
    for database_url in database(postgres_server, "reapi"):
        yield from _pair(database_url)


def _pair(database_url: str) -> Iterator[Pair]:
    with scratch_folder() as folder:
        (folder / "rotated.key").write_text("sk-wrong-0123456789")
        for images in running_upstreams(upstream_names(SPECS)):
            overlays = _overlays(folder, images)
            catalogue = ":".join(str(file) for file in (folder / "fleet.toml", *overlays))
            with running_job_fleet(
                folder,
                database_url,
                [VideoModel("unused")],
                REAPI_CATALOGUE=catalogue,
                WRONG_KEY="sk-wrong-9876543210",
            ) as fleet:
                members = (fleet.start(), fleet.start())
                _, key = fleet.account(members[0])
                yield Pair(fleet, images, members, key)
                assert not [each for each in members if "Traceback" in each.role.log]


def _overlays(folder: Path, images: Upstreams) -> list[Path]:
    pictures, keys = folder / "pictures.toml", folder / "keys.toml"
    pictures.write_text("\n".join(spec.toml(images.base_urls) for spec in SPECS), "utf-8")
    keys.write_text(KEYS, "utf-8")
    return [pictures, keys]


def test_an_ejection_in_one_process_steers_the_other_within_a_second(
    pair: Pair, figure: Figure
) -> None:
    assert pair.made_by(1, SHARED) == "shared-0"
    pair.images.fault("shared", kind="status", status=500)
    for _ in range(3):
        assert pair.made_by(0, SHARED) == "shared-good"
    heard = wait_until(lambda: pair.state(1, "shared-0") == 1, SECOND)
    before = pair.images.calls("shared")

    assert pair.made_by(1, SHARED) == "shared-good"
    assert pair.images.calls("shared") == before, "it was not asked"

    # Pinned to it, a request is sent there all the same; it tells that the channel is well again.
    pair.images.heal("shared")
    assert pair.made_by(0, SHARED, only="shared-0") == "shared-0"
    recovered = wait_until(lambda: pair.state(1, "shared-0") == 0, SECOND)
    assert pair.made_by(1, SHARED) == "shared-0"
    figure("an ejection is known to the other process, ms", [heard * 1000])
    figure("a recovery is known to the other process, ms", [recovered * 1000])


def of_two_keys(pair: Pair, kind: str) -> list[dict[str, object]]:
    """What the first process has logged of that channel."""
    events = pair.members[0].role.events(kind)
    return [event for event in events if event["channel"] == "two-keys-0"]


def test_a_refused_credential_is_left_alone_and_the_channel_goes_on(pair: Pair) -> None:
    assert [pair.made_by(0, TWO_KEYS) for _ in range(6)] == ["two-keys-0"] * 6
    wait_until(lambda: of_two_keys(pair, "CredentialCooled"), 5)
    assert [each["credential"] for each in of_two_keys(pair, "CredentialCooled")] == [
        "env:WRONG_KEY"
    ]
    time.sleep(SECOND)
    before = pair.images.calls("two-keys")
    assert [pair.made_by(1, TWO_KEYS) for _ in range(6)] == ["two-keys-0"] * 6
    assert pair.images.calls("two-keys") - before == 6, "the other never tried the wrong one"
    assert not of_two_keys(pair, "ChannelEjected")


def test_a_credential_in_a_file_is_rotated_without_a_restart(pair: Pair) -> None:
    assert pair.made_by(0, ROTATED) == "rotated-good"
    assert pair.state(0, "rotated-0") == 1
    (pair.fleet.folder / "rotated.key").write_text(CREDENTIAL)

    wait_until(lambda: pair.state(0, "rotated-0") == 0, RELOAD_SECONDS)
    assert pair.made_by(0, ROTATED) == "rotated-0", "at once: what cooled was another one"


def test_a_limit_that_is_used_up_steers_before_anybody_is_refused(pair: Pair) -> None:
    pair.images.control.put("/_settings/spent", json={"requests_per_minute": 1}).raise_for_status()
    assert pair.made_by(0, SPENT) == "spent-0"
    assert [pair.made_by(0, SPENT) for _ in range(3)] == ["spent-good"] * 3
    assert pair.images.calls("spent") == 1, "no 429 was needed"
    assert pair.state(0, "spent-0") == 0
    assert [pair.made_by(1, SPENT) for _ in range(2)] == ["spent-good"] * 2, "after its own 429"


def listening(pair: Pair) -> list[int]:
    """The server's processes over which the two hear of channels."""
    asked = "SELECT pid FROM pg_stat_activity WHERE application_name = 'reapi-signals'"
    with pair.fleet.database() as connection:
        return [row[0] for row in connection.execute(asked).fetchall()]


def test_a_database_that_does_not_answer_about_channels_holds_up_nobody(pair: Pair) -> None:
    wait_until(lambda: len(listening(pair)) == 2, 10)
    backends = listening(pair)
    for backend in backends:
        os.kill(backend, signal.SIGSTOP)
    try:
        assert [pair.made_by(number, HUNG) for number in (0, 1, 0, 1)] == ["hung-0"] * 4
        pair.images.fault("hung", kind="status", status=500)
        assert [pair.made_by(0, HUNG) for _ in range(4)] == ["hung-good"] * 4
        # Over a connection that each opens instead.
        wait_until(lambda: pair.state(1, "hung-0") == 1, 10)
        assert pair.made_by(1, HUNG) == "hung-good"
    finally:
        for backend in backends:
            with suppress(ProcessLookupError):
                os.kill(backend, signal.SIGCONT)


def test_rows_name_channels_and_no_secret(pair: Pair) -> None:
    pair.made_by(0, TWO_KEYS)

    def told() -> list[str]:
        with pair.fleet.database() as connection:
            rows = connection.execute("SELECT to_jsonb(s) FROM channel_signal s").fetchall()
        return [json.dumps(row[0]) for row in rows]

    wait_until(told, 5)
    assert not [row for row in told() if "sk-" in row or "cat" in row]
