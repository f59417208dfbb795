"""A video is a job at a provider: it is made, looked at until it ends, and paid for once."""

import asyncio
from dataclasses import replace

import pytest

from billing.ledger import Settle, Void
from core.engine.events import Progress
from core.engine.records import FinishGeneration, NoteFate, NoteJob, SubmitAttempt
from core.errors import Fault, Phase, UpstreamError
from core.model import AttemptState, GenerationState
from core.providers import JOB_DIALECTS
from core.providers.ark_videos import ArkVideos
from core.providers.jobs import Working
from reapi.v1 import generation_pb2 as resource
from storage.commits import CommitRejected, CommitUnanswered
from tests.generating import SECONDS, failed_reason, generate, kinds
from tests.jobs.following import commits_of, reached, row_of, video
from tests.scripted_jobs import FAILS, PRICE, REFUSED, WITHOUT, A, B, Clock


async def test_a_video_is_one_job_and_one_charge(channel, core):
    commits = commits_of(core)
    events = await generate(channel, video())
    done = events[-1].completed.generation
    row, (attempt,) = await row_of(core)

    assert kinds(events) == ["accepted", "attempt", "output", "usage", "completed"]
    assert done.state == resource.Generation.STATE_SUCCEEDED
    assert done.assets[0].media_type == "video/mp4"
    assert done.assets[0].uri.endswith("/0.mp4")
    assert (row.state, row.channel, row.duration_ms) == ("succeeded", A, 5000)
    assert (row.charged_micros, row.fate_unknown_since) == (5 * PRICE * 1000, None)
    assert await core.balance() == (10_000 - 5 * PRICE, 0)
    assert [type(part) for part in commits].count(Settle) == 1
    assert (attempt.state, attempt.upstream_job_id) == (AttemptState.DONE, "cgt-seedance-a-0")
    assert (attempt.http_status, attempt.phase, attempt.fault) == (200, Phase.DONE, None)
    assert attempt.acknowledged_ms <= attempt.first_byte_ms <= attempt.ended_ms
    assert core.upstream.tasks[A][0].mark == attempt.mark.hex
    assert core.upstream.count(A, "submit") == 1
    assert core.upstream.count(A, "look") == 3
    assert core.upstream.tasks[B] == []


async def test_a_job_is_on_record_while_it_runs(channel, core):
    gate = asyncio.Event()
    core.upstream.plan(A, "look", (gate,))
    running = asyncio.ensure_future(generate(channel, video()))
    await reached(core, A, "look")
    row, (attempt,) = await row_of(core)
    gate.set()
    await running

    assert (row.state, row.duration_ms) == (GenerationState.RUNNING, 5000)
    assert attempt.state is AttemptState.SUBMITTED
    assert attempt.upstream_job_id == "cgt-seedance-a-0"


class Telling(ArkVideos):
    """Tells how far a job is, by what its looks hold."""

    def state(self, reply, channel):
        body = reply.body
        percent = reply.document().get("percent")
        reply.body = body
        return super().state(reply, channel) if percent is None else Working(percent=percent)


async def test_progress_is_told_when_it_changes(channel, core, monkeypatch):
    monkeypatch.setitem(JOB_DIALECTS, "ark_videos", Telling())
    gate = asyncio.Event()
    told = [{"percent": percent} for percent in (10, 10, 60)]
    core.upstream.lives[A] = ["queued", *told, "succeeded"]
    core.upstream.plan(A, "look", (), (), (), (), (gate,))
    running = asyncio.ensure_future(generate(channel, video()))
    async with asyncio.timeout(SECONDS):
        while core.upstream.count(A, "look") < 5:
            await asyncio.sleep(0.001)
    (item,) = core.engine._live.values()
    found = await core.engine._library.find(core.account, item.id)
    shown = core.engine.with_progress(found)
    gate.set()
    events = await running

    assert [e.progress.percent for e in events if e.WhichOneof("event") == "progress"] == [10, 60]
    assert (found.progress_percent, shown.progress_percent) == (None, 60)
    ended = await core.engine._library.find(core.account, item.id)
    assert core.engine.with_progress(ended) is ended


async def test_the_progress_of_a_job_that_failed_is_not_that_of_the_next(
    core, channel, monkeypatch
):
    monkeypatch.setitem(JOB_DIALECTS, "ark_videos", Telling())
    core.upstream.lives[A] = [{"percent": 80}, FAILS]
    core.upstream.lives[B] = ["running", {"percent": 80}, "succeeded"]
    gate = asyncio.Event()
    core.upstream.plan(B, "look", (gate,))
    running = asyncio.ensure_future(generate(channel, video()))
    await reached(core, B, "look")
    (live,) = core.engine._live.values()
    between = live.percent
    gate.set()
    events = await running

    assert between is None
    assert [e.progress.percent for e in events if e.WhichOneof("event") == "progress"] == [80, 80]
    assert [type(event) for event in live.events].count(Progress) == 2


@pytest.mark.parametrize(
    ("asked", "made", "charged"),
    [(5, 5, 5), (5, 4, 4), (5, 9, 5), (-1, 7, 7), (-1, 99, 15), (-1, None, 1)],
)
async def test_the_seconds_that_were_made_are_charged_and_never_more_than_held(
    channel, core, asked, made, charged
):
    held = []
    ended = {"status": "succeeded", "content": {"video_url": "http://127.0.0.1:1/x.mp4"}}
    if made is not None:
        ended["duration"] = made
    core.upstream.lives[A] = [ended]

    async def note():
        held.append((await core.balance())[1])

    gate = asyncio.Event()
    core.upstream.plan(A, "look", (gate,))
    running = asyncio.ensure_future(generate(channel, video(asked)))
    await reached(core, A, "look")
    await note()
    gate.set()
    events = await running
    row, _ = await row_of(core)

    assert held == [(15 if asked == -1 else asked) * PRICE]
    assert events[-1].completed.generation.charged_micros == charged * PRICE * 1000
    assert await core.balance() == (10_000 - charged * PRICE, 0)
    assert row.duration_ms == (made or 1) * 1000


@pytest.mark.parametrize("fault", [*WITHOUT, Fault.RATE_LIMITED, Fault.AUTH, Fault.NOT_FOUND])
async def test_a_look_that_fails_never_ends_a_job(channel, core, fault):
    error = UpstreamError(fault, Phase.BODY)
    core.upstream.plan(A, "look", (error,), (error,), (error,), (error,), ())
    events = await generate(channel, video())

    assert kinds(events)[-1] == "completed"
    assert (core.upstream.count(A, "submit"), core.upstream.count(B, "submit")) == (1, 0)


@pytest.mark.parametrize("answer", [(200, b"<html>"), (200, {"status": "odd"}), (500, {})])
async def test_an_answer_that_is_none_ends_no_job(channel, core, answer):
    core.upstream.plan(A, "look", (answer,), (answer,))
    events = await generate(channel, video())

    assert kinds(events)[-1] == "completed"
    assert (core.upstream.count(A, "submit"), core.upstream.count(B, "submit")) == (1, 0)


async def test_a_job_that_fails_is_made_anew_on_another_channel_which_is_recorded_before(
    channel, core
):
    commits = commits_of(core)
    core.upstream.lives[A] = ["running", FAILS]
    seen = []
    core.upstream.plan(B, "submit", (lambda: seen.extend(commits),))
    events = await generate(channel, video())
    row, (first, second) = await row_of(core)
    (submitted,) = [part for part in seen if isinstance(part, SubmitAttempt)]

    assert kinds(events) == ["accepted", "attempt", "attempt", "output", "usage", "completed"]
    assert (row.channel, row.attempt_count) == (B, 2)
    assert (submitted.attempt.number, submitted.attempt.channel) == (2, B)
    assert submitted.attempt.state is AttemptState.SUBMITTING
    assert core.upstream.tasks[B][0].mark == submitted.attempt.mark.hex == second.mark.hex
    assert first.mark != second.mark
    assert (first.state, first.fault) == (AttemptState.FAILED, Fault.SERVER_ERROR)
    assert first.upstream_job_id == "cgt-seedance-a-0"
    assert second.state is AttemptState.DONE
    assert await core.balance() == (10_000 - 5 * PRICE, 0)
    assert "secret words" not in str(events)


async def test_without_its_record_a_second_job_is_not_made(channel, core):
    core.upstream.lives[A] = [FAILS]
    commit = core.committer.commit

    async def failing(commits):
        if isinstance(commits.parts[0], SubmitAttempt):  # somebody took it over just before
            (known,) = core.records.generations_by_id.values()
            known.row = replace(known.row, owner_epoch=99)
        return await commit(commits)

    core.committer.commit = failing
    events = await generate(channel, video())
    row, _ = await row_of(core)

    assert failed_reason(events[-1]) == "STILL_RUNNING"
    assert core.upstream.count(B, "submit") == 0
    assert (row.state, row.owner_epoch) == (GenerationState.RUNNING, 99)
    assert await core.balance() == (10_000, 5 * PRICE), "its new owner settles or voids"


async def test_jobs_that_fail_everywhere_cost_nothing(channel, core):
    commits = commits_of(core)
    core.upstream.lives = {A: [FAILS], B: ["running", FAILS]}
    events = await generate(channel, video())

    assert failed_reason(events[-1]) == "UPSTREAM_ERROR"
    assert [type(part) for part in commits].count(Void) == 1
    assert await core.balance() == (10_000, 0)


async def test_what_moderation_refuses_is_asked_nowhere_else(channel, core):
    core.upstream.lives[A] = ["running", {"status": "failed", **REFUSED}]
    events = await generate(channel, video())
    row, (attempt,) = await row_of(core)

    assert failed_reason(events[-1]) == "CONTENT_POLICY_VIOLATION"
    assert dict(row.metadata)["stage"] == "output"
    assert attempt.fault is Fault.CONTENT_POLICY
    assert core.upstream.count(B, "submit") == 0
    assert await core.balance() == (10_000, 0)


async def test_a_submission_that_moderation_refuses_stops_too(channel, core):
    code = {"error": {"code": "InputTextSensitiveContentDetected"}}
    core.upstream.plan(A, "submit", ((400, code),))
    events = await generate(channel, video())

    assert failed_reason(events[-1]) == "CONTENT_POLICY_VIOLATION"
    assert core.upstream.tasks == {A: [], B: []}
    assert await core.balance() == (10_000, 0)


@pytest.mark.parametrize(
    "step",
    [
        (429, {"error": {"code": "RateLimitExceeded"}}),
        (401, {}),
        (500, {}),
        UpstreamError(Fault.UNREACHABLE, Phase.CONNECT),
        UpstreamError(Fault.TIMEOUT, Phase.CONNECT),
    ],
    ids=str,
)
async def test_a_submission_that_left_no_job_goes_to_another_channel_at_once(channel, core, step):
    core.upstream.plan(A, "submit", (step,))
    events = await generate(channel, video())

    assert events[-1].completed.generation.attempt_count == 2
    assert core.upstream.count(A, "find") == 0
    assert (core.upstream.tasks[A], len(core.upstream.tasks[B])) == ([], 1)
    assert await core.balance() == (10_000 - 5 * PRICE, 0)


@pytest.mark.parametrize("settings", [{"poll_seconds": 60.0}])
async def test_a_hint_leads_to_an_early_look(channel, core, settings):
    core.upstream.lives[A] = ["running", "succeeded"]
    running = asyncio.ensure_future(generate(channel, video()))
    async with asyncio.timeout(SECONDS):
        while not core.upstream.tasks[A] or not core.engine._live:
            await asyncio.sleep(0.001)
    (id_,) = core.engine._live
    looks = []
    for number in (1, 2):
        looks.append(core.upstream.count(A, "look"))
        core.engine.hint(id_)
        async with asyncio.timeout(SECONDS):
            while core.upstream.count(A, "look") < number:
                await asyncio.sleep(0.001)
    events = await running

    assert looks == [0, 1]
    assert kinds(events)[-1] == "completed"
    core.engine.hint(id_)


async def test_a_job_that_its_provider_stops_is_made_elsewhere(channel, core):
    core.upstream.lives[A] = ["queued", "cancelled"]
    events = await generate(channel, video())

    assert events[-1].completed.generation.channel == B


async def test_the_end_of_a_job_whose_id_could_not_be_recorded_is(channel, core):
    commit = core.committer.commit

    async def failing(commits):
        if any(isinstance(part, NoteJob) for part in commits.parts):
            raise CommitUnanswered(in_doubt=False)
        return await commit(commits)

    core.committer.commit = failing
    events = await generate(channel, video())
    row, (attempt,) = await row_of(core)

    assert kinds(events)[-1] == "completed"
    assert (row.state, attempt.upstream_job_id) == ("succeeded", "cgt-seedance-a-0")


async def test_a_database_that_refuses_a_note_of_doubt_ends_no_job(channel, core, clock: Clock):
    commit = core.committer.commit

    async def failing(commits):
        if isinstance(commits.parts[0], NoteFate):
            raise CommitRejected("23514", "generation")
        return await commit(commits)

    core.committer.commit = failing
    core.upstream.plan(A, "look", (lambda: clock.jump(301.0),))
    events = await generate(channel, video())

    assert kinds(events)[-1] == "completed"


async def test_without_a_database_no_further_job_is_made_and_the_caller_is_told_why(channel, core):
    commit = core.committer.commit

    async def failing(commits):
        if isinstance(commits.parts[0], SubmitAttempt):
            raise CommitUnanswered(in_doubt=False)
        return await commit(commits)

    core.committer.commit = failing
    core.upstream.lives[A] = [FAILS]
    events = await generate(channel, video())

    assert failed_reason(events[-1]) == "STORAGE_UNAVAILABLE"
    assert core.upstream.count(B, "submit") == 0
    assert await core.balance() == (10_000, 0)


async def test_every_end_is_one_commit_that_says_all(channel, core):
    commits = commits_of(core)
    core.upstream.lives[A] = [FAILS]
    await generate(channel, video())
    (end,) = [part for part in commits if isinstance(part, FinishGeneration)]

    assert [attempt.channel for attempt in end.attempts] == [A, B]
