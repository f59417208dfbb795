"""What an MP4 file shows, from its bytes as they go by. Pure.

Source: ISO/IEC 14496-12 (boxes; ftyp, moov, mvhd, tkhd, elst, mdhd, hdlr, stts, stsz, stz2, moof).
Only the few boxes that tell size, length, tracks and frames are looked into; everything else, the
media itself above all, is skipped. So the index may stand at either end, and a file of any size
takes less than a KiB.

Who is paid by the length of a film must not believe its header alone: what a provider decodes are
the samples, as often as edits repeat them. So the times of the pictures count too, and the longest
wins; fragments, which no index binds, leave the length untold.
"""

from dataclasses import dataclass
from struct import Struct

_CONTAINERS = frozenset({b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"})
_LEAVES = frozenset(
    {b"ftyp", b"mvhd", b"tkhd", b"elst", b"mdhd", b"hdlr", b"stts", b"stsz", b"stz2"}
)
_DEPTH = 5
_LEAF_BYTES = 128
"""How much is read at once of a box that tells something; of all but stts, which goes on for as
long as it has runs, that is enough: the longest, tkhd, has 96 bytes."""
_RUN = Struct(">II")
_RUN_BYTES = _RUN.size
_MAXIMUM_BOXES = 50_000
"""A file of nothing but empty boxes would take long to skip."""
_MAXIMUM_RUNS = 200_000
"""Of samples that last equally long, in a file; half an hour in which no picture lasts as long as
the next."""
_QUICKTIME = b"qt  "


@dataclass(frozen=True, slots=True)
class Mp4:
    """A film: pixels as shown, seconds and frames (0: not told, as in fragmented files).

    The seconds are the longest of what the header says and what the pictures last, cut or not.
    """

    width: int
    height: int
    seconds: float
    has_audio: bool
    frames: int = 0


@dataclass(slots=True)
class _Track:
    handler: bytes = b""
    width: int = 0
    height: int = 0
    frames: int = 0
    scale: int = 0
    units: int = 0
    """How long its samples last in all, in parts of a second of which `scale` are one."""
    edited: int = 0
    """How long its edits last in all, in parts of a second of the movie."""
    runs: int = -1
    """How many more runs of samples its index announces; -1 before it did."""


class VideoProbe:
    """Reads an MP4 in pieces, cut anywhere. Never fails: what is no MP4 shows nothing."""

    def __init__(self) -> None:
        self._at = 0
        self._pending = bytearray()
        self._wanted = 8
        """Bytes that the box at hand needs next: of its header, or of its payload."""
        self._leaf = b""
        """The box whose payload is collected; empty while a header is."""
        self._leaf_end = 0
        self._skip_to = 0
        self._ends: list[int] = []
        """Where the open containers end."""
        self._kinds: list[bytes] = []
        self._boxes = 0
        self._is_open_ended = False
        self._is_broken = False
        self._track = _Track()
        self._size: tuple[int, int] | None = None
        self._has_audio = False
        self._frames = 0
        self._has_movie = False
        self._scale = 0
        self._seconds = 0.0
        self._is_untold = False
        self._announced = 0
        """Runs of samples, of all tracks."""

    @property
    def found(self) -> Mp4 | None:
        """What is known so far; None until a film was seen, and for what is none."""
        if self._is_broken or self._size is None or b"moov" in self._kinds:
            return None
        seconds = 0.0 if self._is_untold else self._seconds
        return Mp4(*self._size, seconds, self._has_audio, self._frames)

    @property
    def is_whole(self) -> bool:
        """Whether the bytes end where a box does: a file cut short does not."""
        at_border = not self._ends and not self._leaf and not self._pending
        return self._is_open_ended or (at_border and self._at >= self._skip_to > 0)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        start = 0
        while start < len(data) and not self._is_broken and not self._is_open_ended:
            if self._at < self._skip_to:
                step = min(self._skip_to - self._at, len(data) - start)
            else:
                step = min(self._wanted - len(self._pending), len(data) - start)
                self._pending += data[start : start + step]
            start += step
            self._at += step
            if self._at >= self._skip_to and len(self._pending) == self._wanted:
                self._complete()
            if self._at >= self._skip_to and not self._leaf:
                self._close_containers()

    def _complete(self) -> None:
        """What was waited for is there: a header, the rest of one, or a payload."""
        if self._leaf:
            self._read(self._leaf, bytes(self._pending))
            left = (self._leaf_end - self._at) // _RUN_BYTES * _RUN_BYTES
            if self._leaf == b"stts" and self._track.runs > 0 and left:
                self._pending.clear()
                self._wanted = min(left, _LEAF_BYTES)
                return
            self._leaf = b""
            self._next_box(self._leaf_end)
            return
        header = bytes(self._pending)
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == 1 and len(header) == 8:
            self._wanted = 16
            return
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        self._box(kind, size, len(header))

    def _box(self, kind: bytes, size: int, header: int) -> None:
        self._boxes += 1
        start = self._at - header
        end = start + size
        if size == 0:  # to the end of the file: allowed at the top only
            self._is_open_ended = True
            self._is_broken = bool(self._ends) or start == 0 or kind in _CONTAINERS
            return
        self._is_broken = (
            size < header
            or self._boxes > _MAXIMUM_BOXES
            or (start == 0) != (kind == b"ftyp")
            or (bool(self._ends) and end > self._ends[-1])
            or (kind in _CONTAINERS and len(self._ends) >= _DEPTH)
            or (kind == b"moov" and self._has_movie)  # players take either
        )
        if self._is_broken:
            return
        if kind in _CONTAINERS and (kind == b"moov") != bool(self._ends):
            self._has_movie = True
            if kind == b"trak":
                self._track = _Track()
            self._ends.append(end)
            self._kinds.append(kind)
            self._next_box(self._at)
            return
        self._is_untold |= kind == b"moof"
        if kind in _LEAVES and end > self._at:
            self._pending.clear()
            self._leaf, self._leaf_end = kind, end
            self._wanted = min(end - self._at, _LEAF_BYTES)
        else:
            self._next_box(end)

    def _next_box(self, start: int) -> None:
        self._pending.clear()
        self._wanted = 8
        self._skip_to = start

    def _close_containers(self) -> None:
        while self._ends and self._at >= self._ends[-1] and not self._pending:
            self._ends.pop()
            if self._kinds.pop() == b"trak":
                self._end_track()

    def _end_track(self) -> None:
        track = self._track
        if track.handler == b"soun":
            self._has_audio = True
        elif track.handler == b"vide":
            cut = track.edited / (self._scale or 1)
            self._seconds = max(self._seconds, track.units / (track.scale or 1), cut)
            if self._size is None and track.width and track.height:
                self._size, self._frames = (track.width, track.height), track.frames

    def _read(self, kind: bytes, payload: bytes) -> None:
        match kind:
            case b"ftyp":
                self._is_broken = len(payload) < 4 or payload[:4] == _QUICKTIME
            case b"mvhd":
                self._movie_header(payload)
            case b"tkhd":
                self._track_header(payload)
            case b"elst":
                self._edits(payload)
            case b"mdhd":
                self._track.scale = _number(payload, 20 if payload[:1] == b"\x01" else 12, 4)
            case b"stts":
                self._runs(payload)
            case b"hdlr":
                # Of the track; QuickTime's data references have one too, later.
                self._track.handler = self._track.handler or payload[8:12]
            case b"stsz" | b"stz2":
                self._track.frames = _number(payload, 8, 4)

    def _movie_header(self, payload: bytes) -> None:
        start, length = (20, 8) if payload[:1] == b"\x01" else (12, 4)
        scale, units = _number(payload, start, 4), _number(payload, start + 4, length)
        self._scale = scale
        if scale and units != (1 << 8 * length) - 1:  # that is: not known
            self._seconds = max(self._seconds, units / scale)

    def _edits(self, payload: bytes) -> None:
        """Add up how long the edits last. Usual films have one or two."""
        step, length = (20, 8) if payload[:1] == b"\x01" else (12, 4)
        edits, read = _number(payload, 4, 4), (_LEAF_BYTES - 8) // step
        self._is_untold |= edits > read
        starts = range(8, 8 + step * min(edits, read), step)
        self._track.edited += sum(_number(payload, start, length) for start in starts)

    def _runs(self, payload: bytes) -> None:
        """Add up how long the next runs of samples last."""
        track = self._track
        if track.runs < 0:
            track.runs, payload = _number(payload, 4, 4), payload[8:]
            self._announced += track.runs
            self._is_untold |= self._announced > _MAXIMUM_RUNS
        if self._is_untold:
            track.runs = 0
        whole = len(payload) // _RUN_BYTES * _RUN_BYTES
        for samples, units in _RUN.iter_unpack(payload[:whole]):
            if track.runs <= 0:
                return
            track.units += samples * units
            track.runs -= 1

    def _track_header(self, payload: bytes) -> None:
        matrix = 52 if payload[:1] == b"\x01" else 40
        width = _number(payload, matrix + 36, 4) >> 16
        height = _number(payload, matrix + 40, 4) >> 16
        # A turn by a quarter: the picture is shown on its side.
        if not _number(payload, matrix, 4) and not _number(payload, matrix + 16, 4):
            width, height = height, width
        self._track.width, self._track.height = width, height


def _number(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "big")
