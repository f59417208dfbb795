"""What is asked of OpenAI's Images API."""

from email.parser import BytesParser

import orjson

from core.body import Body, Secret
from core.model import Ask, Channel, Input, Kind, Role
from core.providers import multipart
from core.providers.openai_images import OpenAIImages

CHANNEL = Channel(
    "a", "openai_images", "gpt-image-2-2026-04-21", "http://provider/v1", Secret("sk-real")
)
DIALECT = OpenAIImages()
FIRST = Input(Role.IMAGE, Body(b"first"), "image/png", parameter="image[0]")
SECOND = Input(Role.IMAGE, Body(b"second"), "image/webp", parameter="image[1]")
MASK = Input(Role.MASK, Body(b"mask"), "image/png", parameter="mask")


def ask(*inputs: Input, partials: int = 0, count: int = 1, **parameters: str | float | bool) -> Ask:
    return Ask("ours", Kind.IMAGE, Body("a red fox"), inputs, count, partials, parameters)


def json_of(request: Ask) -> dict[str, object]:
    call = DIALECT.encode(request, CHANNEL)
    assert isinstance(call.body, Body)
    found = orjson.loads(call.body.reveal())
    assert isinstance(found, dict)
    return found


def form_of(request: Ask) -> list[tuple[str, bytes]]:
    call = DIALECT.encode(request, CHANNEL)
    assert isinstance(call.body, tuple)
    body = b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    message = BytesParser().parsebytes(body + b"".join(multipart.encode(call.body, "b")))
    found = []
    for part in message.walk():
        data = part.get_payload(decode=True)
        if isinstance(data, bytes):
            found.append((str(part.get_param("name", header="content-disposition")), data))
    return found


def test_a_generation_is_json_with_the_channels_model_and_credential() -> None:
    call = DIALECT.encode(ask(size="1024x1024", moderation="low", count=3), CHANNEL)

    assert (call.method, call.path, call.streams) == ("POST", "/images/generations", False)
    assert call.headers == {"authorization": "Bearer sk-real"}
    assert json_of(ask(size="1024x1024", moderation="low", count=3)) == {
        "model": "gpt-image-2-2026-04-21",
        "prompt": "a red fox",
        "n": 3,
        "size": "1024x1024",
        "moderation": "low",
    }


def test_previews_are_asked_for_only_where_the_caller_wants_them() -> None:
    assert DIALECT.encode(ask(partials=2), CHANNEL).streams
    assert json_of(ask(partials=2)).items() >= {"stream": True, "partial_images": 2}.items()
    assert json_of(ask()).keys().isdisjoint({"stream", "partial_images", "response_format"})


def test_the_end_user_is_named_as_the_caller_named_it() -> None:
    request = Ask("ours", Kind.IMAGE, Body("x"), end_user=Body("u_1"))

    assert json_of(request)["safety_identifier"] == "u_1"


def test_one_image_is_edited_under_its_plain_name_and_several_under_an_array_name() -> None:
    assert DIALECT.encode(ask(FIRST), CHANNEL).path == "/images/edits"
    assert ("image", b"first") in form_of(ask(FIRST))
    assert [part for part in form_of(ask(FIRST, SECOND, MASK)) if part[0][:2] in ("im", "ma")] == [
        ("image[]", b"first"),
        ("image[]", b"second"),
        ("mask", b"mask"),
    ]


def test_an_edit_carries_its_fields_as_text_and_no_moderation() -> None:
    request = ask(FIRST, partials=1, output_compression=80, moderation="low", size="auto")

    assert dict(form_of(request)) == {
        "model": b"gpt-image-2-2026-04-21",
        "prompt": b"a red fox",
        "n": b"1",
        "output_compression": b"80",
        "size": b"auto",
        "stream": b"true",
        "partial_images": b"1",
        "image": b"first",
    }


def test_no_credential_and_no_content_is_shown_by_a_call() -> None:
    for call in (DIALECT.encode(ask(), CHANNEL), DIALECT.encode(ask(FIRST), CHANNEL)):
        assert not any(word in repr(call) for word in ("sk-real", "fox", "first"))
