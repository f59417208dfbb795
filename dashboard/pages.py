"""Every page, in one table."""

from collections.abc import Sequence

import grpc

from dashboard.account import SIGN_OUT, AccountPages
from dashboard.mail_links import ACCEPT, RESET, UNSUBSCRIBE, VERIFY, MailLinks
from dashboard.page import STYLE, Page, show, style
from dashboard.settings import NOTIFICATIONS, PROFILE, SettingsPages
from dashboard.signing_in import ACCOUNT, CALLBACK, FORGOT, SIGN_IN, SIGN_UP, SigningIn
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.routes import Added, Handler


def pages(channel: grpc.aio.Channel) -> Added:
    """The pages as routes of the bridge: method, path and handler; they call core by *channel*."""
    links, signing, account = MailLinks(channel), SigningIn(channel), AccountPages(channel)
    settings = SettingsPages(channel)
    both: Sequence[tuple[str, Handler]] = (
        (SIGN_IN, signing.sign_in),
        (SIGN_UP, signing.sign_up),
        (FORGOT, signing.forgot),
        (VERIFY, links.verify),
        (RESET, links.reset),
        (ACCEPT, links.accept),
        (UNSUBSCRIBE, links.unsubscribe),
        (PROFILE, settings.profile),
        (NOTIFICATIONS, settings.notifications),
    )
    found: Added = (
        *((method, path, handler) for path, handler in both for method in ("GET", "POST")),
        ("POST", f"{SIGN_IN}/{{provider}}", signing.elsewhere),
        ("GET", CALLBACK, signing.come_back),
        ("GET", "/", account.home),
        ("GET", ACCOUNT, account.account),
        ("POST", f"{ACCOUNT}/verification", account.send_verification),
        ("POST", SIGN_OUT, account.sign_out),
        ("GET", "/policies", account.policies),
        ("GET", "/policies/{id}", account.policy),
        ("GET", STYLE, style),
    )
    return tuple((method, path, _in_words(handler)) for method, path, handler in found)


def _in_words(handler: Handler) -> Handler:
    """*handler*, whose errors are shown as a page."""

    async def shown(exchange: Exchange) -> None:
        try:
            await handler(exchange)
        except ApiError as error:
            page = Page("That did not work", error=error.message, links={SIGN_IN: "Sign in"})
            await show(exchange, page, error.answer_headers(), error.rendering.status)

    return shown
