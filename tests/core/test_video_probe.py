"""Videos are recognised by their bytes as they go by, however these are cut."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.media import EXTENSIONS, Probe, probe, sniff
from core.mp4 import VideoProbe
from tests.films import AFTER_FTYP, INDEX_FIRST, INDEX_LAST, film


def box(kind, *payload, size=None):
    data = b"".join(payload)
    return struct.pack(">I4s", 8 + len(data) if size is None else size, kind) + data


def seen(*pieces):
    video = VideoProbe()
    for piece in pieces:
        video.feed(piece)
    return video


@pytest.mark.parametrize(("data", "has_audio"), [(INDEX_LAST, False), (INDEX_FIRST, True)])
def test_size_length_frames_and_sound_are_read(data, has_audio):
    found = probe(data)

    assert found == Probe("video/mp4", 64, 48, pytest.approx(1.0, abs=0.05), has_audio, 10)
    assert seen(data).is_whole


def test_the_fixtures_have_their_index_at_either_end():
    assert INDEX_LAST.index(b"moov") > INDEX_LAST.index(b"mdat")
    assert INDEX_FIRST.index(b"moov") < INDEX_FIRST.index(b"mdat")


@pytest.mark.parametrize("data", [INDEX_LAST, INDEX_FIRST])
def test_what_is_seen_does_not_depend_on_how_bytes_are_cut(data):
    whole = seen(data).found

    assert seen(*(data[at : at + 1] for at in range(len(data)))).found == whole
    for cut in range(0, len(data), 7):
        video = seen(data[:cut], data[cut:])
        assert (video.found, video.is_whole) == (whole, True)


@pytest.mark.parametrize("data", [INDEX_LAST, INDEX_FIRST])
def test_a_film_cut_short_is_not_whole(data):
    borders = {0}
    while max(borders) < len(data):
        at = max(borders)
        borders.add(at + int.from_bytes(data[at : at + 4], "big"))
    for cut in range(len(data)):
        assert seen(data[:cut]).is_whole is (cut in borders and cut > 0)


def test_a_fragmented_film_is_read_too():
    data = film(movflags="frag_keyframe+empty_moov+default_base_moof")

    assert (probe(data).width, probe(data).height) == (64, 48)
    assert seen(data).is_whole


def test_a_film_that_lies_on_its_side_is_turned():
    at = INDEX_LAST.index(b"tkhd") + 4 + 40
    turned = bytearray(INDEX_LAST)
    turned[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)

    assert (probe(bytes(turned)).width, probe(bytes(turned)).height) == (48, 64)


def test_media_of_any_length_are_skipped_in_no_memory():
    mdat = struct.pack(">I4sQ", 1, b"mdat", 16 + (5 << 30))
    ftyp_end = int.from_bytes(INDEX_LAST[:4], "big")
    video = seen(INDEX_LAST[:ftyp_end], mdat)
    piece = bytes(1 << 20)
    for _ in range(5 << 10):
        video.feed(piece)
    video.feed(INDEX_LAST[INDEX_LAST.index(b"moov") - 4 :])

    assert video.found is not None
    assert video.is_whole


def test_a_last_box_without_a_length_reaches_to_the_end():
    moov = INDEX_FIRST[: INDEX_FIRST.index(b"mdat") - 4]
    video = seen(moov, box(b"mdat", b"x" * 100, size=0), b"more")

    assert video.found is not None
    assert video.is_whole


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 64,
        INDEX_LAST[INDEX_LAST.index(b"moov") - 4 :],  # no ftyp
        box(b"ftyp", b"qt  \0\0\0\0") + AFTER_FTYP,
        box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", bytes(20)),
        box(b"ftyp", b"isom") + box(b"moov", size=7),
        box(b"ftyp", b"isom") + box(b"moov", size=0),
        box(b"ftyp", b"isom") + box(b"moov", box(b"trak", size=1000)),
        box(b"ftyp", b"isom")
        + box(b"moov", box(b"trak", box(b"trak", box(b"trak", box(b"trak"))))),
        box(b"ftyp", size=0),
        box(b"ftyp"),
        box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"moov", 3),
        box(b"ftyp", b"isom")
        + box(b"moov", box(b"mvhd", b"\0"), box(b"trak", box(b"tkhd", b"\1"))),
    ],
)
def test_what_is_no_film_shows_nothing(data):
    assert seen(data).found is None
    assert probe(data) is None


def test_a_file_of_nothing_but_empty_boxes_is_given_up():
    assert seen(box(b"ftyp", b"isom"), box(b"free") * 1000, AFTER_FTYP).found is not None
    assert seen(box(b"ftyp", b"isom"), box(b"free") * 100_000, AFTER_FTYP).found is None


def test_sound_alone_is_no_film():
    assert probe(film(audio=True, video=False)) is None


KINDS = [b"ftyp", b"moov", b"trak", b"mdia", b"mvex", b"mvhd", b"tkhd", b"hdlr", b"mehd", b"mdat"]
BOXES = st.recursive(
    st.builds(box, st.sampled_from(KINDS), st.binary(max_size=120)),
    lambda inner: st.builds(
        lambda kind, inside, size: box(kind, *inside, size=size),
        st.sampled_from(KINDS),
        st.lists(inner, max_size=4),
        st.none() | st.integers(0, 400),
    ),
)


@given(st.lists(BOXES, max_size=6), st.integers(1, 50), st.booleans())
@settings(max_examples=200)
def test_no_boxes_make_the_probe_fail_and_no_cut_changes_it(boxes, step, starts_well):
    data = (box(b"ftyp", b"isom") if starts_well else b"") + b"".join(boxes)
    whole = seen(data)
    cut = seen(*(data[at : at + step] for at in range(0, len(data), step)))

    assert (cut.found, cut.is_whole) == (whole.found, whole.is_whole)


@given(st.data())
@settings(max_examples=100)
def test_no_damage_makes_the_probe_fail(data):
    film_ = bytearray(INDEX_FIRST)
    for _ in range(data.draw(st.integers(1, 6))):
        film_[data.draw(st.integers(0, len(film_) - 1))] = data.draw(st.integers(0, 255))
    video = seen(bytes(film_))
    assert video.found is None or (video.found.width > 0 and video.found.seconds >= 0)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_probe_fail(data):
    assert seen(data).found is None
    assert sniff(data) in {"", *EXTENSIONS}


def test_webm_is_known_by_its_head_and_other_matroska_is_not():
    webm = bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d")

    assert probe(webm) == Probe("video/webm")
    assert probe(webm.replace(b"webm", b"mkvv")) is None
