"""GET /api/v1/tasks/{id}/trace: how a task was served."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from reapi.v1 import error_reason_pb2, generation_service_pb2
from tests.bridge.scripted_core import CREATED, GENERATION_ID, NAME, FakeCore
from tests.fix_bridge import Bridge

HEX = NAME.removeprefix("generations/")
TRACE = f"/api/v1/tasks/task_{HEX}/trace"
Trace = generation_service_pb2.AttemptTrace

ATTEMPTS = [
    {
        "number": 1,
        "channel": "openai-a",
        "state": "failed",
        "fault": "rate_limited",
        "code": "upstream_overloaded",
        "phase": "first_byte",
        "http_status": 429,
        "started_ms": 0,
        "acknowledged_ms": None,
        "first_byte_ms": None,
        "ended_ms": 40,
        "standing": "probe_due",
        "candidates": 3,
        "shard": 0,
        "hedge": False,
    },
    {
        "number": 2,
        "channel": "openai-b",
        "state": "done",
        "fault": None,
        "code": None,
        "phase": "done",
        "http_status": 200,
        "started_ms": 41,
        "acknowledged_ms": 300,
        "first_byte_ms": 310,
        "ended_ms": 320,
        "standing": "healthy",
        "candidates": 3,
        "shard": 1,
        "hedge": True,
    },
]


def at(milliseconds: int) -> Timestamp:
    return Timestamp(seconds=CREATED, nanos=milliseconds * 1_000_000)


def served(fake_core: FakeCore) -> None:
    """One channel failed, the next one delivered."""
    found = fake_core.explanation
    found.attempts.add(
        number=1,
        channel="openai-a",
        state=Trace.STATE_FAILED,
        fault="rate_limited",
        phase="first_byte",
        http_status=429,
        start_time=at(0),
        end_time=at(40),
        reason=error_reason_pb2.ERROR_REASON_UPSTREAM_OVERLOADED,
        standing="probe_due",
        candidate_count=3,
    )
    found.attempts.add(
        number=2,
        channel="openai-b",
        state=Trace.STATE_DONE,
        phase="done",
        http_status=200,
        start_time=at(41),
        acknowledge_time=at(300),
        first_byte_time=at(310),
        end_time=at(320),
        standing="healthy",
        candidate_count=3,
        shard=1,
        hedge=True,
    )
    found.price.catalogue_version = "ab" * 32
    found.price.quoted_micros = 14_500
    found.price.charged_micros = 7_000
    found.price.requested_count = 2
    found.price.delivered_count = 1
    found.price.duration.FromMilliseconds(5_042)
    found.price.size = "1024x1024"


async def test_a_trace_tells_attempts_in_milliseconds_since_the_acceptance(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    served(fake_core)

    answer = await bridge.http.get(TRACE)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-reapi-generation"] == GENERATION_ID
    body = answer.json()
    assert body["id"] == f"task_{HEX}"
    assert body["created_at"] == CREATED
    assert body["attempts"] == ATTEMPTS
    assert body["price"] == {
        "catalogue_version": "ab" * 32,
        "quoted_credits": "14.5",
        "charged_credits": "7",
        "requested_count": 2,
        "delivered_count": 1,
        "duration_ms": 5042,
        "size": "1024x1024",
        "quality": None,
    }


async def test_what_is_not_known_yet_is_null(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.explanation.attempts.add(
        number=1, channel="openai-a", state=Trace.STATE_SUBMITTING, start_time=at(2)
    )
    fake_core.library[0].ClearField("end_time")
    fake_core.library[0].state = fake_core.library[0].STATE_RUNNING

    body = (await bridge.http.get(TRACE)).json()

    assert (body["status"], body["ended_ms"], body["error"]) == ("processing", None, None)
    (attempt,) = body["attempts"]
    unknown = ("fault", "code", "phase", "http_status", "acknowledged_ms", "ended_ms", "standing")
    assert [attempt[name] for name in unknown] == [None] * len(unknown)
    assert body["price"]["charged_credits"] is None


@pytest.mark.parametrize("id_", [HEX, f"task_{HEX}", f"gen_{HEX}", f"video_{HEX}"])
async def test_any_rendering_of_an_id_is_traced(
    bridge: Bridge, fake_core: FakeCore, id_: str
) -> None:
    answer = await bridge.http.get(f"/api/v1/tasks/{id_}/trace")

    assert answer.status_code == 200
    assert fake_core.requests[-1].name == f"generations/{id_}"


async def test_a_task_that_is_not_there_has_no_trace(bridge: Bridge) -> None:
    answer = await bridge.http.get(f"/api/v1/tasks/task_{'0' * 32}/trace")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "generation_not_found")


async def test_a_trace_needs_a_key(bridge: Bridge) -> None:
    answer = await bridge.http.get(TRACE, headers={"authorization": "Bearer rk_live_bad"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


async def test_the_transcoded_route_tells_the_same(bridge: Bridge, fake_core: FakeCore) -> None:
    served(fake_core)

    answer = await bridge.http.get(f"/api/v1/{NAME}:explain")

    first = answer.json()["attempts"][0]
    assert (first["fault"], first["reason"]) == (
        "rate_limited",
        "ERROR_REASON_UPSTREAM_OVERLOADED",
    )
    assert first["candidate_count"] == 3
    assert answer.json()["price"]["quoted_micros"] == "14500"
