"""The pure parts of the simulator: buckets, forms, faults, records, pictures."""

import asyncio
import io

import pytest
from PIL import Image

from simulator.calls import CallLog
from simulator.faults import Fault, FaultBoard
from simulator.images import ImageCache, Recipe, draw
from simulator.knobs import MIN_PADDED_BYTES
from simulator.limits import TokenBucket, go_duration
from simulator.multipart import FormError, boundary_of, parse_form


def recipe(**changes) -> Recipe:
    values = {
        "width": 64,
        "height": 48,
        "image_format": "png",
        "compression": 90,
        "transparent": False,
        "variant": 1,
    }
    return Recipe(**{**values, **changes})


def test_a_bucket_gives_what_it_holds_and_refills_with_time():
    bucket = TokenBucket(60.0)

    assert [bucket.take(0.0) for _ in range(61)] == [True] * 60 + [False]
    assert bucket.reset_after(1.0) == 1.0
    assert not bucket.take(0.5)
    assert bucket.take(1.0)
    assert not bucket.take(1.0)
    assert bucket.take(1_000.0)
    assert bucket.remaining() == 59
    assert bucket.reset_after() == 1.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.012, "12ms"), (1, "1s"), (1.5, "1.5s"), (59.9, "59.9s"), (360, "6m0s")],
)
def test_durations_are_written_as_openai_writes_them(seconds, text):
    assert go_duration(seconds) == text


def test_a_form_keeps_order_names_types_and_bytes():
    body = (
        b'preamble\r\n--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na \xc3\xa9\r\n'
        b'--b\r\ncontent-disposition: form-data; name="image[]"; filename="x.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x00\r\n--\r\n\xff\r\n--b--\r\nepilogue"
    )
    prompt, image = parse_form(body, boundary_of('multipart/form-data; boundary="b"'))

    assert (prompt.name, prompt.is_file, prompt.text()) == ("prompt", False, "a é")
    assert (image.name, image.is_file, image.content_type) == ("image[]", True, "image/png")
    assert image.data == b"\x00\r\n--\r\n\xff"
    assert "é" not in repr(prompt)


def test_an_empty_form_has_no_parts():
    assert parse_form(b"--b--\r\n", b"b") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b\r\n",
        b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nnever closed',
        b"--b\r\n\r\nno headers\r\n--b--",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--b--",
        b'--b\r\nContent-Disposition: attachment; name="x"\r\n\r\nx\r\n--b--',
        b"--b\r\nmalformed\r\n\r\nx\r\n--b--",
        b'\r\n--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nx' * 200 + b"\r\n--b--",
    ],
)
def test_a_broken_form_is_refused(body):
    with pytest.raises(FormError):
        parse_form(body, b"b")


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_a_form_needs_a_boundary(content_type):
    with pytest.raises(FormError):
        boundary_of(content_type)


def test_a_fault_with_times_heals_itself():
    board = FaultBoard(["a", "b"])
    board.put("a", Fault("hang", times=2))

    assert [fault and fault.times for fault in (board.take("a"), board.take("a"))] == [2, 1]
    assert board.take("a") is None
    assert board.take("b") is None


def test_the_log_keeps_the_newest_calls_and_every_count():
    log = CallLog(["a", "b"], keep=3)
    for number in range(10):
        log.begin("a" if number % 2 else "b", "POST", "/", float(number))

    assert [call.number for call in log.newest()] == [8, 9, 10]
    assert [call.number for call in log.newest("a")] == [8, 10]
    assert [call.number for call in log.newest(limit=1)] == [10]
    assert log.counts() == {"a": 5, "b": 5}


def test_digests_of_two_logs_differ_for_the_same_body():
    assert CallLog(["a"]).digest(b"x") != CallLog(["a"]).digest(b"x")


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("padding", range(9))
def test_a_padded_image_has_exactly_its_bytes_and_still_decodes(image_format, padding):
    size = 140_000 + padding
    data = draw(recipe(image_format=image_format, padded_bytes=size), seed=0)
    image = Image.open(io.BytesIO(data))
    image.load()

    assert len(data) == size
    assert image.size == (64, 48)


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("compression", [0, 100])
def test_the_smallest_padding_allowed_fits_every_format(image_format, compression):
    small = recipe(
        width=16,
        height=16,
        image_format=image_format,
        compression=compression,
        padded_bytes=MIN_PADDED_BYTES,
    )

    for variant in range(8):
        for seed in range(8):
            assert (
                len(draw(Recipe(**{**asdict(small), "variant": variant}), seed)) == MIN_PADDED_BYTES
            )


def asdict(value: Recipe) -> dict[str, object]:
    return {name: getattr(value, name) for name in Recipe.__slots__}


def test_a_picture_depends_on_seed_variant_and_blur_only():
    assert draw(recipe(), 0) == draw(recipe(), 0)
    assert len({draw(recipe(variant=n), 0) for n in range(8)}) == 8
    assert draw(recipe(), 0) != draw(recipe(), 1)
    assert draw(recipe(), 0) != draw(recipe(blur=1), 0)


def test_less_compression_quality_means_fewer_bytes():
    sizes = [
        len(draw(recipe(width=256, height=256, image_format="jpeg", compression=level), 0))
        for level in (10, 50, 95)
    ]
    assert sizes == sorted(sizes)


async def test_the_cache_is_bounded_and_draws_once():
    cache = ImageCache(seed=0, max_bytes=30_000)
    large = recipe(width=512, height=512)
    first, second = await asyncio.gather(cache.base64(large), cache.base64(large))
    assert first is second
    assert await cache.base64(large) is first
    for variant in range(8):
        await cache.base64(recipe(width=300, height=300, variant=variant))

    assert cache._bytes <= 30_000
    assert cache._bytes == sum(map(len, cache._images.values()))
    assert await cache.base64(large) == first
    await cache.close()
