"""REST requests of every route with a canary in every field, right and wrong ones."""

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.proof.requests import (
    GENERATIONS,
    MODEL,
    Body,
    Maker,
    Plant,
    Tainted,
    as_json,
    as_text,
    planted,
)

EDITS = "/v1/images/edits"


def as_form(images: int = 1, ending: bytes = b"--edge--\r\n", **fields: str) -> Body:
    """A form with pictures that carry canaries: in their names, their types and inside."""

    def body(plant: Plant) -> tuple[str, bytes]:
        given = {"model": MODEL, "prompt": "CANARY", "safety_identifier": "CANARY", **fields}
        parts = [
            f'content-disposition: form-data; name="{planted(name, plant)}"\r\n\r\n'
            f"{planted(value, plant)}".encode()
            for name, value in given.items()
        ]
        parts += [
            f'content-disposition: form-data; name="image[]"; filename="{plant("file name")}"\r\n'
            f"content-type: image/png; note={plant('part header')}\r\n\r\n".encode()
            + tainted_png(plant("image"))
            for _ in range(images)
        ]
        joined = b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts)
        kind = f"multipart/form-data; boundary=edge; note={plant('content type')}"
        return kind, joined + ending

    return body


def tainted_png(word: str, side: int = 8) -> bytes:
    """A PNG with a text chunk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    pixels = (b"\0" + b"\x80" * 3 * side) * side
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        + chunk(b"tEXt", b"Comment\0" + word.encode())
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


def as_json_edit(**fields: Any) -> Body:
    """A JSON edit whose pictures are data URLs."""

    def body(plant: Plant) -> tuple[str, bytes]:
        picture = base64.b64encode(tainted_png(plant("image"))).decode()
        images = [{"image_url": f"data:image/png;base64,{picture}"}]
        return as_json(images=images, **fields)(plant)

    return body


# ---- the requests


def good(maker: Maker) -> Iterator[Tainted]:
    """Requests that are served."""
    yield maker.make("generate", as_json())
    yield maker.make("generate a url", as_json(response_format="url", n=2))
    yield maker.make("generate a stream", as_json(stream=True, partial_images=2))
    yield maker.make("generate as a retry", as_json(), headers={"x-stainless-retry-count": "1"})
    yield maker.make("edit", as_form(images=3), EDITS)
    yield maker.make("edit a stream", as_form(stream="true", partial_images="1"), EDITS)
    yield maker.make("edit json", as_json_edit(), EDITS)
    yield maker.make("models", as_text("text/plain", "CANARY"), "/v1/models", "GET")
    yield maker.make("balance", as_text("text/plain", "CANARY"), "/api/v1/balance?", "GET")
    yield maker.make("list", as_text("text/plain", ""), "/api/v1/generations?", "GET")


def upstream_failures(maker: Maker, models: Mapping[str, str]) -> Iterator[Tainted]:
    """Requests whose upstreams fail, by the name of the failure."""
    for name, model in models.items():
        yield maker.make(name, as_json(model=model))
        yield maker.make(f"{name}, stream", as_json(model=model, stream=True, partial_images=1))
        yield maker.make(f"{name}, edit", as_form(model=model), EDITS)


WRONG_FIELDS: Mapping[str, dict[str, Any]] = {
    "unknown field": {"CANARY": "CANARY"},
    "wrong model": {"model": "CANARY"},
    "wrong size": {"size": "CANARY"},
    "wrong type": {"n": "CANARY", "stream": "CANARY"},
    "wrong choice": {"quality": "CANARY", "background": "CANARY"},
    "wrong format": {"response_format": "CANARY"},
    "nested": {"style": {"CANARY": ["CANARY", {"CANARY": 1}]}},
    "no prompt": {"prompt": None, "negative_prompt": "CANARY"},
    "long prompt": {"prompt": "CANARY" + "x" * 33_000},
    "wrong image": {"images": [{"image_url": "http://10.0.0.1/CANARY"}]},
    "wrong data": {"images": [{"image_url": "data:image/png;base64,CANARY!"}]},
    "file id": {"images": [{"file_id": "CANARY"}]},
}
WRONG_BODIES: Mapping[str, Body] = {
    "cut json": as_text("application/json", '{"prompt": "CANARY", "model": "CANARY'),
    "no object": as_text("application/json", '["CANARY"]'),
    "no json": as_text("application/json", "CANARY"),
    "wrong media type": as_text("text/CANARY", "CANARY"),
}
WRONG_FORMS: Mapping[str, Body] = {
    "no boundary": as_text("multipart/form-data", "CANARY"),
    "cut form": as_form(ending=b""),
    "unknown part": as_form(CANARY="CANARY"),
    "wrong part": as_form(n="CANARY"),
    "no form": as_text("multipart/form-data; boundary=edge", "--edge\r\nCANARY: CANARY\r\n"),
    "no picture": as_form(images=0, image="CANARY"),
}
WRONG_PATHS: Mapping[str, str] = {
    "unknown path": "/v1/CANARY",
    "unknown model": "/v1/models/CANARY",
    "unknown output": "/media/tasks/CANARY/0.png",
    "unknown generation": "/api/v1/generations/CANARY?",
    "unknown trace": "/api/v1/tasks/CANARY/trace",
    "wrong query": "/api/v1/generations/CANARY",
    "wrong page": "/api/v1/generations?page_token=CANARY&order=",
    "unknown root": "/CANARY",
}


def refused(maker: Maker) -> Iterator[Tainted]:
    """Requests that are wrong in themselves, or ask for what is not there."""
    for stage in ("moderation_blocked", "moderation_blocked_output"):
        yield maker.make(stage, as_json(prompt=f"{stage} CANARY"))
        yield maker.make(f"{stage}, edit", as_form(prompt=f"{stage} CANARY"), EDITS)
        yield maker.make(f"{stage}, stream", as_json(prompt=f"{stage} CANARY", stream=True))
    for name, fields in WRONG_FIELDS.items():
        yield maker.make(name, as_json(**fields), EDITS if "images" in fields else GENERATIONS)
    for name, body in WRONG_BODIES.items():
        yield maker.make(name, body)
    for name, body in WRONG_FORMS.items():
        yield maker.make(name, body, EDITS)
    for name, path in WRONG_PATHS.items():
        yield maker.make(name, as_text("text/plain", "CANARY"), path, "GET")
    for path in ("/v1/chat/completions", "/v1/audio/transcriptions", "/v1/files"):
        yield maker.make(f"not built: {path}", as_json(messages="CANARY"), path)
    yield maker.make("routing", as_json(), headers={"x-reapi-routing": "only=CANARY"})
    quoted = {"model": MODEL, "prompt": "CANARY", "user": "CANARY"}
    for name, fields in {
        "quote": quoted,
        "quote of nothing": {**quoted, "CANARY": "CANARY"},
        "quote of a link": {**quoted, "image_urls": ["http://10.0.0.1/CANARY"]},
        "quote of a quote": {**quoted, "quote_token": "CANARY"},
    }.items():
        yield maker.make(name, as_text("application/json", json.dumps(fields)), "/api/v1/quotes")
    yield maker.make("quote header", as_json(), headers={"x-reapi-quote": "rq_CANARY"})
    yield maker.make("method", as_json(), "/v1/models", "DELETE")


def transcoded(maker: Maker) -> Iterator[Tainted]:
    """Calls of the contract in JSON."""
    parameters = {"prompt": "CANARY", "end_user_id": "CANARY"}
    good = {"model": MODEL, "parameters": parameters, "request_id": "CANARY", "endpoint": "CANARY"}
    for name, changes in {
        "transcoded": {},
        "transcoded extra": {
            "parameters": {**parameters, "extras": {"CANARY": {"text": "CANARY"}}}
        },
        "transcoded callback": {"callback_url": "https://CANARY.example/CANARY"},
        "transcoded quote": {"quote_token": "CANARY"},
        "transcoded routing": {"routing": {"only_channels": ["CANARY"], "regions": ["CANARY"]}},
        "transcoded link": {
            "parameters": {**parameters, "inputs": [{"uri": "http://10.0.0.1/CANARY"}]}
        },
        "transcoded scheme": {"parameters": {**parameters, "inputs": [{"uri": "CANARY://CANARY"}]}},
        "transcoded wrong": {"CANARY": "CANARY"},
    }.items():
        body = as_text("application/json", json.dumps({"spec": {**good, **changes}}))
        yield maker.make(name, body, "/api/v1/generations?")


def keyless(maker: Maker) -> Iterator[Tainted]:
    """Requests with a credential that is none; the credential itself is a canary."""
    for name, value in {
        "wrong key": "Bearer CANARY",
        "almost a key": "Bearer rk_live_CANARY_CANARY_00000000",
        "basic": "Basic CANARY",
        "no scheme": "CANARY",
    }.items():
        yield maker.make(name, as_json(), headers={"authorization": value})
        yield maker.make(f"{name}, edit", as_form(), EDITS, headers={"authorization": value})
        yield maker.make(
            f"{name}, admin",
            as_json(name="CANARY"),
            "/api/v1/admin/accounts",
            headers={"authorization": value},
        )


def raw(plant: Plant) -> list[bytes]:
    """Bytes that are hardly HTTP."""
    texts = [
        "CANARY\r\n\r\n",
        "CANARY /CANARY HTTP/1.1\r\nhost: CANARY\r\n\r\n",
        "GET /CANARY HTTP/9.9\r\nCANARY\r\n\r\n",
        "POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-length: CANARY\r\n\r\nCANARY",
        "POST /v1/models HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nCANARY\r\nCANARY",
        "GET / HTTP/1.1\r\nupgrade: CANARY\r\nconnection: upgrade\r\nhost: CANARY\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\n" + "CANARY: CANARY\r\n" * 150 + "\r\n",
        "GET /" + "CANARY" * 3_000 + " HTTP/1.1\r\nhost: x\r\n\r\n",
    ]
    return [planted(text, plant).encode() for text in texts]
