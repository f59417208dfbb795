"""Requests as nobody should send them: Hypothesis strategies that give the bytes on the wire."""

import json
import string
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

GENERATIONS, EDITS = b"/v1/images/generations", b"/v1/images/edits"
VIDEOS, TASKS = b"/v1/videos", b"/api/v1/images/generations"
VIDEO_TASKS = b"/api/v1/videos/generations"
GOOD = {"model": "gpt-image-2", "prompt": "a lighthouse"}
NO_VIDEO = {"model": "seedance-2.0", "prompt": "a lighthouse", "aspect_ratio": "5:1"}
"""Wrong before anything is changed: videos take their time, and their price."""
KEY_MARK = b"<the key>"
"""Stands for the credential: examples must not change from run to run."""

_FIELDS = (
    *("model", "prompt", "n", "size", "quality", "background", "output_format", "moderation"),
    *("output_compression", "response_format", "stream", "partial_images", "user", "style"),
    *("safety_identifier", "seed", "images", "mask", "image", "extras", "input_fidelity"),
    *("seconds", "duration", "resolution", "generate_audio", "with_audio", "callback_url"),
    *("input_reference", "first_frame", "reference_images", "image_urls", "image_with_roles"),
)
_ODD_TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "\0", "\ud800", "\ufeff", "\u202e" * 9, "😀" * 99, "x" * 40_000]),
    st.sampled_from(
        ["auto", "0x0", "16x99999", "1e9", "-1", "null", "${jndi:x}", "'; --", "../.."]
    ),
)
_ODD_NUMBER = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 11, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400]),
    st.floats(allow_nan=True, allow_infinity=True),
)
_LEAF = st.one_of(st.none(), st.booleans(), _ODD_NUMBER, _ODD_TEXT)
_ANY_JSON = st.recursive(
    _LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_ODD_TEXT, inner, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True, slots=True)
class Wire:
    """One request as bytes, and what is wrong with it in a word."""

    kind: str
    data: bytes = field(repr=False)


def request(method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """An HTTP/1.1 request that asks for the connection to be closed."""
    lines = [b"%s %s HTTP/1.1" % (method, path)]
    for name, value in (
        (b"host", b"localhost"),
        (b"connection", b"close"),
        (b"authorization", b"Bearer " + KEY_MARK),
        *headers,
    ):
        lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", body])


def posted(path: bytes, content_type: bytes, body: bytes) -> bytes:
    """A POST with a body."""
    length = str(len(body)).encode()
    headers = [(b"content-type", content_type), (b"content-length", length)]
    return request(b"POST", path, headers, body)


def as_json(value: Any) -> bytes:
    """JSON as Python writes it: NaN, lone surrogates and all."""
    return json.dumps(value).encode()


def _json(kind: str, bodies: SearchStrategy[bytes]) -> SearchStrategy[Wire]:
    paths = st.sampled_from([GENERATIONS, GENERATIONS, EDITS, EDITS, TASKS])
    return st.builds(
        lambda path, body: Wire(kind, posted(path, b"application/json", body)), paths, bodies
    )


def _no_video(path: bytes, name: str, value: Any) -> Wire:
    body = as_json({**NO_VIDEO, name: value})
    return Wire("a video's field", posted(path, b"application/json", body))


def _changed(name: str, value: Any) -> bytes:
    return as_json({**GOOD, name: value})


def _cut(body: bytes, at: int) -> bytes:
    return body[: at % len(body)]


_DEEP = [b"[" * 100_000, b'{"a":' * 50_000, b'{"prompt":' + b"[" * 9_999 + b"]" * 9_999 + b"}"]
json_requests = st.one_of(
    _json("a field", st.builds(_changed, st.sampled_from(_FIELDS), _ANY_JSON)),
    st.builds(
        _no_video, st.sampled_from([VIDEOS, VIDEO_TASKS]), st.sampled_from(_FIELDS), _ANY_JSON
    ),
    _json("unknown field", st.builds(_changed, _ODD_TEXT, _ANY_JSON)),
    _json("no object", _ANY_JSON.map(as_json)),
    _json("cut", st.builds(_cut, st.just(as_json(GOOD)), st.integers(0, 99))),
    _json("bytes", st.binary(max_size=60)),
    _json("deep", st.sampled_from(_DEEP)),
    _json("large", st.just(as_json({**GOOD, "user": "x" * 3_000_000}))),
    _json("twice", st.just(b'{"model":"gpt-image-2","n":1,"n":"x","prompt":"a"}')),
)

_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_FILES = st.one_of(
    st.binary(max_size=64),
    st.sampled_from(
        [
            _PNG,
            _PNG + b"\xff\xff\xff\xff" * 2 + b"\x08\x06\0\0\0",
            _PNG + b"\0\0\0\0" * 2 + b"\x08\x06\0\0\0",
            b"\xff\xd8\xff\xe0" + b"\0" * 40,
            b"\xff\xd8" + b"\xff" * 300,
            b"RIFF\xff\xff\xff\xffWEBPVP8X" + b"\xff" * 30,
            b"GIF89a" + b"\0" * 20,
            b"data:image/png;base64,AAAA",
        ]
    ),
)
_PART_NAMES = st.sampled_from(
    ["image", "image[]", "image[0]", "image[999]", "image[x]", "mask", "mask[]", "markup", "file"]
    + ["input_reference", "first_frame", "last_frame[]", "reference_images[]", "video"]
)
_QUOTED = st.text(alphabet=string.printable + 'é\\"', max_size=20)


def _part(name: str, content: bytes, filename: str | None) -> bytes:
    head = f'content-disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"'
    return head.encode() + b"\r\n\r\n" + content


_PARTS = st.one_of(
    st.builds(_part, _PART_NAMES, _FILES, st.none() | _QUOTED),
    st.builds(_part, st.sampled_from(_FIELDS), st.binary(max_size=30), st.none()),
    st.builds(_part, _QUOTED, st.binary(max_size=30), st.none()),
    st.binary(max_size=60),
    st.just(b"content-type: " + b"x" * 70_000 + b"\r\n\r\n"),
    st.just(b'content-disposition: form-data; name="extras"\r\n\r\n{"n": {'),
)
_PROMPT = _part("prompt", b"a lighthouse", None)
_BEGIN = {
    EDITS: [_part("model", b"gpt-image-2", None), _PROMPT],
    VIDEOS: [_part(name, str(value).encode(), None) for name, value in NO_VIDEO.items()],
}


def _form(path: bytes, parts: list[bytes], end: bytes, content_type: bytes) -> Wire:
    body = b"".join(b"--edge\r\n" + part + b"\r\n" for part in [*_BEGIN[path], *parts])
    return Wire("form", posted(path, content_type, body + end))


form_requests = st.builds(
    _form,
    st.sampled_from([EDITS, EDITS, VIDEOS]),
    st.lists(_PARTS, max_size=4) | st.builds(lambda part: [part] * 20, _PARTS),
    st.sampled_from([b"--edge--\r\n"] * 9 + [b"", b"--edge", b"--edg", b"\r\n\r\n"]),
    st.sampled_from(
        [
            *[b"multipart/form-data; boundary=edge"] * 18,
            b"multipart/form-data",
            b"multipart/form-data; boundary=",
            b"multipart/form-data; boundary=" + b"e" * 300,
            b'multipart/form-data; boundary="edge',
            b"multipart/mixed; boundary=edge",
            b"application/x-www-form-urlencoded",
            b"text/plain",
        ]
    ),
)

_HEADER_NAMES = st.sampled_from(
    [
        *(b"idempotency-key", b"x-reapi-routing", b"x-stainless-retry-count", b"accept"),
        *(b"expect", b"content-encoding", b"te", b"upgrade", b"range", b"traceparent", b"origin"),
        *(b"authorization", b"host", b"content-length", b"transfer-encoding", b"x-request-id"),
        *(b"bad name", b"", b"x\0y", b"x-" + b"y" * 4_000, b"x-forwarded-for", b"baggage"),
    ]
)
_HEADER_VALUES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            *(b"", b"-1", b"+5", b"5, 6", b"0x10", b"chunked", b"chunked, chunked", b"identity"),
            *(b"100-continue", b"gzip", b"websocket", b"Bearer", b"Basic eDp4", b"Bearer \xff"),
            *(b"x" * 256, b"x" * 40_000, b"only", b"only=", b"only=nobody", b"a\r\n b", b"\x7f"),
            *(b"999999999999999999999", b"bytes=9-1", b"h2c", b"rk_live_x_y_z", b"\xe2\x80\xae"),
        ]
    ),
)


def _with_headers(headers: list[tuple[bytes, bytes]]) -> Wire:
    body = as_json(GOOD)
    usual = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    return Wire("headers", request(b"POST", GENERATIONS, [*usual, *headers], body))


header_requests = st.builds(
    _with_headers,
    st.lists(st.tuples(_HEADER_NAMES, _HEADER_VALUES), min_size=1, max_size=3)
    | st.just([(b"x-one", b"more")] * 150),
)

_PATHS = st.one_of(
    st.sampled_from(
        [
            *(b"/", b"*", b"//", b"/v1", b"/v1/models/%00", b"/v1/models/%ff%fe", b"/v1/models/"),
            *(b"/v1/images/generations/../edits", b"/media/../../etc/passwd", b"/media/tasks/x"),
            *(b"/media/tasks/%2e%2e/%2e%2e/secrets.json", b"/api/v1/generations?page_size=-1"),
            *(b"/api/v1/generations?page_token=%00", b"/api/v1/generations?no_such=1"),
            *(b"/api/v1/generations/gen_x", b"/api/v1/generations/" + b"0" * 32, b"/%", b"/?" * 99),
            *(b"http://elsewhere/v1/models", b"/v1/chat/completions", b"/metrics/x", b"x"),
            *(b"/" + b"a" * 30_000, b"/api/v1/admin/accounts", b"/api/v1/generations:quote"),
            *(
                b"/api/v1/generations/" + b"0" * 32 + b":watch?after_seq=x",
                b"/v1/videos/" + b"%2f" * 9,
                *(
                    b"/v1/videos?after=%00",
                    b"/v1/videos?limit=-1&order=up",
                    b"/v1/videos?limit=9e9",
                ),
                *(b"/v1/videos/video_x/content", b"/v1/videos/gen_" + b"0" * 32 + b"/remix"),
                *(b"/api/v1/tasks/%ff", b"/api/v1/tasks/task_" + b"f" * 32, b"/api/v1/tasks/"),
            ),
        ]
    ),
    st.binary(max_size=30).map(lambda data: b"/" + data.replace(b" ", b"").replace(b"\n", b"")),
)
_METHODS = st.sampled_from(
    [b"GET", b"GET", b"POST", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT"]
    + [b"get", b"PRI", b"X" * 300, b""]
)


def _at(method: bytes, path: bytes, body: bytes) -> Wire:
    length = [(b"content-length", str(len(body)).encode())] if body else []
    return Wire("path", request(method, path, length, body))


path_requests = st.builds(_at, _METHODS, _PATHS, st.just(b"") | _ANY_JSON.map(as_json))

_CHUNKED = request(
    b"POST",
    GENERATIONS,
    [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")],
    b"",
)
raw_requests = st.one_of(
    st.binary(min_size=1, max_size=80).map(lambda data: Wire("garbage", data + b"\r\n\r\n")),
    st.sampled_from(
        [
            Wire("http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            Wire("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 60),
            Wire("http/0.9", b"GET /v1/models\r\n\r\n"),
            Wire("http/9", b"GET /v1/models HTTP/9.9\r\nhost: x\r\n\r\n"),
            Wire("chunks", _CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n"),
            Wire("chunks", _CHUNKED + b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
            Wire("chunks", _CHUNKED + b"5;ext=" + b"x" * 9_000 + b"\r\nhello\r\n0\r\n\r\n"),
            Wire("endless", request(b"POST", GENERATIONS, [(b"content-length", b"9" * 15)], b"{}")),
        ]
    ),
)

# By index, for `one_of` would melt its members together: each family gets its share.
_FAMILIES = (json_requests, form_requests, header_requests, path_requests, raw_requests)
malformed: SearchStrategy[Wire] = st.sampled_from([0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4]).flatmap(
    lambda index: _FAMILIES[index]
)
