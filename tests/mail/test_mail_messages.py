"""What a mail looks like, whatever somebody typed into it."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest

from accounts.mail_queue import Kind
from core.mail.content import Links, line, name_of
from core.mail.message import ENGLISH, GREETED, UnfitLetter, as_email, compose
from tests.mailing import PUBLIC, SENDER, letter

STOP = "un_token"
NASTY = [
    "Ada\r\nBcc: eve@example.com",
    "Ada\nSubject: other",
    "\x00Ada\x1b[31m",
    "Ada\u2028Bcc: eve@example.com",
    "\u202eadA",
    "آدا 👩‍💻 علي",
    "a" * 5000,
    "<script>alert(1)</script><img src=https://evil.example/x>",
    '" onmouseover="alert(1)',
    "Ünïcödé Ωμέγα",
]


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.attributes = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


def made(kind, **more):
    return compose(letter(kind, **more), SENDER, Links(PUBLIC), STOP)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_written_as_html_and_as_text(kind):
    message = made(kind)
    tags = Tags(message.html)

    assert message.subject
    assert message.text.strip()
    assert kind in ENGLISH
    assert not {"script", "img", "link", "iframe", "form", "object", "style"} & set(tags.tags)
    assert not {"src", "background", "srcset"} & {name for name, _ in tags.attributes}
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert all(value.startswith(PUBLIC) for name, value in tags.attributes if name == "href")


@pytest.mark.parametrize("kind", [Kind.VERIFY_EMAIL, Kind.RESET_PASSWORD, Kind.INVITATION])
def test_links_carry_the_token_as_a_url_needs_it(kind):
    message = made(kind, facts={"token": "a/b+c="})

    assert "token=a%2Fb%2Bc%3D" in message.text
    assert "token=a%2Fb%2Bc%3D" in message.html


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize(
    ("kind", "fact"),
    [
        (Kind.CONTACT, "subject"),
        (Kind.CONTACT, "display_name"),
        (Kind.CONTACT, "text"),
        (Kind.INVITATION, "account"),
        (Kind.NEWSLETTER, "subject"),
    ],
)
def test_nothing_typed_becomes_a_header_a_tag_or_an_attribute(kind, fact, text):
    plain, nasty = made(kind), made(kind, facts={fact: text}, name=text)
    email = message_from_bytes(bytes(as_email(nasty, "id")), EmailMessage, policy=policy.default)
    usual = as_email(plain, "id")

    assert sorted(email.keys()) == sorted(usual.keys())
    assert email["To"] == "ada@example.com"
    assert len(nasty.subject) <= 200
    assert not set("\r\n\0\u2028\u202e") & set(nasty.subject)
    known = {*Tags(plain.html).tags, "p"}
    assert set(Tags(nasty.html).tags) <= known
    assert {name for name, _ in Tags(nasty.html).attributes} <= {
        name for name, _ in Tags(plain.html).attributes
    }


@pytest.mark.parametrize("to", ["", "ada", "ada@example.com\r\nBcc: eve@example.com", "a b@c.de"])
def test_an_address_that_is_none_is_never_written_to(to):
    with pytest.raises(UnfitLetter):
        made(Kind.RESET_PASSWORD, to=to)


def test_an_answer_to_the_contact_form_goes_to_who_wrote():
    assert made(Kind.CONTACT).reply_to == "ada@example.org"
    with pytest.raises(UnfitLetter):
        made(Kind.CONTACT, facts={"email": "eve@example.com\nBcc: x@example.com"})


@pytest.mark.parametrize("kind", Kind)
def test_only_letters_to_everybody_carry_the_headers_of_one_click(kind):
    headers = made(kind).headers

    if kind in {Kind.NEWSLETTER, Kind.PRODUCT}:
        assert headers == {
            "List-Unsubscribe": f"<{PUBLIC}/unsubscribe?token={STOP}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        assert f"{PUBLIC}/unsubscribe?token={STOP}" in made(kind).text
    else:
        assert headers == {}


def test_a_letter_that_cannot_be_stopped_is_not_sent():
    with pytest.raises(UnfitLetter):
        compose(letter(Kind.NEWSLETTER), SENDER, Links(PUBLIC), "")


def test_a_missing_fact_makes_a_letter_unfit():
    with pytest.raises(UnfitLetter):
        compose(letter(Kind.CONTACT, facts={}, to="x"), SENDER, Links(PUBLIC), "")


@pytest.mark.parametrize("locale", ["en", "en-GB", "de", "", "tlh-Latn"])
def test_who_speaks_another_language_is_written_in_english(locale):
    assert made(Kind.RESET_PASSWORD, locale=locale).subject == "Reset your password"


@pytest.mark.parametrize("kind", Kind)
def test_names_stand_only_where_the_address_is_known_to_be_theirs(kind):
    message = made(kind, name="Ada Lovelace")

    assert ("Hello Ada Lovelace" in message.text) is (kind in GREETED)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("Dr. Ada L.", "Dr. Ada L."),
        ("Win at evil.example", ""),
        ("https://evil.example", ""),
        ("ada@example.com", ""),
        ("a" * 61, ""),
        ("علي", "علي"),
    ],
)
def test_a_name_that_would_become_a_link_is_left_out(name, shown):
    assert name_of(name) == shown


def test_one_line_stays_one_line():
    assert line("a\r\nb\tc  d\u202e") == "a b c d"
    assert line("x" * 300) == "x" * 199 + "…"


def test_the_same_letter_makes_the_same_message():
    one = letter(Kind.PRICE_INCREASE)

    assert compose(one, SENDER, Links(PUBLIC), STOP) == compose(one, SENDER, Links(PUBLIC), STOP)


def test_a_message_does_not_show_itself():
    message = made(Kind.CONTACT)

    assert "ada" not in repr(message)
