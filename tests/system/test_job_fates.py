"""Jobs at a provider whose answers get lost, that fail, that are cancelled: one job, one charge."""

import pytest

from tests import books
from tests.fix_gateway import eventually
from tests.fix_postgres import database, scratch_folder
from tests.job_fleet import (
    MANY_CREDITS,
    PRICE,
    TASK,
    TASKS,
    UNREACHABLE,
    VideoModel,
    reason_of,
    running_job_fleet,
    videos_of,
)

pytestmark = pytest.mark.prove

SLA_SECONDS = 4
MARGIN_SECONDS = 4
"""How much later than its deadline a job may be given up here."""
LIST = f"GET {TASKS}"
SUBMIT = f"POST {TASKS}"

MODELS = [
    VideoModel("video-plain"),
    VideoModel("video-lost"),
    VideoModel("video-half"),
    VideoModel("video-blind", sla_seconds=SLA_SECONDS),
    VideoModel("video-endless", job_seconds=1, sla_seconds=SLA_SECONDS),
    VideoModel("video-unseen"),
    VideoModel("video-broken"),
    VideoModel("video-both"),
    VideoModel("video-refused"),
    VideoModel("video-refused-late"),
    VideoModel("video-down"),
    VideoModel("video-file"),
    VideoModel("video-no-file"),
    VideoModel("video-garbled"),
    VideoModel("video-queued"),
    VideoModel("video-running"),
    VideoModel("video-deleted"),
    VideoModel("video-deleted-queued"),
    VideoModel("video-called", poll_seconds=30),
]


@pytest.fixture(scope="module")
def shared_fleet_of_jobs(postgres_server):
    """One gateway; every test has a model of its own."""
    with scratch_folder() as folder:
        for url in database(postgres_server, "reapi"):
            with running_job_fleet(folder, url, MODELS) as fleet:
                member = fleet.start(REAPI_PUBLIC_URL=UNREACHABLE)
                yield fleet, member
                assert "Traceback" not in member.role.log
                assert member.role.stop() == 0


@pytest.fixture
def fleet(shared_fleet_of_jobs):
    fleet, _ = shared_fleet_of_jobs
    yield fleet
    fleet.upstreams.heal()


@pytest.fixture
async def videos(shared_fleet_of_jobs, fleet):
    """A caller with an account of its own; afterwards the books are right."""
    _, member = shared_fleet_of_jobs
    _, key = fleet.account(member)
    async with videos_of(member, key) as videos:
        yield videos
    with fleet.database() as connection:
        books.assert_right(connection)


async def test_a_video_is_one_job_and_one_charge(fleet, videos):
    found = await videos.ended(await videos.create("video-plain"))

    assert (found["state"], found["channel"]) == ("succeeded", "video-plain-a")
    assert fleet.made("video-plain-a", "video-plain-b") == 1
    assert await videos.spent() == PRICE


async def test_a_job_whose_answer_got_lost_is_found_in_the_list_and_not_made_again(fleet, videos):
    fleet.upstreams.fault("video-lost-a", kind="lost", on="submit", times=3)
    ids = [await videos.create("video-lost") for _ in range(3)]
    found = [await videos.ended(id_) for id_ in ids]

    assert [each["state"] for each in found] == ["succeeded"] * 3
    assert {each["channel"] for each in found} == {"video-lost-a"}
    assert fleet.made("video-lost-a") == 3
    assert fleet.made("video-lost-b") == 0
    assert fleet.asked("video-lost-a", LIST) > 0
    assert await videos.spent() == 3 * PRICE


async def test_a_submit_that_hangs_after_the_bytes_left_is_found_in_the_list(fleet, videos):
    fleet.upstreams.fault("video-half-a", kind="hang", after=1, on="submit", times=1)
    found = await videos.ended(await videos.create("video-half"))

    assert (found["state"], found["channel"]) == ("succeeded", "video-half-a")
    assert fleet.made("video-half-a", "video-half-b") == 1
    assert await videos.spent() == PRICE


async def test_what_cannot_be_found_out_ends_at_the_deadline_without_a_second_job(fleet, videos):
    fleet.upstreams.fault("video-blind-a", kind="hang", after=1, on="submit")
    id_ = await videos.create("video-blind")
    await eventually(lambda: fleet.made("video-blind-a") == 1)
    fleet.upstreams.fault("video-blind-a", kind="status", status=500)

    unsure = await videos.reaches(id_, lambda found: "fate_unknown_since" in found)
    held = (await videos.balance())["held"]
    found = await videos.ended(id_, SLA_SECONDS + MARGIN_SECONDS)

    assert (unsure["state"], held) == ("STATE_RUNNING", str(PRICE))
    assert found["state"] == "failed"
    assert fleet.made("video-blind-a", "video-blind-b") == 1
    assert await videos.spent() == 0
    fleet.upstreams.heal("video-blind-a")
    assert (await videos.ended(id_))["state"] == "failed"


async def test_a_job_that_never_ends_is_given_up_at_the_deadline(fleet, videos):
    fleet.upstreams.fault("video-endless-a", kind="job_hangs")
    found = await videos.ended(await videos.create("video-endless"), SLA_SECONDS + MARGIN_SECONDS)

    assert (found["state"], reason_of(found)) == ("failed", "UPSTREAM_TIMEOUT")
    assert fleet.made("video-endless-a", "video-endless-b") == 1
    assert await videos.spent() == 0


@pytest.mark.parametrize(
    "fault",
    [{"kind": "status", "status": 500}, {"kind": "garbage"}, {"kind": "hang"}, {"kind": "reset"}],
    ids=lambda fault: fault["kind"],
)
async def test_a_look_that_fails_ends_nothing(fleet, videos, fault):
    before = fleet.made("video-unseen-a", "video-unseen-b")
    fleet.upstreams.fault("video-unseen-a", **fault, on="poll", times=1)
    found = await videos.ended(await videos.create("video-unseen"))

    assert (found["state"], found["channel"]) == ("succeeded", "video-unseen-a")
    assert fleet.made("video-unseen-a", "video-unseen-b") == before + 1
    assert await videos.spent() == PRICE


async def test_a_job_that_fails_is_made_on_the_next_channel_and_charged_once(fleet, videos):
    fleet.upstreams.fault("video-broken-a", kind="job_fails", times=1)
    found = await videos.ended(await videos.create("video-broken"))

    assert (found["state"], found["channel"]) == ("succeeded", "video-broken-b")
    assert found["attempt_count"] == 2
    assert fleet.made("video-broken-a") == 1
    assert fleet.made("video-broken-b") == 1
    assert await videos.spent() == PRICE


async def test_jobs_that_fail_everywhere_cost_nothing(fleet, videos):
    for channel in ("video-both-a", "video-both-b"):
        fleet.upstreams.fault(channel, kind="job_fails")
    found = await videos.ended(await videos.create("video-both"))

    assert (found["state"], reason_of(found)) == ("failed", "UPSTREAM_ERROR")
    assert await videos.balance() == {"credits": MANY_CREDITS, "held": "0"}


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("video-refused", "moderation_blocked"),
        ("video-refused-late", "moderation_blocked_output"),
    ],
)
async def test_what_is_refused_is_asked_nowhere_else_and_costs_nothing(
    fleet, videos, model, prompt
):
    found = await videos.ended(await videos.create(model, prompt=prompt))

    assert (found["state"], reason_of(found)) == ("failed", "CONTENT_POLICY_VIOLATION")
    assert fleet.asked(f"{model}-b", SUBMIT) == 0
    assert await videos.spent() == 0


async def test_a_submit_that_is_refused_or_cannot_connect_goes_to_the_next_channel(fleet, videos):
    for number, fault in enumerate(({"kind": "status", "status": 429}, {"kind": "refuse"})):
        fleet.upstreams.fault("video-down-a", **fault)
        found = await videos.ended(await videos.create("video-down"))

        assert (found["state"], found["channel"]) == ("succeeded", "video-down-b")
        assert fleet.made("video-down-a") == 0
        assert fleet.made("video-down-b") == number + 1
    assert await videos.spent() == 2 * PRICE


@pytest.mark.parametrize(
    "fault",
    [{"kind": "status", "status": 503}, {"kind": "cut", "after": 5_000}, {"kind": "reset"}],
    ids=lambda fault: fault["kind"],
)
async def test_a_result_that_is_hard_to_fetch_is_fetched_again_and_not_made_again(
    fleet, videos, fault
):
    before = fleet.made("video-file-a", "video-file-b")
    fleet.upstreams.fault("video-file-a", **fault, on="file", times=1)
    found = await videos.ended(await videos.create("video-file"))

    assert (found["state"], found["channel"]) == ("succeeded", "video-file-a")
    assert fleet.made("video-file-a", "video-file-b") == before + 1
    assert await videos.spent() == PRICE


async def test_a_result_that_cannot_be_fetched_is_not_charged_twice(fleet, videos):
    """Whether it fails or is made elsewhere is the policy's; it ends, and the books are right."""
    fleet.upstreams.fault("video-no-file-a", kind="status", status=404, on="file")
    found = await videos.ended(await videos.create("video-no-file"), 60)

    assert fleet.made("video-no-file-a") == 1
    assert await videos.spent() == (PRICE if found["state"] == "succeeded" else 0)


async def test_an_end_without_a_result_goes_to_the_next_channel(fleet, videos):
    fleet.upstreams.fault("video-garbled-a", kind="empty", on="poll")
    found = await videos.ended(await videos.create("video-garbled"))

    assert (found["state"], found["channel"]) == ("succeeded", "video-garbled-b")
    assert fleet.made("video-garbled-a") == 1
    assert await videos.spent() == PRICE


async def test_a_queued_job_is_cancelled_and_costs_nothing(fleet, videos):
    fleet.settings_of("video-queued-a", queue_ms=60_000)
    id_ = await videos.create("video-queued")
    await eventually(lambda: fleet.made("video-queued-a") == 1)
    await videos.cancel(id_)
    found = await videos.ended(id_)

    assert found["state"] == "cancelled"
    assert [job.status for job in fleet.jobs("video-queued-a")] == ["cancelled"]
    assert fleet.made("video-queued-b") == 0
    assert await videos.spent() == 0


async def test_a_running_job_cannot_be_cancelled_finishes_and_is_charged(fleet, videos):
    fleet.settings_of("video-running-a", queue_ms=0, run_ms=2_000)
    id_ = await videos.create("video-running")
    await eventually(lambda: any(job.status == "running" for job in fleet.jobs("video-running-a")))
    await videos.cancel(id_)
    found = await videos.ended(id_)

    assert found["state"] == "succeeded"
    assert fleet.made("video-running-a", "video-running-b") == 1
    assert await videos.spent() == PRICE


def stored(fleet, id_):
    """The files of a generation's outputs."""
    return [path for path in fleet.bucket.rglob("*") if path.is_file() and id_ in str(path)]


async def test_outputs_of_a_job_that_was_deleted_meanwhile_are_deleted_on_arrival(fleet, videos):
    kept = await videos.create("video-deleted")
    await videos.ended(kept)
    fleet.settings_of("video-deleted-a", queue_ms=0, run_ms=2_000)
    id_ = await videos.create("video-deleted")
    await eventually(lambda: any(job.status == "running" for job in fleet.jobs("video-deleted-a")))
    await videos.delete(id_)
    status, _ = await videos.send("GET", f"/api/v1/generations/{id_}")

    def unfinished():
        with fleet.database() as connection:
            return books.unfinished(connection)

    await eventually(lambda: not unfinished())
    await eventually(lambda: not stored(fleet, id_))
    assert status == 404
    assert stored(fleet, kept)
    assert (await videos.send("GET", f"/api/v1/generations/{id_}"))[0] == 404
    assert fleet.made("video-deleted-a", "video-deleted-b") == 2
    assert await videos.spent() == 2 * PRICE


async def test_a_queued_job_that_is_deleted_is_cancelled_and_costs_nothing(fleet, videos):
    fleet.settings_of("video-deleted-queued-a", queue_ms=60_000)
    id_ = await videos.create("video-deleted-queued")
    await eventually(lambda: fleet.made("video-deleted-queued-a") == 1)
    await videos.delete(id_)

    def cancelled():
        return [job.status for job in fleet.jobs("video-deleted-queued-a")] == ["cancelled"]

    await eventually(cancelled)

    def unfinished():
        with fleet.database() as connection:
            return books.unfinished(connection)

    await eventually(lambda: not unfinished())
    assert await videos.spent() == 0


async def test_a_callback_brings_the_next_look_forward_and_nothing_else(fleet):
    member = fleet.start()
    _, key = fleet.account(member)
    async with videos_of(member, key) as videos:
        found = await videos.ended(await videos.create("video-called"), 10)
        spent = await videos.spent()
        forged, _ = await videos.send("POST", f"/callbacks/video-called-a/{'0' * 64}", {})

    assert (found["state"], spent) == ("succeeded", PRICE)
    assert fleet.asked("video-called-a", f"GET {TASK}") > 0
    assert forged == 404
    assert member.role.stop() == 0
