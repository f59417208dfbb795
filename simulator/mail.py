"""A mail service for tests and demos: Resend's API over HTTP, a mail server, and one inbox.

    async with FakeMail("re_demo") as mail:
        mail.url          # REAPI_RESEND_URL; Resend's `POST /emails`, `GET /emails/{id}`
        mail.smtp_url     # REAPI_SMTP_URL
        mail.inbox        # what arrived by either way

Unlike the rest of the simulator it keeps what it is given, for that is what an inbox is for: the
newest 500 mails, in memory, until it ends. It listens on loopback only.
"""

import hmac
import json
import time
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from aiohttp import hdrs, web

from simulator.listener import Listener, is_loopback
from simulator.mail_faults import MailFaults
from simulator.mail_inbox import Inbox, Mail
from simulator.mail_requests import MailError, Refusals, read_mail
from simulator.mail_smtp import MailServer
from simulator.mail_webhooks import MailWebhooks

MAX_BODY_BYTES: Final = 1 << 20
KEPT_SECONDS: Final = 24 * 3_600
"""How long Resend knows an idempotency key (resend.com/docs/dashboard/emails/idempotency-keys)."""
KEY_MAX: Final = 256
CALLS_KEPT: Final = 10_000


class FakeMail:
    """One simulated account, from entering to leaving the context. *clock* gives Unix seconds."""

    def __init__(
        self,
        api_key: str,
        port: int = 0,
        host: str = "127.0.0.1",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not is_loopback(host):
            raise ValueError("the simulator listens on loopback addresses only")
        self.inbox = Inbox(clock)
        self.faults = MailFaults()
        self.webhooks = MailWebhooks(clock)
        self.calls: deque[str] = deque(maxlen=CALLS_KEPT)
        """`POST /emails 200`, in order; without anything of what was sent."""
        self.busy: set[object] = set()
        self.smtp = MailServer(self.inbox, self.faults, host)
        self._api_key = api_key
        self._host = host
        self._clock = clock
        self._listener = Listener(self, host, port)
        self._kept: dict[str, tuple[bytes, str, float]] = {}

    async def __aenter__(self) -> Self:
        await self._listener.open()
        await self.smtp.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.webhooks.close()
        await self.smtp.close()
        await self._listener.close()

    @property
    def url(self) -> str:
        """The base URL of Resend's API."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._listener.port}"

    @property
    def smtp_url(self) -> str:
        """The URL of the mail server."""
        return self.smtp.url

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request; aiohttp calls this."""
        protocol = request.protocol
        self.busy.add(protocol)
        try:
            return await self._serve(request)
        finally:
            self.busy.discard(protocol)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = b""
        while len(body) <= MAX_BODY_BYTES and (chunk := await request.content.readany()):
            body += chunk
        call = f"{request.method} {request.rel_url.path}"
        fault = self.faults.take("http")
        try:
            if fault is not None and not fault.done:
                return await fault.suffer(request)
            said = self._answer(request, body)
            if fault is not None:
                return await fault.suffer(request)
        except MailError as error:
            self.calls.append(f"{call} {error.status}")
            return _json(error.status, error.body(), error.headers)
        self.calls.append(f"{call} 200")
        return _json(200, said, {})

    def _answer(self, request: web.BaseRequest, body: bytes) -> dict[str, object]:
        self._authenticate(request.headers.get(hdrs.AUTHORIZATION, ""))
        path = request.rel_url.path
        if request.method == "GET" and path.startswith("/emails/"):
            mail = self.inbox.find(path.removeprefix("/emails/"))
            if mail is None:
                raise MailError(Refusals.NOT_FOUND, "Email not found")
            return {"object": "email", "id": mail.id, "to": mail.to, "subject": mail.subject}
        if path != "/emails":
            raise MailError(Refusals.NOT_FOUND, "The requested endpoint does not exist.")
        if request.method != "POST":
            raise MailError(Refusals.METHOD, "Method is not allowed.")
        return {"id": self._accept(body, request.headers.get("Idempotency-Key", ""))}

    def _accept(self, body: bytes, key: str) -> str:
        """Take a mail once for each key."""
        if len(key) > KEY_MAX:
            raise MailError(Refusals.KEY, "The key must be between 1-256 chars.")
        mail = read_mail(body)
        now = self._clock()
        payload = sha256(json.dumps(json.loads(body), sort_keys=True).encode()).digest()
        self._forget(now)
        kept = self._kept.get(key) if key else None
        if kept is not None:
            if kept[0] != payload:
                raise MailError(
                    Refusals.OTHER_PAYLOAD,
                    "Same idempotency key used with a different request payload.",
                )
            return kept[1]
        arrived = Mail(str(uuid4()), now, "resend", **mail)
        self.inbox.put(arrived)
        if key:
            self._kept[key] = (payload, arrived.id, now)
        self.webhooks.tell(arrived)
        return arrived.id

    def _forget(self, now: float) -> None:
        """Drop keys that are too old; the oldest come first."""
        while self._kept:
            key, (_, _, since) = next(iter(self._kept.items()))
            if since > now - KEPT_SECONDS:
                return
            del self._kept[key]

    def _authenticate(self, header: str) -> None:
        if not header:
            raise MailError(Refusals.NO_KEY, "Missing API key in the authorization header.")
        if not hmac.compare_digest(header.encode(), f"Bearer {self._api_key}".encode()):
            raise MailError(Refusals.WRONG_KEY, "API key is invalid")


def _json(status: int, said: dict[str, object], headers: dict[str, str]) -> web.Response:
    return web.json_response(said, status=status, headers=headers)
