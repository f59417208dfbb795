"""A session is told by a short name of its browser, made of words of ours."""

import pytest

from accounts.browsers import browser_of

GECKO = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36"
)
EDGE = f"{CHROME} Edg/126.0.0.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (GECKO, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (EDGE, "Edge on Windows"),
        (IPHONE, "Safari on iPhone"),
        ("grpc-python/1.66 grpc-c/43 (linux; chttp2)", "Python on Linux"),
        ("grpc-go/1.66", "Go"),
        ("curl/8.5.0", "curl"),
        ("", ""),
        ("alice@example.com likes secrets", ""),
    ],
)
def test_a_header_becomes_a_name_that_people_know(header, name):
    assert browser_of(header).name == name


def test_no_text_of_the_header_is_kept():
    name = browser_of(f"{GECKO} token-3f9a\n<script>").name

    assert name == "Firefox on Linux"


def test_a_header_without_end_is_read_for_its_beginning_only():
    assert browser_of("x" * 1_000_000 + "Firefox/1").name == ""


def test_every_name_fits_its_column():
    from accounts.browsers import _PROGRAMS, _SYSTEMS

    longest = max(len(f"{p} on {s}") for _, p in _PROGRAMS for _, s in _SYSTEMS)
    assert longest <= 60
