import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Body
from core.providers.sse import EventTooLargeError, SseDecoder
from core.providers.wire import Event

TAPE = (
    b"\xef\xbb\xbfevent: first\r\n: hello\r\ndata: one\r\ndata:two\r\n\r\n"
    b"data: \xc3\xa9\n\n"
    b"event:second\rdata:  spaced\rdata\rdata:\r\r"
    b"event: without data\n\n"
    b"id: 7\nretry: 10\nunknown: x\ndata: last\n\n"
    b"data: never finished\n"
)
EVENTS = [
    Event("first", Body(b"one\ntwo")),
    Event("", Body("é".encode())),
    Event("second", Body(b" spaced\n\n")),
    Event("", Body(b"last")),
]


def decoded(*pieces: bytes, maximum: int = 10_000) -> list[Event]:
    decoder = SseDecoder(maximum)
    return [event for piece in pieces for event in decoder.feed(piece)]


def test_every_line_end_comment_and_field_of_the_standard_is_understood() -> None:
    assert decoded(TAPE) == EVENTS


def test_events_do_not_depend_on_where_the_network_cuts() -> None:
    for cut in range(len(TAPE) + 1):
        assert decoded(TAPE[:cut], TAPE[cut:]) == EVENTS, cut


def test_events_do_not_depend_on_cuts_after_every_byte() -> None:
    assert decoded(*(TAPE[at : at + 1] for at in range(len(TAPE)))) == EVENTS


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_no_bytes_whatever_are_read_differently_in_pieces(data: bytes, one: int, two: int) -> None:
    low, high = sorted((one, two))

    assert decoded(data[:low], data[low:high], data[high:]) == decoded(data)


def test_an_event_is_given_as_soon_as_its_blank_line_is_there() -> None:
    decoder = SseDecoder(100)

    assert list(decoder.feed(b"data: a\r\n\r")) == [Event("", Body(b"a"))]
    assert list(decoder.feed(b"\ndata: b\n\n")) == [Event("", Body(b"b"))]


def test_the_text_done_is_an_event_like_any_other() -> None:
    assert decoded(b"data: [DONE]\n\n") == [Event("", Body(b"[DONE]"))]


@pytest.mark.parametrize(
    "endless",
    [b"x", b"data: yyyyyyyy\n", b"data:\n", b"data: \xff", b": "],
    ids=["line", "data lines", "empty data lines", "long data", "comment"],
)
def test_an_endless_event_is_refused_with_little_kept(endless: bytes) -> None:
    with pytest.raises(EventTooLargeError):
        decoded(*[endless] * 10_001, maximum=10_000)


def test_comments_may_go_on_for_ever() -> None:
    decoder = SseDecoder(100)

    for _ in range(1_000):
        assert list(decoder.feed(b": still here\n\n")) == []


def test_many_small_events_are_not_one_large_one() -> None:
    assert len(decoded(b"data: 12345678\n\n" * 1_000, maximum=20)) == 1_000


def test_a_line_of_many_megabytes_in_small_pieces_is_put_together_once() -> None:
    piece, count = b"x" * 16_384, 512
    decoder = SseDecoder(1 << 24)
    list(decoder.feed(b"data: "))
    tracemalloc.start()
    for _ in range(count):
        list(decoder.feed(piece))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (event,) = decoder.feed(b"\n\n")

    assert len(event.data) == len(piece) * count
    # The pieces are kept as they came: had they been joined on the way, they would be here.
    assert held < 1_000_000


def test_the_data_of_an_event_is_never_shown() -> None:
    assert "secret" not in repr(decoded(b"data: secret\n\n"))
