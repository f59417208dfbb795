"""/v1/videos once they are there: polled, listed, downloaded, deleted."""

import asyncio

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from reapi.v1 import generation_pb2
from tests.bridge.scripted_core import (
    CREATED,
    GENERATION_ID,
    GOOD_KEY,
    NAME,
    WAIT,
    FakeCore,
    accepted,
    generation,
    status,
)
from tests.bridge.scripted_videos import stored, video
from tests.fix_bridge import Bridge

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

URL = "/v1/videos"
HEX = NAME.removeprefix("generations/")
VIDEO_ID = f"video_{HEX}"
State = generation_pb2.Generation.State
KEYS = {
    *("id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at"),
    *("prompt", "size", "seconds", "remixed_from_video_id", "error"),
}


@pytest.fixture(autouse=True)
def _a_video(fake_core: FakeCore) -> None:
    fake_core.script = [accepted()]
    fake_core.library = [video()]


async def test_every_key_of_the_video_object_is_there(bridge: Bridge) -> None:
    found = (await bridge.http.get(f"{URL}/{VIDEO_ID}")).json()

    assert found == {
        "id": VIDEO_ID,
        "object": "video",
        "model": "seedance-2.0",
        "status": "completed",
        "progress": 100,
        "created_at": CREATED,
        "completed_at": CREATED + 60,
        "expires_at": CREATED + 86_400,
        "prompt": None,
        "size": "1280x720",
        "seconds": "5",
        "remixed_from_video_id": None,
        "error": None,
    }
    assert set(found) == KEYS


STATES = [
    (State.STATE_ACCEPTED, None, "queued", 0),
    (State.STATE_RUNNING, None, "in_progress", 0),
    (State.STATE_RUNNING, 40, "in_progress", 40),
    (State.STATE_RUNNING, 100, "in_progress", 99),
    (State.STATE_SUCCEEDED, 40, "completed", 100),
    (State.STATE_FAILED, 40, "failed", 40),
    (State.STATE_CANCELLED, None, "failed", 0),
]


async def test_only_the_four_known_statuses_are_told(bridge: Bridge, fake_core: FakeCore) -> None:
    for state, percent, shown, progress in STATES:
        fake_core.library = [video(state=state, progress_percent=percent)]

        found = await bridge.openai.videos.retrieve(VIDEO_ID)

        assert (found.status, found.progress) == (shown, progress)


async def test_a_failed_video_is_found_and_says_why(bridge: Bridge, fake_core: FakeCore) -> None:
    broken = video(state=State.STATE_FAILED, charged_micros=0)
    broken.error.CopyFrom(status("CONTENT_POLICY_VIOLATION", "Refused by the provider."))
    fake_core.library = [broken]

    raw = await bridge.openai.videos.with_raw_response.retrieve(VIDEO_ID)
    failure = raw.parse().error

    assert failure is not None
    assert (failure.code, failure.message) == ("moderation_blocked", "Refused by the provider.")
    assert raw.headers["x-reapi-credits"] == "0"

    fake_core.library = [video(state=State.STATE_CANCELLED)]
    cancelled = (await bridge.openai.videos.retrieve(VIDEO_ID)).error
    assert cancelled is not None
    assert cancelled.code == "cancelled"


DURATIONS = [((5, 0), "5"), ((5, 41_700_000), "5.042"), ((4, 500_000_000), "4.5"), ((-1, 0), None)]


async def test_seconds_are_a_text_and_null_where_nobody_knows(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    for (seconds, nanos), text in DURATIONS:
        made = video(size="")
        made.duration.seconds, made.duration.nanos = seconds, nanos
        fake_core.library = [made]

        answer = (await bridge.http.get(f"{URL}/{VIDEO_ID}")).json()

        assert (answer["seconds"], answer["size"]) == (text, None)


async def test_any_rendering_of_the_id_is_accepted_and_another_kind_is_404(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    for id_ in (VIDEO_ID, GENERATION_ID, f"task_{HEX}", HEX):
        assert (await bridge.http.get(f"{URL}/{id_}")).json()["id"] == VIDEO_ID

    fake_core.library = [generation(kind=generation_pb2.KIND_IMAGE)]
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
        for id_ in (VIDEO_ID, "video_nope", "a%2Fb"):
            answer = await bridge.http.request(method, f"{URL}/{id_}{path}")
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "generation_not_found"
    assert len(fake_core.library) == 1


def numbered(number: int, **changes: object) -> generation_pb2.Generation:
    return video(name=f"generations/{number:032x}", **changes)


async def test_the_sdk_walks_the_pages_of_a_list(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.library = [numbered(number) for number in range(7, 0, -1)]
    fake_core.library.insert(3, generation(name="generations/" + "f" * 32, kind=1))

    walked = [item.id async for item in bridge.openai.videos.list(limit=3)]
    upward = [item.id async for item in bridge.openai.videos.list(limit=3, order="asc")]

    assert walked == [f"video_{number:032x}" for number in range(7, 0, -1)]
    assert upward == walked[::-1]
    sizes = [request.page_size for request in fake_core.requests]
    assert sizes == [3] * 6


async def test_a_page_says_where_it_begins_and_ends(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.library = [numbered(2), numbered(1)]

    first = (await bridge.http.get(f"{URL}?limit=1")).json()
    second = (await bridge.http.get(f"{URL}?limit=1&after={first['last_id']}")).json()
    none = (await bridge.http.get(f"{URL}?limit=0")).json()

    assert first["object"] == "list"
    assert set(first["data"][0]) == KEYS
    assert first["first_id"] == first["last_id"] == f"video_{2:032x}"
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert second["data"][0]["id"] == f"video_{1:032x}"
    assert none == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


WRONG_QUERIES = [("order=up", "order"), ("limit=101", "limit"), ("limit=-1", "limit")]
WRONG_QUERIES += [("limit=ten", "limit"), ("after=bad", "after")]


async def test_a_wrong_query_of_a_list_is_named(bridge: Bridge) -> None:
    for query, param in WRONG_QUERIES:
        answer = await bridge.http.get(f"{URL}?{query}")

        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, param, "invalid_value")
    unknown = await bridge.http.get(f"{URL}?{'&'.join(f'a{n}=1' for n in range(101))}")
    assert unknown.json()["error"]["code"] == "malformed_request"


async def test_the_sdk_deletes_a_video(bridge: Bridge, fake_core: FakeCore) -> None:
    answer = await bridge.openai.videos.delete(VIDEO_ID)

    assert (answer.id, answer.object, answer.deleted) == (VIDEO_ID, "video.deleted", True)
    assert fake_core.library == []
    with pytest.raises(openai.NotFoundError):
        await bridge.openai.videos.delete(VIDEO_ID)


async def test_the_sdk_polls_until_the_end_and_downloads_the_file(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    running = video(state=State.STATE_RUNNING, progress_percent=50)
    fake_core.library = [running]
    fake_core.assets = {"tasks/x/y/0.mp4": b"bytes of a film"}
    client = httpx.AsyncClient(follow_redirects=True, trust_env=False, verify=False)
    sdk = AsyncOpenAI(api_key=GOOD_KEY, base_url=f"{bridge.url}/v1", http_client=client)

    async def finish() -> None:
        while not fake_core.requests:
            await asyncio.sleep(0)
        made = video()
        del made.assets[:]
        made.assets.extend([stored("image/png"), stored("video/mp4", 1)])
        made.assets[1].uri = f"{bridge.url}/media/tasks/x/y/0.mp4"
        fake_core.library = [made]

    async with client, asyncio.timeout(WAIT):
        finishing = asyncio.create_task(finish())
        made = await sdk.videos.create_and_poll(model="m", prompt="a fox runs", poll_interval_ms=10)
        await finishing
        content = await sdk.videos.download_content(made.id)

    assert made.status == "completed"
    assert content.read() == b"bytes of a film"
    # Only the files of videos are content, never the picture beside one.
    direct = await bridge.http.get(f"{URL}/{VIDEO_ID}/content?variant=video")
    assert (direct.status_code, direct.content) == (302, b"")
    assert direct.headers["location"].endswith("/media/tasks/x/y/0.mp4")


NOT_READY = [
    (State.STATE_ACCEPTED, "not ready"),
    (State.STATE_RUNNING, "not ready"),
    (State.STATE_FAILED, "failed"),
    (State.STATE_CANCELLED, "failed"),
]


async def test_content_that_is_not_there_is_a_400_that_no_sdk_retries(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    for state, words in NOT_READY:
        fake_core.library = [video(state=state)]

        with pytest.raises(openai.BadRequestError) as caught:
            await bridge.openai.with_options(max_retries=2).videos.download_content(VIDEO_ID)

        assert words in caught.value.message
        assert (caught.value.code, caught.value.param) == ("invalid_value", "video_id")
    assert len(fake_core.requests) == len(NOT_READY)


async def test_content_that_was_deleted_is_404(bridge: Bridge, fake_core: FakeCore) -> None:
    gone = video()
    del gone.assets[:]
    fake_core.library = [gone]

    answer = await bridge.http.get(f"{URL}/{VIDEO_ID}/content")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "asset_not_found")


async def test_other_variants_are_refused_by_name(bridge: Bridge) -> None:
    for variant in ("thumbnail", "spritesheet", "nope"):
        answer = await bridge.http.get(f"{URL}/{VIDEO_ID}/content?variant={variant}")

        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, "variant")
        assert "'video'" in error["message"]


UNAVAILABLE = [
    ("POST", "/edits", "input_reference"),
    ("POST", "/extensions", "input_reference"),
    ("POST", f"/{VIDEO_ID}/remix", "input_reference"),
    ("POST", "/characters", "reference_images"),
    ("GET", "/characters/char_1", "reference_images"),
]


async def test_what_no_model_can_is_refused_and_says_what_to_use(bridge: Bridge) -> None:
    for method, path, remedy in UNAVAILABLE:
        for prefix in ("/v1/videos", "/videos"):
            answer = await bridge.http.request(method, prefix + path, json={"prompt": "x"})

            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (404, "endpoint_not_available")
            assert remedy in error["message"]
