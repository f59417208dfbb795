"""Files that are made to be slow to read are given up soon: they are probed in the event loop."""

import struct
from time import process_time

import pytest

from core.media import probe
from core.mp4 import VideoProbe
from tests.films import INDEX_LAST

LONGEST = 1.0
"""Seconds of CPU; they took two to ten times as many."""


def box(kind, *payload):
    data = b"".join(payload)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def films():
    """Sixty tracks whose indexes are as long as one may be."""
    runs = box(b"stts", struct.pack(">II", 0, 200_000), struct.pack(">II", 1, 1) * 200_000)
    track = box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", runs))))
    return INDEX_LAST[: int.from_bytes(INDEX_LAST[:4], "big")] + box(b"moov", track * 60)


BOMBS = {
    "segments of a JPEG": lambda: b"\xff\xd8" + b"\xff\xe0\x00\x02" * 12_000_000,
    "fill bytes of a JPEG": lambda: b"\xff\xd8" + b"\xff" * 40_000_000,
    "chunks of a WAV": lambda: b"RIFF\0\0\0\0WAVE" + b"abcd\0\0\0\0" * 6_000_000,
    "frames of AAC": lambda: b"\xff\xf1\x50\x80\x00\xe0\xfc" * 6_000_000,
    "frames of MP3": lambda: (b"\xff\xe3\x18\xc4" + bytes(20)) * 4_000_000,
    "runs of a film": films,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_is_slow_to_read_is_given_up_soon(bomb):
    data = BOMBS[bomb]()
    begun = process_time()
    probe(data)

    assert process_time() - begun < LONGEST


def test_the_runs_of_all_tracks_count_together():
    video = VideoProbe()
    video.feed(films())

    assert video.found is None
    assert video._announced > 200_000
