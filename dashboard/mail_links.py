"""Pages that mails link to. A link only shows a button: scanners open links, people press."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import quote

import grpc

from dashboard.page import Field, Form, Page, asked, posted, send_to, show
from dashboard.signing_in import ACCOUNT, FORGOT, SIGN_IN, SIGN_UP
from reapi.v1 import account_service_pb2 as pb
from reapi.v1.account_service_pb2_grpc import AccountServiceStub
from rest_bridge.browser import BrowserSession
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.unary import ask

VERIFY: Final = "/verify-email"
RESET: Final = "/reset-password"
ACCEPT: Final = "/accept-invitation"
UNSUBSCRIBE: Final = "/unsubscribe"
_SIGNED_OUT: Final = frozenset({"SESSION_INVALID", "API_KEY_MISSING"})


class MailLinks:
    """The pages behind the links of mails."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._people = AccountServiceStub(channel)

    async def verify(self, exchange: Exchange) -> None:
        """GET and POST /verify-email."""

        async def do(form: Mapping[str, str]) -> Page:
            request = pb.VerifyEmailRequest(token=form.get("token", ""))
            await ask(self._people.VerifyEmail, request, exchange)
            return Page("Your address is verified", links={SIGN_IN: "Sign in"})

        page = Page("Verify your address", forms=(_pressed(exchange, VERIFY, "Verify"),))
        await _asked_first(exchange, page, do)

    async def reset(self, exchange: Exchange) -> None:
        """GET and POST /reset-password."""

        async def do(form: Mapping[str, str]) -> Page:
            request = pb.ResetPasswordRequest(
                token=form.get("token", ""), new_password=form.get("password", "")
            )
            await ask(self._people.ResetPassword, request, exchange)
            text = ("You are signed out everywhere.",)
            return Page("Your password is changed", text, links={SIGN_IN: "Sign in"})

        password = Field("password", "New password", "password", autocomplete="new-password")
        form = _pressed(exchange, RESET, "Change it", password)
        page = Page("A new password", forms=(form,), links={FORGOT: "Ask for another link"})
        await _asked_first(exchange, page, do)

    async def unsubscribe(self, exchange: Exchange) -> None:
        """GET and POST /unsubscribe; mail programs post by themselves (RFC 8058), no cookies."""
        token = asked(exchange).get("token", "")
        if exchange.method == "POST":
            exchange.credential = ""
            token = (await posted(exchange)).get("token", "") or token
            await ask(self._people.Unsubscribe, pb.UnsubscribeRequest(token=token), exchange)
            await show(exchange, Page("You will get no newsletter any more"))
            return
        form = _pressed(exchange, UNSUBSCRIBE, "Unsubscribe")
        await show(exchange, Page("Unsubscribe from the newsletter", forms=(form,)))

    async def accept(self, exchange: Exchange) -> None:
        """GET and POST /accept-invitation."""
        if exchange.method == "POST":
            form = await posted(exchange)
            BrowserSession(exchange, form)
            request = pb.AcceptInvitationRequest(token=form.get("token", ""))
            try:
                await ask(self._people.AcceptInvitation, request, exchange)
            except ApiError as error:
                if error.reason in _SIGNED_OUT:
                    await send_to(exchange, SIGN_IN)
                    return
                page = Page(
                    "You did not join", links={ACCOUNT: "Your account"}, error=error.message
                )
                await show(exchange, page, error.answer_headers(), error.rendering.status)
                return
            await show(exchange, Page("You have joined", links={ACCOUNT: "Your account"}))
            return
        token = asked(exchange).get("token", "")
        if BrowserSession(exchange, {}).by_cookie:
            forms = (_pressed(exchange, ACCEPT, "Join"),)
            await show(exchange, Page("Join an account", forms=forms))
            return
        links = {
            f"{SIGN_UP}?token={quote(token)}": "Sign up",
            SIGN_IN: "Sign in, then open the link in the mail again",
        }
        await show(exchange, Page("Join an account", links=links))


def _pressed(exchange: Exchange, action: str, button: str, *fields: Field) -> Form:
    """A form that takes the token out of the address."""
    token = asked(exchange).get("token", "")
    return Form(action, button, (Field("token", kind="hidden", value=token), *fields))


async def _asked_first(
    exchange: Exchange, page: Page, do: Callable[[Mapping[str, str]], Awaitable[Page]]
) -> None:
    """Show *page*, or do what was posted from it and show what came of it."""
    if exchange.method != "POST":
        await show(exchange, page)
        return
    form = await posted(exchange)
    BrowserSession(exchange, form)
    exchange.credential = ""
    try:
        done = await do(form)
    except ApiError as error:
        again = Field("token", kind="hidden", value=form.get("token", ""))
        forms = tuple(
            Form(asking.action, asking.button, (again, *asking.fields[1:])) for asking in page.forms
        )
        failed = Page(page.title, forms=forms, links=page.links, error=error.message)
        await show(exchange, failed, error.answer_headers(), error.rendering.status)
        return
    await show(exchange, done)
