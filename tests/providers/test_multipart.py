from email.message import Message
from email.parser import BytesParser

from core.body import Body
from core.model import Input, Role
from core.providers import multipart
from core.providers.wire import Part

IMAGE = Input(Role.IMAGE, Body(b"\x89PNG\r\n--not a boundary\r\n"), "image/png")


def content(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data


def parsed(parts: list[Part]) -> list[tuple[str, str | None, str, bytes]]:
    """What the standard library's parser, which is not ours, makes of the body."""
    body = b"".join(multipart.encode(parts, "xyz"))
    message = BytesParser().parsebytes(
        b"Content-Type: " + multipart.media_type("xyz").encode() + b"\r\n\r\n" + body
    )
    return [
        (
            str(part.get_param("name", header="content-disposition")),
            part.get_filename(),
            part.get_content_type(),
            content(part),
        )
        for part in message.walk()
        if not part.is_multipart()
    ]


def test_fields_and_files_are_found_again_by_another_parser() -> None:
    parts = [
        multipart.field("prompt", "a réd\r\nfox"),
        multipart.field("n", 2),
        multipart.field("stream", value=True),
        multipart.file("image[]", IMAGE),
    ]

    assert parsed(parts) == [
        ("prompt", None, "text/plain", "a réd\r\nfox".encode()),
        ("n", None, "text/plain", b"2"),
        ("stream", None, "text/plain", b"true"),
        ("image[]", "image.png", "image/png", IMAGE.data.reveal()),
    ]


def test_a_large_file_is_sliced_without_a_copy() -> None:
    data = bytes(1_000_000)
    slices = multipart.encode([Part("image", Body(data), "image.png", "image/png")], "xyz")

    assert max(len(each) for each in slices) <= 256 * 1024
    assert {id(each.obj) for each in slices if isinstance(each, memoryview)} == {id(data)}


def test_a_form_without_parts_is_just_its_end() -> None:
    assert b"".join(multipart.encode([], "xyz")) == b"--xyz--\r\n"
