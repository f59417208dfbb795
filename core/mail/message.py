"""A mail ready to be sent: from a letter of the queue to headers and bodies. Pure.

The same letter makes the same message every time: a mail service refuses an idempotency key that
comes with another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from accounts.addresses import is_address
from accounts.letter import Kind, Letter
from accounts.mail_rules import BULK
from core.mail.content import Content, Links, line, name_of
from core.mail.english import ENGLISH, NOTIFICATIONS, Writer
from core.mail.rendering import Footer, html_of, text_of

DEFAULT_LANGUAGE: Final = "en"
LANGUAGES: Final[Mapping[str, Mapping[Kind, Writer]]] = {DEFAULT_LANGUAGE: ENGLISH}
"""By BCP 47 language; a kind that a language lacks is written in English."""
GREETED: Final = frozenset({Kind.PASSWORD_CHANGED, Kind.EXPORT_READY, Kind.POLICY})
"""Mails that begin with a name: to people whose address is known to be theirs."""
_STOP: Final = "Stop these letters"
_WISHES: Final = "What we send you"


class UnfitLetter(Exception):
    """A letter lacks a fact, or its address is none: it can never be sent."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who mails are from."""

    name: str
    address: str

    @property
    def header(self) -> str:
        """`reAPI <mail@example.com>`, quoted as it must be."""
        return str(Address(line(self.name), addr_spec=self.address))


@dataclass(frozen=True, slots=True)
class Message:
    """One mail. Nothing of it is shown by accident."""

    sender: Sender
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    reply_to: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def compose(letter: Letter, sender: Sender, links: Links, stop_token: str) -> Message:
    """What *letter* says, in its language; raises UnfitLetter.

    *stop_token* is the person's token to stop letters; empty where there is none.
    """
    if not is_address(letter.to):
        raise UnfitLetter
    reply_to = letter.facts.get("email", "") if letter.kind is Kind.CONTACT else ""
    if reply_to and not is_address(reply_to):
        raise UnfitLetter
    language = letter.locale.partition("-")[0].lower()
    language = language if language in LANGUAGES else DEFAULT_LANGUAGE
    try:
        content = _written(letter, links, language)
    except (KeyError, ValueError):
        raise UnfitLetter from None
    footer, headers = Footer(sender.name, links.public_url), {}
    if letter.kind in BULK:
        if not stop_token:
            raise UnfitLetter
        stop = links.page("/unsubscribe", stop_token)
        footer = Footer(sender.name, links.public_url, _STOP, stop)
        headers = {
            "List-Unsubscribe": f"<{stop}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    elif letter.user_id is not None:
        footer = Footer(sender.name, links.public_url, _WISHES, links.page(NOTIFICATIONS))
    return Message(
        sender,
        letter.to,
        line(content.subject),
        text_of(content, footer),
        html_of(content, footer, language),
        reply_to,
        headers,
    )


def as_email(message: Message, message_id: str) -> EmailMessage:
    """The same as SMTP takes it; the library refuses line breaks in headers once more."""
    email = EmailMessage(policy=SMTP)
    email["From"] = message.sender.header
    email["To"] = message.to
    email["Subject"] = message.subject
    email["Message-ID"] = f"<{message_id}@{message.sender.address.rpartition('@')[2]}>"
    if message.reply_to:
        email["Reply-To"] = message.reply_to
    for name, value in message.headers.items():
        email[name] = value
    email.set_content(message.text, cte="quoted-printable")
    email.add_alternative(message.html, subtype="html", cte="quoted-printable")
    return email


def _written(letter: Letter, links: Links, language: str) -> Content:
    writer = LANGUAGES[language].get(letter.kind) or ENGLISH[letter.kind]
    content = writer(letter.facts, links)
    name = name_of(letter.name)
    if not name or letter.kind not in GREETED:
        return content
    return Content(
        content.subject,
        (f"Hello {name},", *content.paragraphs),
        content.action,
        content.rows,
        content.after,
        content.html,
    )
