"""MP4 files as an encoder makes them: a second long, with the index at either end."""

import io

import av


def film(*, audio=False, video=True, size=(64, 48), seconds=1, **options):
    """Seconds of film in ten frames each, a moment of sound, or both."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4", options=options) as out:
        shown = video and out.add_stream("mpeg4", rate=10, width=size[0], height=size[1])
        heard = audio and out.add_stream("aac", rate=44100, layout="mono")
        if shown:
            shown.pix_fmt = "yuv420p"
            for number in range(10 * seconds):
                frame = av.VideoFrame(*size, "yuv420p")
                frame.pts = number
                out.mux(shown.encode(frame))
            out.mux(shown.encode(None))
        if heard:
            silence = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            silence.sample_rate, silence.pts = 44100, 0
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            out.mux(heard.encode(silence))
            out.mux(heard.encode(None))
    return stream.getvalue()


def index_first(data):
    """The same film with `moov` before `mdat` (a player would miss the offsets, not the probe)."""
    mdat, moov = data.index(b"mdat") - 4, data.index(b"moov") - 4
    return data[:mdat] + data[moov:] + data[mdat:moov]


INDEX_LAST = film()
INDEX_FIRST = index_first(film(audio=True))
AFTER_FTYP = INDEX_LAST[int.from_bytes(INDEX_LAST[:4], "big") :]
