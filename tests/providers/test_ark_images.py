"""What is asked of Ark's image generation, and what its answers mean."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Final, Hosted, Input, Kind, Piece, Report, Role
from core.providers.ark_images import ArkImages
from core.providers.ark_sizes import SIZES, size_of
from core.providers.wire import Event, Reply
from tests.providers.tapes_ark_images import (
    ASK,
    BROKEN,
    COMPLETED,
    DONE,
    REFUSED,
    REPORT,
    THREE,
    answer,
    event,
    failed,
    hosted,
    image,
    succeeded,
    url,
)
from tests.providers.tapes_openai_images import IMAGE, PIXEL

CHANNEL = Channel(
    "a", "ark_images", "seedream-5-0-260128", "http://provider/api/v3", Secret("ark-key")
)
DIALECT = ArkImages()
FIRST = Input(Role.IMAGE, Body(b"first"), "image/png", parameter="image_urls[0]")
SECOND = Input(Role.IMAGE, Body(b"second"), "image/webp", parameter="image_urls[1]")
RATIOS = ["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9", "9:21", "5:4", "4:5"]


def ask(*inputs: Input, count: int = 1, **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.IMAGE, Body("a red fox"), inputs, count, 0, parameters)


def sent(request: Ask) -> dict[str, object]:
    call = DIALECT.encode(request, CHANNEL)
    assert isinstance(call.body, Body)
    found = orjson.loads(call.body.reveal())
    assert isinstance(found, dict)
    return found


def reply(status: int, body: object, headers: dict[str, str] | None = None) -> Reply:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return Reply(status, CIMultiDict(headers or {}), Body(data), received_at=1_763_750_000.0)


def refusal(status: int, body: object, of: Ask = ASK) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(reply(status, body), of)
    return caught.value


def played(request: Ask, *events: bytes) -> list[Piece]:
    reader = DIALECT.reader(request)
    pieces: list[Piece] = []
    for each in events:
        name, _, data = each.removesuffix(b"\n\n").rpartition(b"data: ")
        called = name.removeprefix(b"event: ").strip().decode()
        pieces.extend(reader.feed(Event(called, Body(data))))
    return [*pieces, *reader.finish()]


def test_one_image_is_asked_for_plainly_and_without_a_watermark() -> None:
    call = DIALECT.encode(ask(), CHANNEL)

    assert (call.method, call.path, call.streams) == ("POST", "/images/generations", False)
    assert call.headers == {"authorization": "Bearer ark-key"}
    assert sent(ask()) == {
        "model": "seedream-5-0-260128",
        "prompt": "a red fox",
        "size": "2K",
        "response_format": "url",
        "watermark": False,
    }


def test_several_images_are_a_group_that_streams() -> None:
    assert DIALECT.encode(ask(count=4), CHANNEL).streams
    assert (
        sent(ask(count=4)).items()
        >= {
            "stream": True,
            "sequential_image_generation": "auto",
            "sequential_image_generation_options": {"max_images": 4},
        }.items()
    )


def test_parameters_are_passed_on_in_the_providers_words() -> None:
    request = ask(output_format="png", seed=7, watermark=True, resolution="3k", quality="high")

    assert (
        sent(request).items()
        >= {
            "output_format": "png",
            "seed": 7,
            "watermark": True,
            "size": "3K",
        }.items()
    )
    assert sent(request).keys().isdisjoint({"resolution", "quality", "aspect_ratio"})


def test_inputs_are_data_urls_one_as_a_string_and_more_as_a_list() -> None:
    one, other = "data:image/png;base64,Zmlyc3Q=", "data:image/webp;base64,c2Vjb25k"

    assert sent(ask(FIRST))["image"] == one
    assert sent(ask(FIRST, SECOND))["image"] == [one, other]
    assert "image" not in sent(ask())


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({}, "2K"),
        ({"size": "auto"}, "2K"),
        ({"resolution": "3k"}, "3K"),
        ({"resolution": "3k", "aspect_ratio": "auto"}, "3K"),
        ({"aspect_ratio": "adaptive"}, "2K"),
        ({"aspect_ratio": "1:1"}, "2048x2048"),
        ({"aspect_ratio": "16:9"}, "2848x1600"),
        ({"aspect_ratio": "9:16"}, "1600x2848"),
        ({"aspect_ratio": "21:9", "resolution": "3k"}, "4704x2016"),
        ({"aspect_ratio": "9:21", "resolution": "3k"}, "2016x4704"),
        ({"aspect_ratio": "5:4"}, "2288x1824"),
        ({"aspect_ratio": "1:1", "resolution": "4k"}, "4096x4096"),
        ({"size": "auto", "aspect_ratio": "1:1"}, "2048x2048"),
        ({"size": "2560x1440", "aspect_ratio": "1:1", "resolution": "3k"}, "2560x1440"),
    ],
)
def test_size_is_pixels_where_a_ratio_is_asked_for(parameters: dict[str, str], size: str) -> None:
    assert size_of(parameters) == size


@pytest.mark.parametrize("resolution", SIZES)
@pytest.mark.parametrize("ratio", RATIOS)
def test_every_ratio_has_a_size_that_the_provider_takes(resolution: str, ratio: str) -> None:
    width, height = map(int, size_of({"resolution": resolution, "aspect_ratio": ratio}).split("x"))
    across, up = map(int, ratio.split(":"))

    assert 3_686_400 <= width * height <= 10_404_496
    assert width / height == pytest.approx(across / up, rel=0.02)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Welcome</html>",
        b"[]",
        answer(image(0))[:-1],
        {},
        {"data": None},
        {"data": []},
        {"data": {"url": url(0)}},
        {"data": [{}, "x", None]},
        {"data": [{"url": ""}]},
        {"data": [{"url": "ftp://elsewhere/x.png"}]},
        {"data": [{"url": "https://else where/x.png"}]},
        {"data": [{"url": "https://elsewhere/" + "x" * 9_000}]},
        {"data": [{"url": "file:///etc/passwd"}]},
        {"data": [{"b64_json": "not base64"}]},
    ],
    ids=lambda body: str(body)[:40],
)
def test_a_200_without_an_image_is_no_answer(body: object) -> None:
    assert refusal(200, body).fault is Fault.INVALID_RESPONSE


def test_more_images_than_asked_for_are_ignored() -> None:
    pieces = DIALECT.read(reply(200, answer(image(0), image(1))), ASK)

    assert pieces == [hosted(0), REPORT]


def test_a_group_of_which_nothing_was_made_fails_as_its_first_image_did() -> None:
    found = refusal(200, answer({"error": REFUSED}, {"error": BROKEN}), THREE)

    assert (found.fault, found.stage) == (Fault.CONTENT_POLICY, "output")


def test_links_and_inline_images_may_be_mixed() -> None:
    found = DIALECT.read(reply(200, answer(image(0), {"b64_json": PIXEL}, usage=None)), THREE)

    assert found == [hosted(0), Final(1, IMAGE), Report()]


def test_a_link_is_shown_to_nobody() -> None:
    assert "Signature" not in repr(DIALECT.read(reply(200, answer(image(0))), ASK))


def test_a_group_may_hold_fewer_images_than_asked_for() -> None:
    assert played(THREE, succeeded(0), COMPLETED, DONE) == [hosted(0), REPORT]


def test_images_count_up_by_the_order_in_which_they_are_there() -> None:
    assert played(THREE, succeeded(2), succeeded(0), COMPLETED) == [
        hosted(0, 2),
        hosted(1, 0),
        REPORT,
    ]


def test_a_failure_of_the_service_ends_the_group_with_what_was_made() -> None:
    reader = DIALECT.reader(THREE)
    made = [*reader.feed(as_event(succeeded(0))), *reader.feed(as_event(failed(1, BROKEN)))]

    assert reader.complete
    assert [*made, *reader.finish()] == [hosted(0), Report(size="2720x1536")]


def as_event(data: bytes) -> Event:
    return Event("", Body(data.removesuffix(b"\n\n").rpartition(b"data: ")[2]))


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([failed(0), failed(1), failed(2), COMPLETED, DONE], Fault.CONTENT_POLICY),
        ([failed(0, BROKEN)], Fault.SERVER_ERROR),
        ([failed(0, {"code": "ServerOverloaded"}), COMPLETED], Fault.OVERLOADED),
        ([COMPLETED, DONE], Fault.INVALID_RESPONSE),
        ([DONE], Fault.INVALID_RESPONSE),
        ([succeeded(0)], Fault.INVALID_RESPONSE),
        ([b'data: {"error":{"code":"InternalServiceError"}}\n\n'], Fault.SERVER_ERROR),
        ([b'event: error\ndata: {"error":{"code":"ServerOverloaded"}}\n\n'], Fault.OVERLOADED),
        ([b'data: {"error":"no"}\n\n', COMPLETED], Fault.SERVER_ERROR),
        ([event("completed", error=REFUSED)], Fault.CONTENT_POLICY),
        ([b'data: {"error":{"code":"x","type":"TooManyRequests"}}\n\n'], Fault.RATE_LIMITED),
    ],
)
def test_a_stream_without_an_image_tells_why(events: list[bytes], fault: Fault) -> None:
    with pytest.raises(UpstreamError) as caught:
        played(THREE, *events)

    assert caught.value.fault is fault


def test_what_a_stream_says_besides_is_ignored() -> None:
    noise = [
        event("partial_image", image_index=0, b64_json=PIXEL),
        b"data: ping\n\n",
        b"data: []\n\n",
        b'data: {"type":"something.new"}\n\n',
        event("partial_succeeded", image_index=9, size="1x1"),
    ]

    assert played(THREE, *noise, succeeded(0), COMPLETED, DONE, succeeded(1)) == [
        hosted(0),
        REPORT,
    ]


KEYS = [
    "data", "url", "b64_json", "error", "code", "message", "param", "type", "usage", "size",
    "output_tokens", "image_index",
]  # fmt: skip
WORDS = [
    PIXEL,
    url(0),
    "InternalServiceError",
    "QuotaExceeded",
    "image_generation.partial_succeeded",
    "image_generation.partial_failed",
    "image_generation.completed",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(document=JSON, status=st.sampled_from([200, 400, 404, 429, 500]))
def test_whatever_is_answered_is_pieces_or_a_failure(document: object, status: int) -> None:
    try:
        pieces = DIALECT.read(reply(status, json.dumps(document).encode()), THREE)
    except UpstreamError:
        return
    assert 2 <= len(pieces) <= 4
    assert all(isinstance(piece, Hosted | Final) for piece in pieces[:-1])


@given(documents=st.lists(JSON, max_size=6))
def test_whatever_is_streamed_is_pieces_or_a_failure(documents: list[object]) -> None:
    events = [b"data: %b\n\n" % json.dumps(each).encode() for each in documents]
    try:
        pieces = played(THREE, *events)
    except UpstreamError:
        return
    assert 2 <= len(pieces) <= 4
