"""Requests for jobs, in both dialects of REST, with a canary in every field."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.proof.requests import Body, Maker, Plant, Tainted, as_json, as_text
from tests.privacy.tainted_rest import tainted_png

VIDEOS, TASKS = "/v1/videos", "/api/v1/tasks"
IMAGE_TASKS, VIDEO_TASKS = "/api/v1/images/generations", "/api/v1/videos/generations"
MODEL = "seedance-2.0"
_SIDE = 320
"""Pixels: frames of a video have a smallest side."""


def with_data_urls(*names: str, **fields: Any) -> Body:
    """A JSON body whose fields *names* are lists of data URLs."""

    def body(plant: Plant) -> tuple[str, bytes]:
        urls = {name: [_data_url(plant)] for name in names}
        return as_json(**urls, **fields)(plant)

    return body


def with_roles(**fields: Any) -> Body:
    """A JSON body with a first and a last frame."""

    def body(plant: Plant) -> tuple[str, bytes]:
        frames = [{"url": _data_url(plant), "role": role} for role in ("first_frame", "last_frame")]
        return as_json(image_with_roles=frames, **fields)(plant)

    return body


def _data_url(plant: Plant) -> str:
    picture = base64.b64encode(tainted_png(plant("image"), _SIDE)).decode()
    return f"data:image/png;base64,{picture}"


def as_video_form(**fields: str) -> Body:
    """A form as the SDKs send it, with two frames that carry canaries."""

    def body(plant: Plant) -> tuple[str, bytes]:
        given = {"model": MODEL, "prompt": plant("prompt"), "user": plant("user"), **fields}
        parts = [
            f'content-disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
            for name, value in given.items()
        ]
        for name in ("input_reference", "last_frame"):
            head = (
                f'content-disposition: form-data; name="{name}"; filename="{plant("file name")}"'
                f"\r\ncontent-type: image/png; note={plant('part header')}\r\n\r\n"
            )
            parts.append(head.encode() + tainted_png(plant(name), _SIDE))
        joined = b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts)
        kind = f"multipart/form-data; boundary=edge; note={plant('content type')}"
        return kind, joined + b"--edge--\r\n"

    return body


def good(maker: Maker) -> Iterator[Tainted]:
    """Jobs that are served."""
    yield maker.make("task", with_data_urls("image_urls"), IMAGE_TASKS)
    yield maker.make("video", as_json(model=MODEL, seconds="4"), VIDEOS)
    yield maker.make("video form", as_video_form(seconds="4"), VIDEOS)
    yield maker.make("video task", with_roles(model=MODEL, duration=4), VIDEO_TASKS)
    yield maker.make(
        "video task, references", with_data_urls("image_urls", model=MODEL, duration=4), VIDEO_TASKS
    )
    yield maker.make("videos", as_text("text/plain", "CANARY"), VIDEOS, "GET")


LINK = "http://10.0.0.1/CANARY?signature=CANARY"
"""Of an address that nobody may reach, so that it is refused and nothing leaves the machine."""
LINKS: Mapping[str, str] = {
    "inside": LINK,
    "with a user": "http://CANARY:CANARY@10.0.0.1/CANARY",
    "of a name": "https://CANARY.localhost/CANARY",
    "with a port": "http://10.0.0.1:22/CANARY",
    "broken": "http://[CANARY/CANARY",
    "long": "http://10.0.0.1/CANARY" + "x" * 9_000,
}
"""Links that must not be fetched, by what is wrong with them."""
WRONG: Mapping[str, dict[str, Any]] = {
    **{f"link {name}": {"image_urls": [link]} for name, link in LINKS.items()},
    "second link": {"image_urls": [LINK, LINKS["with a user"]]},
    "mask": {"mask_url": "CANARY"},
    "roles": {"image_with_roles": [{"url": LINK, "role": "CANARY"}]},
    "role's key": {"image_with_roles": [{"url": LINK, "CANARY": "CANARY"}]},
    "list": {"image_urls": "CANARY"},
    "scheme": {"image_urls": ["CANARY://CANARY"]},
    "data": {"image_urls": ["data:image/png;base64,CANARY!"]},
    "duration": {"duration": "CANARY"},
    "size": {"size": "CANARY", "resolution": "CANARY", "aspect_ratio": "CANARY"},
    "extra": {"CANARY": {"CANARY": ["CANARY"]}},
    "callback": {"callback_url": LINK},
}
WRONG_VIDEOS: Mapping[str, dict[str, Any]] = {
    "seconds": {"seconds": "CANARY"},
    "reference": {"input_reference": {"image_url": LINK}},
    "reference's key": {"input_reference": {"CANARY": "CANARY"}},
    "file id": {"input_reference": {"file_id": "CANARY"}},
    "references": {"reference_images": ["CANARY"]},
    "twice": {"first_frame": LINK, "input_reference": LINK},
}
LOST: Mapping[str, tuple[str, str]] = {
    "task": ("GET", f"{TASKS}/CANARY"),
    "video": ("GET", f"{VIDEOS}/video_CANARY"),
    "deleted video": ("DELETE", f"{VIDEOS}/video_CANARY"),
    "content": ("GET", f"{VIDEOS}/video_CANARY/content?variant=CANARY&x="),
    "page": ("GET", f"{VIDEOS}?after=CANARY&x="),
    "order": ("GET", f"{VIDEOS}?order=CANARY&limit=CANARY&x="),
    "remix": ("POST", f"{VIDEOS}/video_CANARY/remix"),
    "characters": ("GET", f"{VIDEOS}/characters/CANARY"),
}


def refused(maker: Maker) -> Iterator[Tainted]:
    """Jobs that are wrong in themselves, or that are not there."""
    for name, fields in WRONG.items():
        for path in (IMAGE_TASKS, VIDEO_TASKS):
            yield maker.make(f"wrong {name} of {path}", as_json(**fields), path)
    for name, fields in WRONG_VIDEOS.items():
        yield maker.make(f"wrong {name} of a video", as_json(**{"model": MODEL} | fields), VIDEOS)
    yield maker.make("wrong video form", as_video_form(seconds="soon"), VIDEOS)
    for name, (method, path) in LOST.items():
        body = as_text("application/json", json.dumps({"prompt": "CANARY"}))
        yield maker.make(f"lost {name}", body, path, method)
