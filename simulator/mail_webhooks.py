"""Posts what became of mails, as Resend does: signed by Svix, tried again, at least once.

Events: `email.delivered` by itself, `email.bounced` and `email.complained` on demand.
"""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import aiohttp

from simulator.mail_inbox import Mail

PAUSES: Final = (0.2, 1.0, 5.0)
"""Between tries: Svix begins with 5 s and goes on for a day."""
SECONDS: Final = 15.0
"""Svix waits as long for an answer."""
MANNERS: Final = ("genuine", "stale", "forged")
STALE_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where events go."""

    url: str
    secret: str = field(repr=False)
    """`whsec_` and base64."""


class MailWebhooks:
    """The events of one account."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._receiver: Receiver | None = None
        self._tasks: set[asyncio.Task[int]] = set()

    def configure(self, receiver: Receiver | None) -> None:
        """Post to *receiver* from now on."""
        self._receiver = receiver

    async def close(self) -> None:
        """Give up what was not delivered yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def tell(self, mail: Mail) -> None:
        """Post soon that *mail* was delivered."""
        if self._receiver is not None:
            task = asyncio.create_task(self.post(mail, "email.delivered", {}))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def bounce(self, mail: Mail, kind: str = "Permanent", manner: str = "genuine") -> int:
        """Post that *mail* came back; gives the status of the answer, 0 for none."""
        sub = "Suppressed" if kind == "Permanent" else "General"
        bounce = {"type": kind, "subType": sub, "message": "The receiver's server said no."}
        return await self.post(mail, "email.bounced", {"bounce": bounce}, manner)

    async def complain(self, mail: Mail, manner: str = "genuine") -> int:
        """Post that the receiver called *mail* spam."""
        return await self.post(mail, "email.complained", {}, manner)

    async def post(
        self, mail: Mail, kind: str, more: dict[str, object], manner: str = "genuine"
    ) -> int:
        """Post one event until it is taken; gives the status of the last answer."""
        receiver = self._receiver
        if receiver is None:
            return 0
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat()
        data = {
            "email_id": mail.id,
            "created_at": moment,
            "from": mail.sender,
            "to": mail.to,
            "subject": mail.subject,
            **more,
        }
        body = json.dumps({"type": kind, "created_at": moment, "data": data}).encode()
        return await self._deliver(receiver, f"msg_{uuid4().hex}", body, manner)

    async def _deliver(self, receiver: Receiver, id_: str, body: bytes, manner: str) -> int:
        status = 0
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            for pause in (*PAUSES, None):
                headers = self._signed(receiver.secret, id_, body, manner)
                try:
                    async with session.post(receiver.url, data=body, headers=headers) as answer:
                        status = answer.status
                except (aiohttp.ClientError, TimeoutError):
                    status = 0
                if 200 <= status < 300 or manner != "genuine" or pause is None:
                    break
                await asyncio.sleep(pause)
        return status

    def _signed(self, secret: str, id_: str, body: bytes, manner: str) -> dict[str, str]:
        at = int(self._clock()) - (STALE_SECONDS if manner == "stale" else 0)
        key = base64.b64decode(secret.removeprefix("whsec_"))
        key = b"somebody else's" if manner == "forged" else key
        digest = hmac.digest(key, f"{id_}.{at}.".encode() + body, "sha256")
        return {
            "content-type": "application/json",
            "svix-id": id_,
            "svix-timestamp": str(at),
            "svix-signature": f"v1,{base64.b64encode(digest).decode()}",
        }
