"""What a message says is the task as the task dialect shows it."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from core.errors import Reason
from core.model import Asset, Failure, Generation, GenerationState, Kind
from core.services.convert import Converter
from core.webhooks.payload import message, task
from rest_bridge import job_answers

NOW = datetime(2026, 11, 22, 6, 30, 12, 345678, UTC)
ENDED = Generation(
    id=UUID(int=7),
    account_id=UUID(int=8),
    model="gpt-image-2",
    kind=Kind.IMAGE,
    state=GenerationState.SUCCEEDED,
    created_at=NOW,
    requested_count=1,
    quoted_micros=7,
    ended_at=NOW,
)


def shown(item: Generation) -> Any:
    """What `GET /api/v1/tasks/{id}` answers."""
    return orjson.loads(job_answers.task(Converter("https://g.test").generation(item)))


def asset(index: int, media_type: str) -> Asset:
    name = f"tasks/{ENDED.id.hex}/{'ab' * 12}/{index}.{media_type.partition('/')[2]}"
    known = {field.name for field in fields(Asset)}
    values: dict[str, Any] = {
        "name": name,
        "output_index": index,
        "media_type": media_type,
        "size_bytes": 5,
    }
    values |= {
        "sha256": bytes(32),
        "expire_at": NOW,
        "width": 1,
        "height": 1,
        "generation_id": ENDED.id,
    }
    return Asset(**{key: value for key, value in values.items() if key in known})


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("types", [(), ("image/png",), ("video/mp4", "image/png"), ("audio/mpeg",)])
def test_outputs_stand_where_the_task_has_them(kind: Kind, types: tuple[str, ...]) -> None:
    item = replace(ENDED, kind=kind, assets=tuple(asset(n, t) for n, t in enumerate(types)))

    assert task(item, "https://g.test/media/") == shown(item)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_failure_has_the_code_and_the_words_of_the_task(reason: Reason) -> None:
    item = replace(ENDED, state=GenerationState.FAILED, failure=Failure(reason, {}))

    assert task(item, "https://g.test/media/") == shown(item)


def test_a_cancelled_generation_is_a_failed_task() -> None:
    item = replace(ENDED, state=GenerationState.CANCELLED, failure=Failure(Reason.CANCELLED, {}))

    assert task(item, "") == shown(item)
    assert task(item, "")["status"] == "failed"


def test_a_message_is_a_type_a_time_and_data() -> None:
    body = message("generation.failed", "2026-11-22T06:30:12Z", {"id": "task_1"})

    assert orjson.loads(body) == {
        "type": "generation.failed",
        "timestamp": "2026-11-22T06:30:12Z",
        "data": {"id": "task_1"},
    }
