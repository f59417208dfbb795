"""What streams of OpenAI's Images API mean."""

from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Final, Input, Kind, Piece, Preview, Report, Role
from core.providers.openai_images import OpenAIImages
from core.providers.wire import Event, Reply
from tests.providers.tapes_openai_images import (
    IMAGE,
    MODERATION,
    PIXEL,
    STREAMED,
    TWO,
    error,
    event,
)

CHANNEL = Channel(
    "a", "openai_images", "gpt-image-2-2026-04-21", "http://provider/v1", Secret("sk-real")
)
DIALECT = OpenAIImages()
FIRST = Input(Role.IMAGE, Body(b"first"), "image/png", parameter="image[0]")
SECOND = Input(Role.IMAGE, Body(b"second"), "image/webp", parameter="image[1]")
MASK = Input(Role.MASK, Body(b"mask"), "image/png", parameter="mask")


def ask(*inputs: Input, partials: int = 0, count: int = 1, **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.IMAGE, Body("a red fox"), inputs, count, partials, parameters)


def played(request: Ask, *events: bytes) -> list[Piece]:
    reader = DIALECT.reader(request)
    pieces: list[Piece] = []
    for each in events:
        name, data = each.removeprefix(b"event: ").removesuffix(b"\n\n").split(b"\ndata: ")
        pieces.extend(reader.feed(Event(name.decode(), Body(data))))
    return [*pieces, *reader.finish()]


def test_a_stream_names_its_events_in_the_data_and_else_in_the_event() -> None:
    nameless = event("image_generation.completed").replace(b'"type":', b'"kind":')

    assert played(STREAMED, nameless)[0] == Final(0, IMAGE)


def test_the_final_may_come_before_its_previews() -> None:
    late = event("image_generation.partial_image", partial_image_index=1)

    assert [
        type(piece) for piece in played(STREAMED, event("image_generation.completed"), late)
    ] == [
        Final,
        Report,
    ]


def test_a_late_preview_is_not_taken_for_the_next_output() -> None:
    request = ask(count=2, partials=2)
    first, second = (
        event("image_generation.partial_image", partial_image_index=index) for index in (0, 1)
    )
    done = event("image_generation.completed")

    previews = [
        (piece.output_index, piece.partial_index)
        for piece in played(request, first, done, second, first, second, done)
        if isinstance(piece, Preview)
    ]

    assert previews == [(0, 0), (1, 0), (1, 1)]


def test_a_preview_has_the_media_type_of_its_format() -> None:
    frame = event("image_edit.partial_image", output_format="webp")

    (found, *_) = played(STREAMED, frame, event("image_edit.completed"))

    assert isinstance(found, Preview)
    assert found.media_type == "image/webp"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"type": "error", **error("server_error", None)}, Fault.SERVER_ERROR),
        (error("invalid_request_error", None), Fault.BAD_REQUEST),
        (error("requests", "rate_limit_exceeded"), Fault.RATE_LIMITED),
        (MODERATION, Fault.CONTENT_POLICY),
        ({"error": "no"}, Fault.SERVER_ERROR),
        ({"type": "image_generation.completed"}, Fault.INVALID_RESPONSE),
        ({"type": "image_generation.completed", "b64_json": "%"}, Fault.INVALID_RESPONSE),
    ],
)
def test_a_failure_in_a_stream_is_raised(body: object, fault: Fault) -> None:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.reader(STREAMED).feed(Event("error", Body(orjson.dumps(body))))

    assert caught.value.fault is fault


def test_words_of_relays_between_the_events_are_skipped() -> None:
    reader = DIALECT.reader(STREAMED)

    for data in (b"[DONE]", b"ping", b"[]", b'{"type": "keepalive"}', b'{"type": "a.b.completed"}'):
        assert list(reader.feed(Event("", Body(data)))) == []


def test_a_stream_that_ends_without_every_output_fails() -> None:
    reader = DIALECT.reader(ask(count=2, partials=1))
    reader.feed(Event("", Body(event("image_generation.completed").split(b"data: ")[1])))

    with pytest.raises(UpstreamError) as caught:
        reader.finish()
    assert caught.value.fault is Fault.INVALID_RESPONSE


def test_two_readers_share_nothing() -> None:
    one, other = DIALECT.reader(STREAMED), DIALECT.reader(STREAMED)
    one.feed(Event("", Body(event("image_generation.completed").split(b"data: ")[1])))

    assert (one.complete, other.complete) == (True, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    "error",
                    "data",
                    "usage",
                    "b64_json",
                    "type",
                    "code",
                    "param",
                    "message",
                    "size",
                    "input_tokens_details",
                    "moderation_details",
                    "partial_image_index",
                )
            ),
            inner | st.sampled_from(["image_edit.completed", "image_edit.partial_image", PIXEL]),
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(st.integers(100, 599), JSON)
def test_no_answer_whatever_is_anything_but_pieces_or_a_fault(status: int, body: object) -> None:
    try:
        data = Body(orjson.dumps(body))
    except orjson.JSONEncodeError:  # integers beyond 64 bits
        return
    found: list[Piece] = []
    with suppress(UpstreamError):
        found += DIALECT.read(Reply(status, {}, data, 0.0), TWO)
    with suppress(UpstreamError):
        found += DIALECT.reader(STREAMED).feed(Event("", data))

    assert all(isinstance(piece, Piece) for piece in found)
