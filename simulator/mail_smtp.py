"""A mail server, as small as one can be (RFC 5321): it takes what it is given.

`EHLO HELO MAIL RCPT DATA RSET NOOP QUIT`, `AUTH PLAIN` and `AUTH LOGIN` with any password, and
`STARTTLS` where it is given a TLS context.
"""

import asyncio
import ssl
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Final
from uuid import uuid4

from simulator.mail_faults import MailFaults
from simulator.mail_inbox import Inbox, Mail

LONGEST_LINE: Final = 8_192
LARGEST: Final = 1 << 20
_SHOWN: Final = ("from", "to", "subject", "reply-to", "mime-version", "content-type")


class MailServer:
    """Listens while it is open; what it takes goes into *inbox*."""

    def __init__(self, inbox: Inbox, faults: MailFaults, host: str = "127.0.0.1") -> None:
        self.tls: ssl.SSLContext | None = None
        """Set: STARTTLS is offered."""
        self._inbox = inbox
        self._faults = faults
        self._host = host
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take a free port and listen."""
        self._server = await asyncio.start_server(self._met, self._host, 0, limit=LONGEST_LINE * 2)

    async def close(self) -> None:
        """Stop listening, and end what is being said."""
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    @property
    def url(self) -> str:
        """`smtp://127.0.0.1:…`."""
        assert self._server is not None, "not open"
        return f"smtp://{self._host}:{self._server.sockets[0].getsockname()[1]}"

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await _Talk(reader, writer, self._inbox, self._faults, self.tls).run()
        finally:
            self._talks.discard(talk)
            writer.close()


class _Talk:
    """One connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inbox: Inbox,
        faults: MailFaults,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._inbox = inbox
        self._faults = faults
        self._tls = tls
        self._to: list[str] = []

    async def run(self) -> None:
        """Talk until the other side quits."""
        await self._say("220 simulator ESMTP")
        while line := await self._reader.readline():
            verb = line.decode("latin-1").strip().upper()
            if verb.startswith("QUIT"):
                await self._say("221 bye")
                return
            if verb.startswith("DATA"):
                await self._data()
            elif verb.startswith("STARTTLS") and self._tls is not None:
                await self._say("220 go ahead")
                await self._writer.start_tls(self._tls)
                self._tls = None
            elif verb.startswith("AUTH"):
                await self._authenticate(verb)
            elif verb.startswith("RCPT"):
                await self._receiver(line.decode("latin-1"))
            else:
                await self._plain(verb)

    async def _plain(self, verb: str) -> None:
        if verb.startswith("EHLO"):
            offers = ["simulator", "SIZE 1048576", "AUTH PLAIN LOGIN", "8BITMIME"]
            offers += ["STARTTLS"] if self._tls is not None else []
            marked = [f"250-{offer}" for offer in offers[:-1]]
            await self._say("\r\n".join([*marked, f"250 {offers[-1]}"]))
        elif verb.startswith(("HELO", "MAIL", "RSET", "NOOP")):
            self._to.clear()
            await self._say("250 ok")
        else:
            await self._say("502 not known here")

    async def _authenticate(self, verb: str) -> None:
        """Anybody may."""
        words = verb.split()
        if words[1:2] == ["LOGIN"]:
            await self._say("334 VXNlcm5hbWU6")
            await self._reader.readline()
            await self._say("334 UGFzc3dvcmQ6")
            await self._reader.readline()
        elif len(words) < 3:
            await self._say("334 ")
            await self._reader.readline()
        await self._say("235 welcome")

    async def _receiver(self, line: str) -> None:
        fault = self._faults.take("smtp")
        if fault is not None and fault.kind == "hang":
            await asyncio.Event().wait()
        if fault is not None and fault.kind == "reset":
            self._writer.transport.abort()
            return
        if fault is not None:
            await self._say(f"{fault.status if fault.status > 420 else 450} no")
            return
        self._to.append(line.partition("<")[2].partition(">")[0])
        await self._say("250 ok")

    async def _data(self) -> None:
        await self._say("354 go on")
        content = b""
        while (line := await self._reader.readline()) not in (b".\r\n", b""):
            content += line[1:] if line.startswith(b".") else line
            if len(content) > LARGEST:
                await self._say("552 too large")
                return
        self._inbox.put(_read(content, list(self._to), self._inbox.clock()))
        await self._say("250 taken")

    async def _say(self, text: str) -> None:
        self._writer.write(f"{text}\r\n".encode())
        await self._writer.drain()


def _read(content: bytes, to: list[str], at: float) -> Mail:
    email = message_from_bytes(content, EmailMessage, policy=policy.default)
    bodies = {kind: email.get_body((kind,)) for kind in ("plain", "html")}
    return Mail(
        str(uuid4()),
        at,
        "smtp",
        sender=str(email["From"] or ""),
        to=to,
        subject=str(email["Subject"] or ""),
        text="" if bodies["plain"] is None else str(bodies["plain"].get_content()),
        html="" if bodies["html"] is None else str(bodies["html"].get_content()),
        reply_to=[str(email["Reply-To"])] if email["Reply-To"] else [],
        headers={name: str(value) for name, value in email.items() if name.lower() not in _SHOWN},
    )
