"""What an operator may set about mail."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import field
from email.utils import parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

from accounts.addresses import is_address
from core import settings_values as values
from core.body import Secret
from core.mail.content import LONGEST_NAME, line
from core.mail.message import Sender
from core.mail.resend import RESEND_URL, ResendSettings
from core.mail.smtp import SmtpSettings
from core.settings_values import SettingsError
from core.values import dataclass

_FROM: Final = "REAPI_MAIL_FROM"
_CONTACT: Final = "REAPI_CONTACT_EMAIL"
_KEY: Final = "REAPI_RESEND_API_KEY"
_WEBHOOK: Final = "REAPI_RESEND_WEBHOOK_SECRET"
_SMTP: Final = "REAPI_SMTP_URL"
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_PORTS: Final = {"smtps": 465, "smtp": 587}
"""By scheme (RFC 8314): TLS from the first byte, and STARTTLS."""


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Where mail goes, and in whose name."""

    service: ResendSettings | SmtpSettings
    sender: Sender
    contact: str = field(default="", repr=False)
    """Where the contact form goes; empty: there is none."""

    @property
    def webhook_secrets(self) -> tuple[Secret[str], ...]:
        """Of the mail service's events; none: they are not taken."""
        return self.service.webhook_secrets if isinstance(self.service, ResendSettings) else ()


def mail_settings(env: Mapping[str, str]) -> MailSettings | None:
    """Read and check; None: no mail is sent. Raises SettingsError."""
    key, smtp = env.get(_KEY, ""), env.get(_SMTP, "")
    if key and smtp:
        raise SettingsError(f"{_KEY} and {_SMTP} exclude each other: unset one")
    if not key and not smtp:
        for name in (_FROM, _CONTACT, _WEBHOOK, "REAPI_RESEND_URL"):
            if env.get(name):
                raise SettingsError(f"{name} is set, but nothing sends mail: set {_KEY} or {_SMTP}")
        return None
    contact = env.get(_CONTACT, "").strip()
    if contact and not is_address(contact):
        raise SettingsError(f"{_CONTACT} must be an address like support@example.com")
    if smtp and env.get(_WEBHOOK):
        raise SettingsError(f"{_WEBHOOK} goes with {_KEY}, not with {_SMTP}")
    return MailSettings(_resend(env, key) if key else _server(smtp), _sender(env), contact)


def _sender(env: Mapping[str, str]) -> Sender:
    text = env.get(_FROM, "")
    name, address = parseaddr(text)
    if not text.isprintable() or not is_address(address) or line(name, LONGEST_NAME) != name:
        raise SettingsError(f"{_FROM} must be like reAPI <mail@example.com>")
    return Sender(name or "reAPI", address)


def _resend(env: Mapping[str, str], key: str) -> ResendSettings:
    url = values.url(env, "REAPI_RESEND_URL") or RESEND_URL
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise SettingsError("REAPI_RESEND_URL must be an https URL off this machine")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"{_KEY} must be one key, like re_…")
    secrets = [part.strip() for part in env.get(_WEBHOOK, "").split(",") if part.strip()]
    if not all(map(_is_webhook_secret, secrets)):
        raise SettingsError(f"{_WEBHOOK} must be like whsec_… with base64, or several, by commas")
    return ResendSettings(Secret(key), url, tuple(Secret(each) for each in secrets))


def _server(text: str) -> SmtpSettings:
    wrong = SettingsError(f"{_SMTP} must be like smtps://user:password@host:465")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in _PORTS or not host or parts.path.strip("/") or parts.query:
        raise wrong
    return SmtpSettings(
        host,
        port or _PORTS[parts.scheme],
        unquote(parts.username or ""),
        Secret(unquote(parts.password or "")),
        use_tls=parts.scheme == "smtps",
        start_tls=parts.scheme == "smtp" and host not in _LOOPBACK,
    )


def _is_webhook_secret(text: str) -> bool:
    prefix, _, encoded = text.partition("_")
    try:
        return prefix == "whsec" and len(base64.b64decode(encoded, validate=True)) > 0
    except binascii.Error:
        return False
