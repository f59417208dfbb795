"""POST /v1/images/edits: forms in all their shapes, and JSON with data URLs."""

import base64
import io
import tempfile
from collections.abc import AsyncIterator

import pytest

from reapi.v1.parameters_pb2 import Input
from rest_bridge.picture import Picture, probe
from tests.bridge.scripted_core import FakeCore, picture
from tests.fix_bridge import Bridge

URL = "/v1/images/edits"
FIELDS = {"model": "gpt-image-2", "prompt": "make it blue"}


def received(fake_core: FakeCore) -> list[bytes]:
    return [
        bytes(fake_core.calls[-1].attachments[i]) for i in sorted(fake_core.calls[-1].attachments)
    ]


def names(fake_core: FakeCore) -> list[str]:
    start = fake_core.calls[-1].start
    assert start is not None
    return [item.parameter for item in start.spec.parameters.inputs]


async def test_the_sdk_sends_one_image_a_list_and_a_mask(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    one, two, mask = picture(), picture("JPEG"), picture(size=(3, 3))
    edit = bridge.openai.images.edit

    await edit(**FIELDS, image=("a.png", one))
    assert (received(fake_core), names(fake_core)) == ([one], ["image"])

    await edit(**FIELDS, image=[one, two], mask=("m.png", mask), n=2, output_compression=50)
    assert received(fake_core) == [one, two, mask]
    assert names(fake_core) == ["image[0]", "image[1]", "mask"]
    start = fake_core.calls[-1].start
    assert start is not None
    roles = [item.role for item in start.spec.parameters.inputs]
    assert roles == [Input.ROLE_IMAGE, Input.ROLE_IMAGE, Input.ROLE_MASK]
    assert list(start.attachment_sizes) == [len(one), len(two), len(mask)]
    assert start.spec.parameters.output_count == 2
    assert start.spec.parameters.output_compression == 50
    assert start.spec.endpoint == URL


async def test_bare_bytes_and_octet_streams_are_images_too(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    data = picture("WEBP")

    await bridge.openai.images.edit(**FIELDS, image=data)
    await bridge.http.post(
        URL, data=FIELDS, files={"image": ("upload", data, "application/octet-stream")}
    )

    assert received(fake_core) == [data]
    assert len(fake_core.calls) == 2


async def test_indexed_images_come_in_the_order_of_their_indices(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    pictures = [picture(size=(side, side)) for side in (2, 3, 4)]
    files = [
        ("image[10]", ("c", pictures[2])),
        ("image[0]", ("a", pictures[0])),
        ("image[2]", ("b", pictures[1])),
        ("mask[]", ("m", picture())),
    ]

    answer = await bridge.http.post(URL, data=FIELDS, files=files)

    assert answer.status_code == 200
    assert received(fake_core)[:3] == pictures
    assert names(fake_core) == ["image[0]", "image[1]", "image[2]", "mask"]


async def test_a_form_without_a_length_is_read_as_it_comes(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    data = picture()
    boundary = "x" * 20
    head = (
        f'--{boundary}\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n'
        f'--{boundary}\r\ncontent-disposition: form-data; name="prompt"\r\n\r\np \u00fc\r\n'
        f'--{boundary}\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n'
    ).encode()
    whole = head + data + f"\r\n--{boundary}--\r\n".encode()

    async def body() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), 13):  # every boundary is cut somewhere
            yield whole[at : at + 13]

    answer = await bridge.http.post(
        URL,
        content=body(),
        headers={"content-type": f'multipart/form-data; boundary="{boundary}"'},
    )

    assert answer.status_code == 200
    assert received(fake_core) == [data]
    assert fake_core.calls[0].start.spec.parameters.prompt == "p ü"


async def test_a_large_upload_travels_in_small_chunks_and_never_touches_the_disk(
    bridge: Bridge, fake_core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    data = picture() + bytes(20_000_000)
    # Patched here only: the client of this test makes none.
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", refuse)

    answer = await bridge.http.post(URL, data=FIELDS, files={"image": ("big.png", data)})

    assert answer.status_code == 200
    assert received(fake_core) == [data]
    assert max(fake_core.calls[0].chunk_sizes) <= 64 * 1024


async def test_text_fields_become_what_they_stand_for(bridge: Bridge, fake_core: FakeCore) -> None:
    fields = {
        **FIELDS,
        "n": "2",
        "stream": "true",
        "partial_images": "1",
        "seed": "-7",
        "input_fidelity": "high",
        "user": "ann",
        "tags[]": ["a", "b"],
        "extras": '{"loras": [{"path": "x", "scale": 0.5}]}',
    }

    answer = await bridge.http.post(URL, data=fields, files={"image": ("a", picture())})

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("event: image_edit.completed\n")
    spec = fake_core.calls[0].start.spec
    assert (spec.parameters.output_count, spec.parameters.seed) == (2, -7)
    assert (spec.partial_count, spec.parameters.end_user_id) == (1, "ann")
    extras = spec.parameters.extras
    assert extras["input_fidelity"].text == "high"
    assert [item.text for item in extras["tags"].list.items] == ["a", "b"]
    assert extras["loras"].list.items[0].object.fields["scale"].number == 0.5


IMAGE = ("image", ("a.png", picture()))
WRONG_FORMS = [
    ({**FIELDS, "n": "two"}, [IMAGE], "n", "invalid_type"),
    ({**FIELDS, "stream": "yes"}, [IMAGE], "stream", "invalid_type"),
    (FIELDS, [], "image", "missing_required_parameter"),
    ({"model": "m"}, [IMAGE], "prompt", "missing_required_parameter"),
    (FIELDS, [("image", ("a.png", b"no picture"))], "image", "invalid_input"),
    (FIELDS, [IMAGE, ("image[]", ("b", b"GIF89a" + bytes(40)))], "image[1]", "invalid_input"),
    (FIELDS, [IMAGE, ("mask", ("m", picture("JPEG")))], "mask", "invalid_input"),
    (FIELDS, [IMAGE, ("mask", ("m", picture())), ("mask", ("m", picture()))], "mask")
    + ("invalid_value",),
    (FIELDS, [IMAGE, ("markup", ("m", picture()))], "markup", "unknown_parameter"),
    ({**FIELDS, "prompt": ["a", "b"]}, [IMAGE], "prompt", "invalid_value"),
    (FIELDS, [("image[]", ("a", picture()))] * 17, "image[16]", "invalid_value"),
    ({**FIELDS, "image": "https://a/\n.png"}, [("mask", ("m", picture()))], "image")
    + ("invalid_value",),
]


async def test_a_wrong_form_is_refused_with_the_name_of_the_field(bridge: Bridge) -> None:
    for fields, files, param, code in WRONG_FORMS:
        if files:
            answer = await bridge.http.post(URL, data=fields, files=files)
        else:
            answer = await _form(bridge, fields)

        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, param, code), param


async def _form(bridge: Bridge, fields: dict[str, str]):
    body = "".join(
        f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return await bridge.http.post(
        URL,
        content=f"{body}--b--\r\n".encode(),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )


MALFORMED = [
    (b"", "multipart/form-data; boundary=b"),
    (b"--b\r\n", "multipart/form-data; boundary=b"),
    (b"no boundary here", "multipart/form-data; boundary=b"),
    (b"--b--\r\n", "multipart/form-data"),
    (b"--b\r\nx: y\r\n\r\nz\r\n--b--\r\n", "multipart/form-data; boundary=b"),
    (b"--b\r\n" + b"h" * 9_000, "multipart/form-data; boundary=b"),
    (b"--b--\r\n", "multipart/form-data; boundary=" + "b" * 300),
]


async def test_what_is_no_form_is_a_400(bridge: Bridge) -> None:
    for body, content_type in MALFORMED:
        answer = await bridge.http.post(URL, content=body, headers={"content-type": content_type})

        assert answer.status_code == 400, body
        assert answer.json()["error"]["code"] == "malformed_request"
    assert bridge.defects == []


async def test_undecodable_text_is_refused_without_a_trace(bridge: Bridge) -> None:
    body = b'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\n\xff\xfe\r\n--b--\r\n'

    answer = await bridge.http.post(
        URL, content=body, headers={"content-type": "multipart/form-data; boundary=b"}
    )

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")
    assert bridge.defects == []


async def test_too_many_parts_and_too_many_bytes_are_413(start_bridge) -> None:
    bridge = await start_bridge(inline_bytes=1_000)
    many = [("tags[]", (None, b"x"))] * 129
    large = {"image": ("a", picture() + bytes(2_000))}

    for files in (many, large):
        answer = await bridge.http.post(URL, data=FIELDS, files=files)

        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "request_too_large"


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


async def test_json_edits_take_data_urls(bridge: Bridge, fake_core: FakeCore) -> None:
    one, two, mask = picture(), picture("WEBP"), picture(size=(2, 2))
    body = {
        **FIELDS,
        "images": [{"image_url": data_url(one)}, {"image_url": data_url(two, "x/y;a=b")}],
        "mask": {"image_url": data_url(mask), "file_id": None},
        "n": 1,
    }

    answer = await bridge.http.post(URL, json=body)

    assert answer.status_code == 200
    assert received(fake_core) == [one, two, mask]
    assert names(fake_core) == ["images[0].image_url", "images[1].image_url", "mask.image_url"]


GOOD = {"image_url": data_url(picture())}
WRONG_JSON = [
    ({}, "images", "missing_required_parameter"),
    ({"images": []}, "images", "missing_required_parameter"),
    ({"images": "x"}, "images", "invalid_type"),
    ({"images": ["x"]}, "images[0]", "invalid_type"),
    ({"images": [GOOD, {}]}, "images[1].image_url", "missing_required_parameter"),
    ({"images": [GOOD, {"image_url": 5}]}, "images[1].image_url", "invalid_type"),
    ({"images": [{"image_url": "ftp://a/b.png"}]}, "images[0].image_url", "invalid_value"),
    ({"images": [{"image_url": "/etc/passwd"}]}, "images[0].image_url", "invalid_value"),
    ({"images": [{"image_url": "https://a/b c\n"}]}, "images[0].image_url", "invalid_value"),
    ({"images": [{"image_url": "https://a/" + "b" * 8_192}]}, "images[0].image_url")
    + ("invalid_value",),
    ({"images": [{"file_id": "file-1"}]}, "images[0].file_id", "invalid_value"),
    ({"images": [{**GOOD, "detail": 1}]}, "images[0].detail", "unknown_parameter"),
    ({"images": [{"image_url": "data:image/png;base64,%%%"}]}, "images[0].image_url")
    + ("invalid_input",),
    ({"images": [{"image_url": "data:image/png,abc"}]}, "images[0].image_url", "invalid_input"),
    ({"images": [{"image_url": data_url(b"no")}]}, "images[0].image_url", "invalid_input"),
    ({"images": [GOOD], "mask": {"file_id": "f"}}, "mask.file_id", "invalid_value"),
    ({"images": [GOOD] * 17}, "images[16].image_url", "invalid_value"),
]


async def test_a_wrong_json_edit_is_refused_with_the_exact_param(bridge: Bridge) -> None:
    for body, param, code in WRONG_JSON:
        answer = await bridge.http.post(URL, json={**FIELDS, **body})

        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


async def test_a_data_url_may_stand_in_a_form_field(bridge: Bridge, fake_core: FakeCore) -> None:
    data = picture()

    answer = await _form(bridge, {**FIELDS, "image": data_url(data)})

    assert answer.status_code == 200
    assert received(fake_core) == [data]


async def test_links_are_left_to_core_and_files_keep_their_place(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    one, mask = picture(), picture(size=(2, 2))
    body = {
        **FIELDS,
        "images": [
            {"image_url": "https://a.example/1.png"},
            {"image_url": data_url(one)},
            {"image_url": "HTTP://a.example/ü.png"},
        ],
        "mask": {"image_url": data_url(mask)},
    }

    answer = await bridge.http.post(URL, json=body)

    assert answer.status_code == 200
    assert received(fake_core) == [one, mask]
    start = fake_core.calls[-1].start
    assert start is not None
    inputs = start.spec.parameters.inputs
    assert [item.WhichOneof("source") for item in inputs] == [
        "uri",
        "attachment_index",
        "uri",
        "attachment_index",
    ]
    assert [item.attachment_index for item in inputs if not item.uri] == [0, 1]
    assert inputs[0].uri == "https://a.example/1.png"
    assert names(fake_core)[2:] == ["images[2].image_url", "mask.image_url"]


async def test_a_link_may_stand_in_a_form_field(bridge: Bridge, fake_core: FakeCore) -> None:
    answer = await _form(bridge, {**FIELDS, "image": "https://a.example/1.png"})

    assert answer.status_code == 200
    start = fake_core.calls[-1].start
    assert start is not None
    assert start.spec.parameters.inputs[0].uri == "https://a.example/1.png"
    assert list(start.attachment_sizes) == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_size_of_a_picture_is_read_from_its_header(kind: str) -> None:
    found = probe(picture(kind, (37, 21)))

    assert found == Picture(f"image/{kind.lower()}", 37, 21)


def test_lossless_and_extended_webp_are_probed_too() -> None:
    from PIL import Image

    for options in ({"lossless": True}, {"exif": b"Exif\0\0MM\0*"}):
        out = io.BytesIO()
        Image.new("RGBA", (37, 21)).save(out, "WEBP", **options)
        assert probe(out.getvalue()) == Picture("image/webp", 37, 21)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_cut_picture_never_raises(kind: str) -> None:
    data = picture(kind)

    for length in range(len(data)):
        probe(data[:length])
    assert probe(data[:10]) is None
