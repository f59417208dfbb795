"""Pages to sign in, to sign up, and to come back from another sign-in service."""

from collections.abc import Mapping
from typing import Final

import grpc

from dashboard.page import BotCheck, Field, Form, Page, asked, posted, send_to, show
from reapi.v1 import account_service_pb2 as pb
from reapi.v1.account_service_pb2_grpc import AccountServiceStub
from rest_bridge.browser import BrowserSession
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.replaced_sessions import ReplacedSessions
from rest_bridge.unary import ask

SIGN_IN: Final = "/sign-in"
SIGN_UP: Final = "/sign-up"
FORGOT: Final = "/forgot-password"
ACCOUNT: Final = "/account"
CALLBACK: Final = "/auth/{provider}/callback"
ANSWER: Final = "cf-turnstile-response"
"""The field in which the bot check's script leaves its answer."""
_NAMES: Final[Mapping[str, str]] = {"github": "GitHub", "google": "Google"}
_EMAIL = Field("email", "E-mail address", "email", autocomplete="username")


class SigningIn:
    """The pages for who is not signed in yet."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._people = AccountServiceStub(channel)
        self._replaced = ReplacedSessions(channel)

    async def sign_in(self, exchange: Exchange) -> None:
        """GET and POST /sign-in."""
        if exchange.method != "POST":
            await show(exchange, await self._sign_in_page(exchange))
            return
        form = await posted(exchange)
        browser = BrowserSession(exchange, form)
        exchange.credential = ""  # whoever was signed in before is not asked
        request = pb.SignInRequest(
            email=form.get("email", "").strip(),
            password=form.get("password", ""),
            bot_check_token=form.get(ANSWER, ""),
        )
        try:
            response = await ask(self._people.SignIn, request, exchange)
        except ApiError as error:
            page = await self._sign_in_page(exchange, error.message, request.email)
            await show(exchange, page, error.answer_headers(), error.rendering.status)
            return
        await self._replaced.end(browser, response, exchange)
        await send_to(exchange, ACCOUNT, browser.headers_of(response))

    async def elsewhere(self, exchange: Exchange) -> None:
        """POST /sign-in/{provider}: on to the other service."""
        form = await posted(exchange)
        browser = BrowserSession(exchange, form)
        exchange.credential = ""
        provider = exchange.arguments["provider"]
        request = pb.BeginOAuthRequest(
            provider=provider,
            purpose=pb.BeginOAuthRequest.PURPOSE_SIGN_IN,
            age_confirmed="age" in form,
            accepted_policies=form.get("policies", "").split(),
            invitation_token=form.get("invitation", ""),
            bot_check_token=form.get(ANSWER, ""),
        )
        response = await ask(self._people.BeginOAuth, request, exchange)
        headers = browser.headers_of(response)
        name = _NAMES.get(provider, provider)
        # Not by a redirect: of a form's, browsers ask `form-action` for the other site as well.
        page = Page(
            f"On to {name}",
            links={response.authorization_uri: f"Go on to {name}"},
            leads_to=response.authorization_uri,
        )
        await show(exchange, page, [header for header in headers if header[0] == b"set-cookie"])

    async def come_back(self, exchange: Exchange) -> None:
        """GET /auth/{provider}/callback: what the other service sent the browser back with."""
        browser = BrowserSession(exchange, {})
        found = asked(exchange)
        request = pb.FinishOAuthRequest(
            provider=exchange.arguments["provider"],
            state=found.get("state", ""),
            code=found.get("code", ""),
            error=found.get("error", ""),
        )
        browser.complete(request)
        try:
            response = await self._finish(exchange, request)
        except ApiError as error:
            new = error.metadata.get("cause") == "sign_up_needed"
            links = {SIGN_UP: "Sign up"} if new else {SIGN_IN: "Try again"}
            page = Page("You are not signed in", links=links, error=error.message)
            await show(exchange, page, error.answer_headers(), error.rendering.status)
            return
        await self._replaced.end(browser, response, exchange)
        await send_to(exchange, ACCOUNT, browser.headers_of(response))

    async def _finish(
        self, exchange: Exchange, request: pb.FinishOAuthRequest
    ) -> pb.FinishOAuthResponse:
        """Finish as whoever is signed in, who may be linking; a session that ended is nobody's."""
        try:
            return await ask(self._people.FinishOAuth, request, exchange)
        except ApiError as error:
            if error.reason != "SESSION_INVALID":
                raise
        exchange.credential = ""
        return await ask(self._people.FinishOAuth, request, exchange)

    async def sign_up(self, exchange: Exchange) -> None:
        """GET and POST /sign-up."""
        if exchange.method != "POST":
            await show(exchange, await self._sign_up_page(exchange, asked(exchange)))
            return
        form = await posted(exchange)
        BrowserSession(exchange, form)
        exchange.credential = ""
        request = pb.SignUpRequest(
            email=form.get("email", "").strip(),
            password=form.get("password", ""),
            display_name=form.get("name", "").strip(),
            age_confirmed="age" in form,
            accepted_policies=form.get("policies", "").split() if "agreed" in form else (),
            newsletter="newsletter" in form,
            invitation_token=form.get("invitation", ""),
            bot_check_token=form.get(ANSWER, ""),
        )
        try:
            await ask(self._people.SignUp, request, exchange)
        except ApiError as error:
            page = await self._sign_up_page(exchange, form, error.message)
            await show(exchange, page, error.answer_headers(), error.rendering.status)
            return
        text = ("Open the link in the mail that we have sent you.",)
        await show(exchange, Page("Look into your mail", text, links={SIGN_IN: "Sign in"}))

    async def forgot(self, exchange: Exchange) -> None:
        """GET and POST /forgot-password."""
        options = await self._options(exchange)
        if exchange.method != "POST":
            form = Form(FORGOT, "Send me a link", (_EMAIL,), _bot_check(options))
            await show(exchange, Page("A new password", forms=(form,), links={SIGN_IN: "Sign in"}))
            return
        sent = await posted(exchange)
        BrowserSession(exchange, sent)
        exchange.credential = ""
        request = pb.RequestPasswordResetRequest(
            email=sent.get("email", "").strip(), bot_check_token=sent.get(ANSWER, "")
        )
        await ask(self._people.RequestPasswordReset, request, exchange)
        text = ("If we know that address, a mail with a link is on its way.",)
        await show(exchange, Page("Look into your mail", text, links={SIGN_IN: "Sign in"}))

    async def _options(self, exchange: Exchange) -> pb.GetSignInOptionsResponse:
        request = pb.GetSignInOptionsRequest()
        return await ask(self._people.GetSignInOptions, request, exchange)

    async def _sign_in_page(self, exchange: Exchange, error: str = "", email: str = "") -> Page:
        options = await self._options(exchange)
        check = _bot_check(options)
        forms = []
        if options.password_enabled:
            password = Field("password", "Password", "password", autocomplete="current-password")
            filled = Field("email", _EMAIL.label, "email", email, "username")
            forms.append(Form(SIGN_IN, "Sign in", (filled, password), check))
        forms += [
            Form(
                f"{SIGN_IN}/{provider}", f"Sign in with {_NAMES.get(provider, provider)}", (), check
            )
            for provider in options.oauth_providers
        ]
        links = {FORGOT: "Forgot your password?"}
        if options.sign_up_enabled:
            links[SIGN_UP] = "Sign up"
        return Page("Sign in", forms=forms, links=links, error=error)

    async def _sign_up_page(
        self, exchange: Exchange, sent: Mapping[str, str], error: str = ""
    ) -> Page:
        options = await self._options(exchange)
        listed = await ask(self._people.ListPolicies, pb.ListPoliciesRequest(), exchange)
        policies = " ".join(f"{policy.name}@{policy.version}" for policy in listed.policies)
        invitation = sent.get("invitation", "") or sent.get("token", "")
        agreed = (
            Field("age", "I am 16 years old or older", "checkbox"),
            Field("agreed", "I agree to the terms and have read the privacy policy", "checkbox"),
            Field("policies", kind="hidden", value=policies),
            Field("invitation", kind="hidden", value=invitation),
        )
        new = (
            Field("email", _EMAIL.label, "email", sent.get("email", ""), "username"),
            Field("password", "Password", "password", autocomplete="new-password"),
            Field("name", "Your name", value=sent.get("name", ""), required=False),
            *agreed,
            Field("newsletter", "Send me the newsletter", "checkbox", required=False),
        )
        check = _bot_check(options)
        forms = [Form(SIGN_UP, "Sign up", new, check)] if options.password_enabled else []
        forms += [
            Form(
                f"{SIGN_IN}/{provider}",
                f"Sign up with {_NAMES.get(provider, provider)}",
                agreed,
                check,
            )
            for provider in options.oauth_providers
        ]
        links = {f"/{policy.name}": policy.title for policy in listed.policies}
        return Page("Sign up", forms=forms, links={**links, SIGN_IN: "Sign in"}, error=error)


def _bot_check(options: pb.GetSignInOptionsResponse) -> BotCheck | None:
    if not options.bot_check_site_key:
        return None
    return BotCheck(options.bot_check_site_key, options.bot_check_script_uri)
