import time

import pytest
from multidict import CIMultiDict

from core.errors import Fault
from core.providers.faults import fault_of, retry_after

NOW = 1_763_750_000.0  # 21 Nov 2025 18:33:20 UTC


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.BAD_REQUEST),
        (401, Fault.AUTH),
        (402, Fault.QUOTA),
        (403, Fault.AUTH),
        (404, Fault.NOT_FOUND),
        (408, Fault.SERVER_ERROR),
        (409, Fault.SERVER_ERROR),
        (413, Fault.BAD_REQUEST),
        (415, Fault.BAD_REQUEST),
        (422, Fault.BAD_REQUEST),
        (429, Fault.RATE_LIMITED),
        (500, Fault.SERVER_ERROR),
        (502, Fault.SERVER_ERROR),
        (503, Fault.OVERLOADED),
        (504, Fault.TIMEOUT),
        (524, Fault.TIMEOUT),
        (529, Fault.OVERLOADED),
        (301, Fault.INVALID_RESPONSE),
        (101, Fault.INVALID_RESPONSE),
        (999, Fault.INVALID_RESPONSE),
    ],
)
def test_a_status_has_one_meaning(status: int, fault: Fault) -> None:
    assert fault_of(status) is fault


def test_every_status_has_a_meaning() -> None:
    assert all(isinstance(fault_of(status), Fault) for status in range(1_000))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "Fri, 21 Nov 2025 18:34:20 GMT"}, 60.0),
        ({"Retry-After": "Fri, 21 Nov 2025 18:34:20 -0000"}, 60.0),
        ({"Retry-After": "Fri, 21 Nov 2025 18:32:20 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "Fri, 99 Nov 2025 18:34:20 GMT"}, None),
        ({"retry-after-ms": "nan", "retry-after": "2"}, 2.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12ms"}, 0.012),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "later"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": ""}, None),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1s"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "2s",
            },
            2.0,
        ),
    ],
)
def test_the_wait_a_provider_asks_for_is_understood(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(CIMultiDict(headers), NOW) == (
        None if seconds is None else pytest.approx(seconds)
    )


def test_a_date_without_a_zone_is_not_in_the_zone_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers = {"retry-after": "Fri, 21 Nov 2025 18:34:20 -0000"}
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST5")
        time.tzset()
        found = retry_after(headers, NOW)
    time.tzset()

    assert found == pytest.approx(60.0)
