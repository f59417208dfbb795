"""The controls of the simulated mail service, and its inbox page, below `/_mail`.

GET    /_mail/                    The inbox, as a page; each mail has a page of its own.
GET    /_mail/messages            As JSON, oldest first; ?to= for one address. DELETE throws away.
PUT    /_mail/faults              Adds a fault (`simulator.mail_faults`); GET shows, DELETE clears.
PUT    /_mail/webhook             {"url", "secret"}: where events go. DELETE: nowhere.
POST   /_mail/messages/{id}/bounce, /complain
                                  Posts the event: {"kind": "Permanent", "manner": "genuine"}.
GET    /_mail/state               URLs, and how often each call came.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from simulator.json_object import ControlError, JsonObject, one_of
from simulator.listener import is_loopback_url
from simulator.mail import FakeMail
from simulator.mail_faults import parse_mail_fault
from simulator.mail_inbox import (
    CONTENT_SECURITY,
    MAIL_SECURITY,
    Mail,
    as_json,
    html_of,
    list_page,
    mail_page,
)
from simulator.mail_webhooks import MANNERS, Receiver

BOUNCES: Final = ("Permanent", "Transient", "Undetermined")
Handler = Callable[[web.Request, object], Awaitable[object]]


class MailControl:
    """The routes below `/_mail`."""

    def __init__(self, mail: FakeMail) -> None:
        self._mail = mail

    def add_to(self, application: web.Application) -> None:
        """Add the routes to the control port's."""
        routes: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/state", self._describe),
            ("GET", "/messages", self._messages),
            ("DELETE", "/messages", self._clear),
            ("GET", "/faults", self._faults),
            ("PUT", "/faults", self._put_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("PUT", "/webhook", self._put_webhook),
            ("DELETE", "/webhook", self._delete_webhook),
            ("POST", "/messages/{id}/bounce", self._bounce),
            ("POST", "/messages/{id}/complain", self._complain),
        )
        for method, path, handler in routes:
            application.router.add_route(method, f"/_mail{path}", _answering(handler))
        application.router.add_get("/_mail", self._to_list)
        application.router.add_get("/_mail/", self._list)
        application.router.add_get("/_mail/{id}", self._show)
        application.router.add_get("/_mail/{id}/html", self._html)

    async def _to_list(self, _request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/_mail/")

    async def _list(self, _request: web.Request) -> web.StreamResponse:
        return _page(list_page(self._mail.inbox.all()), CONTENT_SECURITY)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        return _page(mail_page(self._found(request)), CONTENT_SECURITY)

    async def _html(self, request: web.Request) -> web.StreamResponse:
        return _page(html_of(self._found(request)), MAIL_SECURITY)

    async def _describe(self, _request: web.Request, _body: object) -> object:
        return {
            "url": self._mail.url,
            "smtp_url": self._mail.smtp_url,
            "messages": len(self._mail.inbox),
            "calls": dict(Counter(self._mail.calls)),
        }

    async def _messages(self, request: web.Request, _body: object) -> object:
        found = self._mail.inbox.all(request.query.get("to", ""))
        return {"messages": [as_json(mail) for mail in found]}

    async def _clear(self, request: web.Request, body: object) -> object:
        self._mail.inbox.clear()
        return await self._messages(request, body)

    async def _faults(self, _request: web.Request, _body: object) -> object:
        return {"faults": self._mail.faults.waiting()}

    async def _put_fault(self, request: web.Request, body: object) -> object:
        self._mail.faults.put(parse_mail_fault(body))
        return await self._faults(request, body)

    async def _clear_faults(self, request: web.Request, body: object) -> object:
        self._mail.faults.clear()
        return await self._faults(request, body)

    async def _put_webhook(self, request: web.Request, body: object) -> object:
        given = JsonObject(body, ("url", "secret"))
        url = given.text("url")
        if not is_loopback_url(url):
            raise ControlError("url", "the simulator posts to loopback addresses only")
        self._mail.webhooks.configure(Receiver(url, given.text("secret")))
        return await self._describe(request, body)

    async def _delete_webhook(self, request: web.Request, body: object) -> object:
        self._mail.webhooks.configure(None)
        return await self._describe(request, body)

    async def _bounce(self, request: web.Request, body: object) -> object:
        given = JsonObject(body, ("kind", "manner"))
        kind, manner = given.text("kind", "Permanent"), given.text("manner", "genuine")
        one_of("kind", kind, BOUNCES)
        one_of("manner", manner, MANNERS)
        return {"status": await self._mail.webhooks.bounce(self._found(request), kind, manner)}

    async def _complain(self, request: web.Request, body: object) -> object:
        manner = JsonObject(body, ("manner",)).text("manner", "genuine")
        one_of("manner", manner, MANNERS)
        return {"status": await self._mail.webhooks.complain(self._found(request), manner)}

    def _found(self, request: web.Request) -> Mail:
        mail = self._mail.inbox.find(request.match_info["id"])
        if mail is None:
            raise web.HTTPNotFound(text="There is no such mail.\n")
        return mail


def _page(text: str, security: str) -> web.Response:
    headers = {
        "content-security-policy": security,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    return web.Response(text=text, content_type="text/html", headers=headers)


def _answering(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Give the aiohttp handler: JSON in, an empty body for an empty object, JSON out."""

    async def answer(request: web.Request) -> web.StreamResponse:
        text = await request.read()
        try:
            body = json.loads(text) if text else {}
        except ValueError:
            raise ControlError("body", "not valid JSON") from None
        return web.json_response(await handler(request, body))

    return answer
