"""What arrived, by either way, and the pages that show it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Final

MOST: Final = 500
"""Mails that are kept: the newest."""
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:860px;margin:24px auto;padding:0 16px}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:6px 8px;"
    "border-bottom:1px solid #ddd;overflow-wrap:anywhere}iframe{width:100%;height:560px;"
    "border:1px solid #ddd}pre{white-space:pre-wrap;background:#f5f6f8;padding:16px}"
)
CONTENT_SECURITY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'"
MAIL_SECURITY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'"
)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that arrived."""

    id: str
    at: float
    via: str
    """`resend` or `smtp`."""
    sender: str = field(repr=False)
    to: list[str] = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    reply_to: list[str] = field(default_factory=list, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


class Inbox:
    """The newest mails, newest last."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._mails: dict[str, Mail] = {}

    def __len__(self) -> int:
        return len(self._mails)

    def put(self, mail: Mail) -> None:
        """Keep one."""
        self._mails[mail.id] = mail
        while len(self._mails) > MOST:
            del self._mails[next(iter(self._mails))]

    def all(self, to: str = "") -> list[Mail]:
        """Those to an address, or all of them, oldest first."""
        return [
            mail
            for mail in self._mails.values()
            if not to or to.lower() in (address.lower() for address in mail.to)
        ]

    def find(self, id_: str) -> Mail | None:
        """One of them."""
        return self._mails.get(id_)

    def clear(self) -> None:
        """Throw them away."""
        self._mails.clear()


def as_json(mail: Mail) -> dict[str, object]:
    """A mail as the controls show it."""
    return asdict(mail)


def list_page(mails: list[Mail]) -> str:
    """The list, newest first."""
    rows = "".join(
        f"<tr><td>{_time(mail.at)}</td><td>{escape(', '.join(mail.to))}</td>"
        f'<td><a href="{escape(mail.id)}">{escape(mail.subject) or "(no subject)"}</a></td></tr>'
        for mail in reversed(mails)
    )
    empty = "" if mails else "<p>Nothing yet.</p>"
    return _page(
        "Inbox",
        f"<h1>Inbox</h1><p>Mail of the simulator: none of it left this machine.</p>{empty}"
        f"<table><tr><th>When</th><th>To</th><th>Subject</th></tr>{rows}</table>",
    )


def mail_page(mail: Mail) -> str:
    """One mail: its headers, its HTML in a frame that can do nothing, its text."""
    facts = [
        ("From", mail.sender),
        ("To", ", ".join(mail.to)),
        ("Reply-To", ", ".join(mail.reply_to)),
        ("Subject", mail.subject),
        ("When", _time(mail.at)),
        *mail.headers.items(),
    ]
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in facts
        if value
    )
    frame = (
        f'<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" '
        f'src="{escape(mail.id)}/html" title="HTML"></iframe>'
    )
    return _page(
        mail.subject,
        f'<p><a href=".">Inbox</a></p><table>{rows}</table><h2>HTML</h2>{frame}'
        f"<h2>Text</h2><pre>{escape(mail.text)}</pre>",
    )


def html_of(mail: Mail) -> str:
    """Its HTML, whose links open outside of the frame."""
    return f'<base target="_blank">{mail.html}'


def _page(title: str, inside: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{inside}</body></html>"
    )


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
