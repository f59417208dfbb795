"""Resend's HTTP API (resend.com/docs/api-reference): `POST /emails`, and nothing else of it.

Spoken by plain httpx: Resend's own package keeps key and URL in globals of its module. No text of
Resend's errors leaves this file, for it quotes addresses.
"""

import asyncio
from typing import Any, Final
from uuid import UUID

import httpx

from core.body import Secret
from core.mail.message import Message
from core.mail.transport import MailDelayed, MailRefused
from core.values import dataclass

RESEND_URL: Final = "https://api.resend.com"
_SECONDS: Final = 15.0
"""For the whole answer; Resend takes a few hundred milliseconds."""
_REFUSED: Final = frozenset((400, 404, 405, 413, 422, 451))
"""Statuses of a no that stays. A refused key or sender (401, 403) is the operator's to mend."""
_SENT_BEFORE: Final = "invalid_idempotent_request"
"""Resend's name for a key that came with another text: that one was accepted, this is the same
mail after templates, server keys or the public URL changed."""


@dataclass(frozen=True, slots=True)
class ResendSettings:
    """Where Resend is, and what we know each other by."""

    api_key: Secret[str]
    url: str = RESEND_URL
    webhook_secrets: tuple[Secret[str], ...] = ()
    """Any of them may have signed; none: its webhook is not served."""


class Resend:
    """A `core.mail.transport.Transport`."""

    def __init__(self, settings: ResendSettings) -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None

    async def send(self, message: Message, key: UUID) -> str | None:
        """Hand it over; see Transport."""
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await self._opened().post(
                    f"{self._settings.url}/emails",
                    json=_payload(message),
                    headers={
                        "authorization": f"Bearer {self._settings.api_key.reveal()}",
                        "idempotency-key": str(key),
                    },
                )
        except TimeoutError:
            raise MailDelayed("timeout") from None
        except httpx.HTTPError:
            raise MailDelayed("unreachable") from None
        said = _object(answer)
        if answer.is_success:
            return str(said["id"])[:100] if said.get("id") else None
        raise_for(answer, said)
        return None

    async def close(self) -> None:
        """Hang up."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _opened(self) -> httpx.AsyncClient:
        """The client, made when it is first needed: its TLS takes tens of milliseconds."""
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=_SECONDS, trust_env=False)
        return self._client


def raise_for(answer: httpx.Response, said: dict[str, Any]) -> None:
    """What an answer other than 2xx means; returns where the mail was accepted before."""
    status = answer.status_code
    if status == 409 and said.get("name") == _SENT_BEFORE:
        return
    if status in _REFUSED:
        raise MailRefused(f"status_{status}")
    raise MailDelayed(f"status_{status}", _seconds(answer.headers.get("retry-after", "")))


def _payload(message: Message) -> dict[str, object]:
    payload: dict[str, object] = {
        "from": message.sender.header,
        "to": [message.to],
        "subject": message.subject,
        "html": message.html,
        "text": message.text,
    }
    if message.reply_to:
        payload["reply_to"] = [message.reply_to]
    if message.headers:
        payload["headers"] = dict(message.headers)
    return payload


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _seconds(text: str) -> float:
    """Of a Retry-After header; 0 where there is none, or a date."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0.0
