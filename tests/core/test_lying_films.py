"""A film that lies about its length is taken for as long as what a provider would decode."""

import struct

import pytest

from core.media import probe
from tests.films import INDEX_LAST, film

FTYP = INDEX_LAST[: int.from_bytes(INDEX_LAST[:4], "big")]
LONG = film(seconds=20)


def box(kind, *payload):
    data = b"".join(payload)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def header(seconds, scale=1):
    return box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, scale, seconds), bytes(80))


def runs(*pairs, announced=None):
    count = len(pairs) if announced is None else announced
    flat = b"".join(struct.pack(">II", *pair) for pair in pairs)
    return box(b"stts", struct.pack(">II", 0, count), flat)


def edits(*seconds, announced=None):
    flat = b"".join(struct.pack(">IiI", each, 0, 1 << 16) for each in seconds)
    return box(b"elst", struct.pack(">II", 0, announced or len(seconds)), flat)


def track(samples, cut=b"", handler=b"vide", scale=10):
    matrix = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    shown = box(b"tkhd", bytes(40), matrix, struct.pack(">II", 64 << 16, 48 << 16))
    media = box(b"mdhd", struct.pack(">IIIII", 0, 0, 0, scale, 0), bytes(4))
    kind = box(b"hdlr", bytes(8), handler, bytes(12))
    index = box(b"minf", box(b"stbl", samples))
    return box(b"trak", shown, box(b"edts", cut) if cut else b"", box(b"mdia", media, kind, index))


def made(*inside, after=b""):
    return FTYP + box(b"moov", *inside) + after


def lied(data, seconds):
    """The film, with another length in its header."""
    at = data.index(b"mvhd") + 4
    scale = int.from_bytes(data[at + 12 : at + 16], "big")
    return data[: at + 16] + struct.pack(">I", seconds * scale) + data[at + 20 :]


@pytest.mark.parametrize("told", [0, 1, 19])
def test_a_header_that_tells_too_little_is_not_believed(told):
    assert probe(lied(LONG, told)).seconds == pytest.approx(20, abs=0.05)


def test_a_header_that_tells_more_is_believed():
    assert probe(lied(LONG, 3600)).seconds == 3600


@pytest.mark.parametrize("options", [{}, {"bf": "2"}, {"audio": True}])
def test_an_honest_film_is_as_long_as_its_header_says(options):
    assert probe(film(seconds=5, **options)).seconds == pytest.approx(5, abs=0.05)


def test_samples_that_last_differently_are_added_up():
    many = [(1, 10)] * 50 + [(5, 20)]

    assert probe(made(header(1), track(runs(*many)))).seconds == 60


def test_what_follows_the_announced_runs_does_not_count():
    assert probe(made(header(1), track(runs((1, 50), (1, 900), announced=1)))).seconds == 5


@pytest.mark.parametrize("announced", [100, 1 << 31, (1 << 32) - 1])
def test_runs_that_are_announced_and_missing_do_no_harm(announced):
    found = probe(made(header(4), track(runs((1, 50), announced=announced))))

    assert found.seconds == (5 if announced == 100 else 0)


def test_the_longest_of_several_pictures_counts():
    longer = track(runs((1, 900)))

    assert probe(made(header(1), track(runs((1, 10))), longer)).seconds == 90


def test_sound_does_not_make_a_film_longer():
    sound = track(runs((1, 900)), handler=b"soun")

    assert probe(made(header(1), track(runs((1, 10))), sound)).seconds == 1


def test_edits_that_repeat_a_film_make_it_longer():
    assert probe(made(header(1), track(runs((1, 10)), edits(*[1] * 8)))).seconds == 8


def test_more_edits_than_anybody_makes_leave_the_length_untold():
    assert probe(made(header(1), track(runs((1, 10)), edits(*[1] * 90)))).seconds == 0


def test_fragments_leave_the_length_untold():
    data = film(movflags="frag_keyframe+empty_moov+default_base_moof", seconds=20)
    known = made(header(1), track(runs((1, 10))))

    assert probe(lied(data, 1)).seconds == 0
    assert probe(known + box(b"moof", bytes(20))).seconds == 0


def test_two_indexes_are_none():
    movies = [box(b"moov", header(each), track(runs((1, 10 * each)))) for each in (600, 1)]

    assert probe(FTYP + movies[0]) is not None
    assert probe(FTYP + b"".join(movies)) is None
    assert probe(FTYP + box(b"moov", box(b"cmov", bytes(9))) + movies[1]) is None


def test_an_index_of_millions_of_runs_is_not_added_up():
    flat = runs(*[(1, 1)] * 300_000)

    assert probe(made(header(1), track(flat))).seconds == 0
