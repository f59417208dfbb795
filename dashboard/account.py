"""The page of who is signed in, and the published policies."""

from typing import Final

import grpc

from dashboard.page import Form, Page, asked, posted, send_to, show
from dashboard.signing_in import ACCOUNT, SIGN_IN
from reapi.v1 import account_service_pb2 as pb
from reapi.v1.account_service_pb2_grpc import AccountServiceStub
from rest_bridge.browser import BrowserSession
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.headers import Header
from rest_bridge.unary import ask

SIGN_OUT: Final = "/sign-out"
_PLAIN: Final[Header] = (b"content-type", b"text/plain; charset=utf-8")


class AccountPages:
    """What a person sees first; and the documents that everybody may read."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._people = AccountServiceStub(channel)

    async def home(self, exchange: Exchange) -> None:
        """GET /: the page of who is signed in, which sends others to sign in."""
        await send_to(exchange, ACCOUNT)

    async def account(self, exchange: Exchange) -> None:
        """GET /account."""
        browser = BrowserSession(exchange, {})
        if not browser.by_cookie:
            await send_to(exchange, SIGN_IN)
            return
        try:
            response = await ask(self._people.GetProfile, pb.GetProfileRequest(), exchange)
        except ApiError as error:
            told = browser.told(error)
            if told.reason != "SESSION_INVALID":
                raise
            await send_to(exchange, SIGN_IN, told.headers)
            return
        profile = response.profile
        text = [f"You are signed in as {profile.display_name or profile.email}."]
        forms = [Form(SIGN_OUT, "Sign out")]
        if not profile.email_verified:
            text.append("Your address is not verified yet: open the link in the mail.")
            forms.insert(0, Form("/account/verification", "Send that mail again"))
        links = {"/settings/profile": "Profile", "/settings/notifications": "Notifications"}
        await show(exchange, Page("Your account", text, forms, links))

    async def send_verification(self, exchange: Exchange) -> None:
        """POST /account/verification."""
        BrowserSession(exchange, await posted(exchange))
        request = pb.SendVerificationEmailRequest()
        await ask(self._people.SendVerificationEmail, request, exchange)
        await show(exchange, Page("Look into your mail", links={ACCOUNT: "Your account"}))

    async def sign_out(self, exchange: Exchange) -> None:
        """POST /sign-out."""
        browser = BrowserSession(exchange, await posted(exchange))
        response = pb.SignOutResponse()
        if browser.by_cookie:
            try:
                response = await ask(self._people.SignOut, pb.SignOutRequest(), exchange)
            except ApiError as error:
                if error.reason != "SESSION_INVALID":
                    raise
        await send_to(exchange, SIGN_IN, browser.headers_of(response))

    async def policies(self, exchange: Exchange) -> None:
        """GET /policies: what there is to read."""
        listed = await ask(self._people.ListPolicies, pb.ListPoliciesRequest(), exchange)
        links = {
            f"/{policy.name}?version={policy.version}": f"{policy.title}, {policy.version}"
            for policy in listed.policies
        }
        await show(exchange, Page("Policies", links=links))

    async def policy(self, exchange: Exchange) -> None:
        """GET /policies/{id}: the document as it was written."""
        version = asked(exchange).get("version", "")
        request = pb.GetPolicyRequest(name=f"policies/{exchange.arguments['id']}", version=version)
        response = await ask(self._people.GetPolicy, request, exchange)
        headers = (_PLAIN, (b"x-content-type-options", b"nosniff"))
        await exchange.answer(200, headers, (response.policy.markdown.encode(),))
