"""The pure parts of the simulator's jobs, links and videos."""

import asyncio
import io
import time

import av
import pytest

from simulator.ark_task_request import RATIOS, SIZES, nearest_ratio, size_of
from simulator.faults import OPERATIONS, Fault, FaultBoard
from simulator.hosting import LinkRefused, Links
from simulator.jobs import Job, JobBook, TooManyJobs
from simulator.json_object import ControlError
from simulator.knobs import Knobs
from simulator.videos import VideoCache, VideoRecipe, encode

KNOBS = Knobs(queue_ms=1_000, run_ms=2_000)


def job(name: str = "a", at: float = 0.0, expires: float = 1_000.0) -> Job:
    return Job(id=name, order=None, marks={}, submitted=at, expires=at + expires)


def test_a_job_is_queued_then_runs_then_has_ended():
    one = job(at=10.0)
    JobBook().submit(one, KNOBS)

    statuses = [one.status(at) for at in (10.0, 10.9, 11.0, 12.9, 13.0, 99.0)]
    assert statuses == ["queued", "queued", "running", "running", "succeeded", "succeeded"]
    assert [one.since(at) for at in (10.5, 12.0, 99.0)] == [10.0, 11.0, 13.0]
    assert [one.next_change(at) for at in (10.0, 11.0, 13.0)] == [11.0, 13.0, None]


def test_a_job_that_hangs_expires_and_one_that_fails_does_so_late():
    hanging, failing = job("h", expires=50.0), job("f")
    failing.error = ("Code", "message")
    book = JobBook()
    book.submit(hanging, KNOBS, Fault("job_hangs"))
    book.submit(failing, KNOBS, Fault("job_fails", delay_ms=500))

    assert [hanging.status(at) for at in (2.0, 49.9, 50.0)] == ["running", "running", "expired"]
    assert [failing.status(at) for at in (3.4, 3.5)] == ["running", "failed"]


def test_a_job_that_failed_may_relent():
    one, other = job("a"), job("b")
    one.error = other.error = ("Code", "message")
    JobBook().submit(one, KNOBS, Fault("job_relents", delay_ms=500))
    JobBook().submit(other, KNOBS, Fault("job_relents"))

    assert [one.status(at) for at in (2.9, 3.0, 3.4, 3.5)] == [
        "running",
        "failed",
        "failed",
        "succeeded",
    ]
    assert [other.status(at) for at in (3.9, 4.0)] == ["failed", "succeeded"]


def test_a_cancelled_job_stays_so():
    one = job()
    JobBook().submit(one, KNOBS)
    one.cancelled_at = 0.5

    assert [one.status(at) for at in (0.4, 0.5, 99.0)] == ["queued", "cancelled", "cancelled"]
    assert one.next_change(0.6) is None


def test_only_so_many_run_at_once_and_the_others_wait_for_their_turn():
    book = JobBook()
    jobs = [job(name) for name in "abcde"]
    for one in jobs:
        book.submit(one, Knobs(queue_ms=0, run_ms=2_000, max_running=2))

    assert [one.started for one in jobs] == [0.0, 0.0, 2.0, 2.0, 4.0]
    for at in (0.0, 1.0, 2.0, 3.9, 5.0):
        assert sum(one.status(at) == "running" for one in jobs) <= 2


def test_the_book_takes_so_many_unfinished_jobs_and_remembers_so_many():
    book = JobBook(keep=3)
    limited = Knobs(queue_ms=0, run_ms=1_000, max_unfinished=2)
    book.submit(job("a"), limited)
    book.submit(job("b"), limited)
    with pytest.raises(TooManyJobs):
        book.submit(job("c"), limited)
    for number in range(10):
        book.submit(job(str(number), at=10.0 + number), limited)

    assert book.made == 12
    assert [one.id for one in book.all()] == ["7", "8", "9"]
    assert len(book._ends) <= 2
    assert len(book._places) <= 2


def test_a_fault_meets_the_operations_it_is_for():
    def met(**fields) -> set[str]:
        return {name for name in OPERATIONS if Fault(**fields).meets(name)}

    assert met(kind="status") == set(OPERATIONS) - {"file"}
    assert met(kind="lost") == {"call", "submit"}
    assert met(kind="job_hangs") == {"submit"}
    assert met(kind="cut", on="file") == {"file"}
    for wrong in ({"kind": "job_fails", "on": "poll"}, {"kind": "refuse", "on": "poll"}):
        with pytest.raises(ControlError):
            Fault(**wrong)


def test_a_call_that_a_fault_does_not_meet_does_not_count():
    board = FaultBoard(["a"])
    board.put("a", Fault("hang", times=1, on="poll"))

    assert board.take("a", "submit") is None
    assert board.take("a", "poll") is not None
    assert board.take("a", "poll") is None


def test_a_link_works_until_its_time_and_only_as_it_was_given():
    links = Links()
    links.base_url = "http://127.0.0.1:1"
    path, _, query = (
        links.link("f", "1x1-0.png", 100.0, 60).removeprefix(links.base_url).partition("?")
    )

    assert links.open(path, query, 159.9) == "1x1-0.png"
    for at, where, asked in (
        (160.0, path, query),
        (100.0, path.replace("1x1", "9x9"), query),
        (100.0, path, query.replace("Expires=60", "Expires=61")),
        (100.0, path, ""),
        (100.0, path, "X-Tos-Date=x&X-Tos-Signature=é"),
    ):
        with pytest.raises(LinkRefused):
            links.open(where, asked, at)
    with pytest.raises(LinkRefused):
        Links().open(path, query, 100.0)


def test_every_video_size_is_even_and_near_its_ratio():
    for resolution in SIZES:
        for ratio in RATIOS:
            width, height = size_of(resolution, ratio)
            across, up = map(int, ratio.split(":"))
            assert width % 2 == height % 2 == 0
            assert width / height == pytest.approx(across / up, rel=0.04)
    assert [nearest_ratio(size) for size in ((16, 9), (100, 101), (3, 4), (9, 2))] == [
        "16:9",
        "1:1",
        "3:4",
        "21:9",
    ]


@pytest.mark.parametrize(
    ("size", "seconds", "audio", "fps"),
    [((864, 480), 4, True, 24), ((1280, 720), 5, False, 24), ((1920, 1080), 5, True, 10)],
)
def test_a_video_has_its_size_duration_and_sound_and_is_cheap(size, seconds, audio, fps):
    recipe = VideoRecipe(*size, seconds, audio, 1)
    started = time.process_time()
    data = encode(recipe)
    assert time.process_time() - started < 2.0

    with av.open(io.BytesIO(data)) as video:
        (pictures,) = video.streams.video
        frames = [frame.pts for frame in video.decode(pictures)]
        assert (pictures.width, pictures.height) == size
        assert float(pictures.duration * pictures.time_base) == seconds
        assert len(frames) == recipe.fps * seconds == fps * seconds
        assert [stream.codec_context.name for stream in video.streams.audio] == ["aac"] * audio
    assert len(data) < 110_000
    assert encode(VideoRecipe(*size, seconds, audio, 2)) != data


async def test_the_videos_are_encoded_once_and_bounded():
    cache = VideoCache(max_bytes=60_000)
    recipes = [VideoRecipe(320, 240, 4, True, variant) for variant in range(6)]
    first, again = await asyncio.gather(cache.mp4(recipes[0]), cache.mp4(recipes[0]))
    assert first is again
    for recipe in recipes:
        await cache.mp4(recipe)

    assert cache._bytes == sum(map(len, cache._videos.values())) <= 60_000
    assert 1 <= len(cache._videos) < 6
    await cache.close()
