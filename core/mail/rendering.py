"""HTML and text of a mail, from one content. Nothing is loaded from anywhere. Pure."""

from dataclasses import dataclass
from html import escape
from typing import Final

from core.mail.content import Content, line

_BODY: Final = (
    "margin:0;padding:24px;background:#f5f6f8;color:#1c2430;"
    "font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
)
_CARD: Final = "max-width:560px;margin:0 auto;padding:32px;background:#ffffff;border-radius:8px"
_HEADING: Final = "margin:0 0 16px;font-size:20px;line-height:1.3"
_PARAGRAPH: Final = "margin:0 0 16px;white-space:pre-line;overflow-wrap:anywhere"
_BUTTON: Final = (
    "display:inline-block;padding:12px 20px;background:#1f5eff;color:#ffffff;"
    "text-decoration:none;border-radius:6px"
)
_TABLE: Final = "margin:0 0 16px;border-collapse:collapse;width:100%"
_WHAT: Final = "padding:6px 12px 6px 0;color:#5a6675;text-align:left;font-weight:normal"
_MUCH: Final = "padding:6px 0;text-align:right;overflow-wrap:anywhere"
_SMALL: Final = "max-width:560px;margin:16px auto 0;font-size:13px;color:#5a6675"
_LINK: Final = "color:#1f5eff;overflow-wrap:anywhere"


@dataclass(frozen=True, slots=True)
class Footer:
    """What stands below every mail."""

    sender: str
    """Who sends: the operator's name."""
    url: str
    stop_label: str = ""
    stop_url: str = ""
    """Where letters are stopped; empty: this is none."""


def html_of(content: Content, footer: Footer, language: str) -> str:
    """A whole page with its styles in place."""
    parts = [f'<h1 style="{_HEADING}" dir="auto">{escape(line(content.subject))}</h1>']
    parts += [content.html] if content.html else map(_paragraph, content.paragraphs)
    if content.rows:
        rows = "".join(
            f'<tr><th style="{_WHAT}" scope="row">{escape(line(what))}</th>'
            f'<td style="{_MUCH}" dir="auto">{escape(line(much))}</td></tr>'
            for what, much in content.rows
        )
        parts.append(f'<table style="{_TABLE}">{rows}</table>')
    if content.action is not None:
        url = escape(content.action.url)
        parts.append(
            f'<p style="{_PARAGRAPH}"><a style="{_BUTTON}" href="{url}">'
            f"{escape(content.action.label)}</a></p>"
            f'<p style="{_PARAGRAPH}">Or open: <a style="{_LINK}" href="{url}">{url}</a></p>'
        )
    parts += map(_paragraph, content.after)
    inside = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>{escape(line(content.subject))}</title></head>\n"
        f'<body style="{_BODY}">\n<div style="{_CARD}">\n{inside}\n</div>\n'
        f'<p style="{_SMALL}">{_footer(footer)}</p>\n</body>\n</html>\n'
    )


def text_of(content: Content, footer: Footer) -> str:
    """The same without HTML."""
    parts = [*content.paragraphs]
    if content.rows:
        parts.append("\n".join(f"{line(what)}: {line(much)}" for what, much in content.rows))
    if content.action is not None:
        parts.append(f"{content.action.label}:\n{content.action.url}")
    parts += content.after
    end = [f"-- \n{footer.sender}\n{footer.url}"]
    if footer.stop_url:
        end.append(f"{footer.stop_label}: {footer.stop_url}")
    return "\n\n".join([*parts, "\n".join(end)]).replace("\r\n", "\n").replace("\r", "\n") + "\n"


def _paragraph(text: str) -> str:
    return f'<p style="{_PARAGRAPH}" dir="auto">{escape(text)}</p>'


def _footer(footer: Footer) -> str:
    url = escape(footer.url)
    home = f'{escape(footer.sender)}<br><a style="{_LINK}" href="{url}">{url}</a>'
    if not footer.stop_url:
        return home
    stop = f'<a style="{_LINK}" href="{escape(footer.stop_url)}">{escape(footer.stop_label)}</a>'
    return f"{home}<br>{stop}"
