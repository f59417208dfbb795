"""Images are recognised by their bytes, with their size."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.media import probe

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


def picture(media_type: str, size: tuple[int, int], **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(stream, FORMATS[media_type], **options)
    return stream.getvalue()


@pytest.mark.parametrize("media_type", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1024, 1536), (37, 4099)])
def test_type_and_size_are_read_from_the_header(media_type, size):
    found = probe(picture(media_type, size))

    assert found is not None
    assert (found.media_type, found.width, found.height) == (media_type, *size)


def test_a_lossless_webp_is_read_too():
    found = probe(picture("image/webp", (33, 77), lossless=True))

    assert found is not None
    assert (found.width, found.height) == (33, 77)


def test_a_transparent_webp_is_read_too():
    stream = io.BytesIO()
    Image.new("RGBA", (64, 48), (1, 2, 3, 100)).save(stream, "WEBP")
    found = probe(stream.getvalue())

    assert found is not None
    assert (found.width, found.height) == (64, 48)


@pytest.mark.parametrize("data", [b"", b"<html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF"])
def test_what_is_no_image_is_refused(data):
    assert probe(data) is None


@given(
    st.binary(max_size=200),
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF0000WEBP"]),
)
def test_no_bytes_make_the_probe_fail(data, start):
    probe(start + data)


@pytest.mark.parametrize("media_type", FORMATS)
def test_a_cut_image_is_refused_or_read_and_never_an_error(media_type):
    data = picture(media_type, (300, 200))
    for cut in range(min(len(data), 700)):
        found = probe(data[:cut])
        assert found is None or (found.width, found.height) == (300, 200)
