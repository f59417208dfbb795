"""Follows a task of reAPI's dialect to its end, as its callers do: by asking again."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.patience import wait_until


def ended_task(
    http: httpx.Client,
    id_: str,
    seconds: float,
    seen: Callable[[httpx.Response], None] = lambda _answer: None,
) -> dict[str, Any]:
    """The task once it has ended; *seen* is told every answer."""
    task: dict[str, Any] = {}

    def is_over() -> bool:
        nonlocal task
        answer = http.get(f"/api/v1/tasks/{id_}")
        seen(answer)
        task = answer.json()
        return bool(task["status"] != "processing")

    wait_until(is_over, seconds)
    return task
