"""What answers say about rate limits: read from every form, told at every answer."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from core.model import Channel
from core.providers.driver import Driver
from core.providers.rate_limits import allowance
from core.providers.wire import Call
from tests.fix_upstream import Upstream, http
from tests.providers.asking import asked, channel, failure
from tests.providers.tapes_openai_images import ASK, answer

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"content-type": "application/json"}, None),
        (
            {"x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s"},
            (59, 1.0),
        ),
        (
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"},
            (0, 60.0),
        ),
        ({"x-ratelimit-remaining-requests": "3"}, (3, 1.0)),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12ms"}, (0, 0.012)),
        ({"x-ratelimit-remaining-tokens": "17", "x-ratelimit-reset-tokens": "9s"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "5",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "30s",
            },
            (0, 30.0),
        ),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "7"}, (0, 7.0)),
        ({"ratelimit": '"burst";r=4;t=2, "daily";r=0;t=50'}, (0, 50.0)),
        ({"ratelimit": '"default"; r=50; t=30'}, (50, 30.0)),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "1800000005"}, (1, 5.0)),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "1799999000"}, None),
        ({"retry-after": "4"}, (0, 4.0)),
        ({"retry-after-ms": "250"}, (0, 0.25)),
        ({"retry-after": "0"}, None),
        ({"retry-after": "99999"}, (0, 60.0)),
    ],
)
def test_every_form_is_read(headers: Mapping[str, str], expected: object) -> None:
    assert allowance(headers, NOW) == expected
    assert allowance(CIMultiDict({key.title(): each for key, each in headers.items()}), NOW) == (
        expected
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-remaining-requests": "-1"},
        {"x-ratelimit-remaining-requests": "many"},
        {"x-ratelimit-remaining-requests": "1" * 40},
        {"ratelimit": "r=;t="},
        {"retry-after": "soon"},
    ],
)
def test_nonsense_is_ignored(headers: Mapping[str, str]) -> None:
    assert allowance(headers, NOW) is None


_NAMES = st.sampled_from(
    [
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-remaining-tokens",
        "ratelimit-remaining",
        "ratelimit",
        "retry-after",
    ]
)


@given(st.dictionaries(_NAMES, st.text(max_size=30) | st.integers().map(str)))
def test_whatever_is_said_is_bounded(headers: Mapping[str, str]) -> None:
    said = allowance(headers, NOW)

    assert said is None or (said[0] >= 0 and 0 < said[1] <= 60)


async def test_the_driver_tells_of_every_answer_of_whatever_status(upstream: Upstream) -> None:
    told: list[tuple[str, int, float]] = []

    def hear(of: Channel, left: int, seconds: float) -> None:
        told.append((of.name, left, seconds))

    good = http(200, answer(1), headers={"ratelimit-remaining": "8", "ratelimit-reset": "3"})
    bad = http(429, b"{}", headers={"retry-after": "5"})
    upstream.plays(good, bad, http(200, answer(1)))
    async with Driver(limited=hear) as driver:
        one = channel(upstream.address)
        await asked(driver, ASK, one)
        await failure(driver, ASK, one)
        await asked(driver, ASK, one)

    assert told == [("a", 8, 3.0), ("a", 0, 5.0)]


@pytest.mark.parametrize(("method", "expected"), [("POST", [4.0]), ("GET", [])])
async def test_looks_are_another_limit(
    upstream: Upstream, method: str, expected: list[float]
) -> None:
    told: list[float] = []
    upstream.plays(http(202, b"{}", headers={"retry-after": "4"}))
    async with Driver(limited=lambda _of, _left, seconds: told.append(seconds)) as driver:
        await driver.call(Call(method, "/jobs", {}), channel(upstream.address))

    assert told == expected
