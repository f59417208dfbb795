"""Settings: the person's own data, what mail they get, and how they leave."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import grpc
from google.protobuf.message import Message

from dashboard.page import Field, Form, Page, posted, send_to, show
from dashboard.signing_in import ACCOUNT, SIGN_IN
from reapi.v1 import account_pb2
from reapi.v1 import account_service_pb2 as pb
from reapi.v1.account_service_pb2_grpc import AccountServiceStub
from rest_bridge.browser import BrowserSession
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.unary import ask

PROFILE: Final = "/settings/profile"
NOTIFICATIONS: Final = "/settings/notifications"
_MEBIBYTE: Final = 1024 * 1024
_PROOF = Field(
    "current", "Your password", "password", autocomplete="current-password", required=False
)
"""Not needed of who has none and signed in lately."""
_STATES: Final[Mapping[int, str]] = {
    account_pb2.Export.STATE_PREPARING: "is being prepared; a mail tells when it is ready",
    account_pb2.Export.STATE_READY: "is ready",
    account_pb2.Export.STATE_FAILED: "could not be made: ask again",
    account_pb2.Export.STATE_EXPIRED: "has expired",
}


MakePage = Callable[[Exchange, str], Awaitable[Page]]
"""Makes a page with an error, or with none."""


class SettingsPages:
    """The pages below /settings. Each form says in `do` what it is for."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._people = AccountServiceStub(channel)

    async def profile(self, exchange: Exchange) -> None:
        """GET and POST /settings/profile."""
        await self._settings(exchange, self._profile_page)

    async def notifications(self, exchange: Exchange) -> None:
        """GET and POST /settings/notifications."""
        await self._settings(exchange, self._notifications_page)

    async def _settings(self, exchange: Exchange, page: MakePage) -> None:
        posts = exchange.method == "POST"
        form = await posted(exchange) if posts else {}
        browser = BrowserSession(exchange, form)
        if not browser.by_cookie:
            await send_to(exchange, SIGN_IN)
            return
        error, cookies = "", []
        try:
            if posts:
                done = await self._do(exchange, form)
                cookies = [
                    header for header in browser.headers_of(done) if header[0] == b"set-cookie"
                ]
                if isinstance(done, pb.DeleteAccountResponse):
                    gone = Page("Your account is deleted", ("What is left of it is removed now.",))
                    await show(exchange, gone, cookies)
                    return
        except ApiError as failure:
            if failure.reason == "SESSION_INVALID":
                raise
            error = failure.message
        if cookies and not error:  # the token of the session changed
            await send_to(exchange, exchange.path, cookies)
            return
        await show(exchange, await page(exchange, error), status=400 if error else 200)

    async def _do(self, exchange: Exchange, form: Mapping[str, str]) -> Message:
        """Do what the form is for; the answer of the call."""
        people, proof = self._people, form.get("current", "")
        match form.get("do"):
            case "name":
                return await self._update(exchange, display_name=form.get("name", "").strip())
            case "notifications":
                wanted = {name: name in form for name in _NOTICES}
                return await self._update(exchange, **wanted)
            case "email":
                email = form.get("email", "").strip()
                change = pb.ChangeEmailRequest(new_email=email, current_password=proof)
                return await ask(people.ChangeEmail, change, exchange)
            case "password":
                new = pb.ChangePasswordRequest(
                    new_password=form.get("password", ""), current_password=proof
                )
                return await ask(people.ChangePassword, new, exchange)
            case "sessions":
                others = pb.RevokeOtherSessionsRequest()
                return await ask(people.RevokeOtherSessions, others, exchange)
            case "export":
                return await ask(people.CreateExport, pb.CreateExportRequest(), exchange)
            case "delete":
                end = pb.DeleteAccountRequest(
                    confirmation=form.get("confirmation", ""), current_password=proof
                )
                return await ask(people.DeleteAccount, end, exchange)
        raise ApiError("MALFORMED_REQUEST")

    async def _update(self, exchange: Exchange, **values: str | bool) -> pb.UpdateProfileResponse:
        request = pb.UpdateProfileRequest()
        for name, value in values.items():
            setattr(request.profile, name, value)
        request.profile.SetInParent()
        request.update_mask.paths.extend(values)
        return await ask(self._people.UpdateProfile, request, exchange)

    async def _profile_page(self, exchange: Exchange, error: str) -> Page:
        found = await ask(self._people.GetProfile, pb.GetProfileRequest(), exchange)
        account = await ask(self._people.GetAccount, pb.GetAccountRequest(), exchange)
        profile, name = found.profile, account.account.display_name
        text = [f"Your address is {profile.email}."]
        if profile.pending_email:
            text.append(f"{profile.pending_email} waits for its verification.")
        text += await self._exports(exchange)
        forms = (
            _form(
                "name", "Change the name", Field("name", "Your name", value=profile.display_name)
            ),
            _form("email", "Change the address", Field("email", "New address", "email"), _PROOF),
            _form(
                "password",
                "Change the password",
                _PROOF,
                Field("password", "New password", "password", autocomplete="new-password"),
            ),
            _form("sessions", "Sign out everywhere else"),
            _form("export", "Export everything that is kept"),
            _form(
                "delete",
                "Delete the account and all that is in it",
                Field("confirmation", f"Type the account's name: {name}"),
                _PROOF,
            ),
        )
        links = {NOTIFICATIONS: "Notifications", ACCOUNT: "Your account"}
        return Page("Settings: profile", text, forms, links, error)

    async def _exports(self, exchange: Exchange) -> list[str]:
        """How the last export stands; who may not have one is told nothing of it."""
        try:
            request = pb.ListExportsRequest(page_size=1)
            found = await ask(self._people.ListExports, request, exchange)
        except ApiError as error:
            if error.reason != "PERMISSION_DENIED":
                raise
            return []
        return [
            f"Your export {_STATES.get(export.state, '')}."
            + (f" {export.size_bytes / _MEBIBYTE:.1f} MiB: {export.uri}" if export.uri else "")
            for export in found.exports
        ]

    async def _notifications_page(self, exchange: Exchange, error: str) -> Page:
        found = await ask(self._people.GetProfile, pb.GetProfileRequest(), exchange)
        boxes = tuple(
            Field(
                name,
                label,
                "checkbox",
                "yes" if getattr(found.profile, name) else "",
                "off",
                False,
            )
            for name, label in _NOTICES.items()
        )
        text = ("Mails about your account's safety, prices and policies are always sent.",)
        forms = (Form(NOTIFICATIONS, "Keep", (_what("notifications"), *boxes)),)
        links = {PROFILE: "Profile", ACCOUNT: "Your account"}
        return Page("Settings: notifications", text, forms, links, error)


_NOTICES: Final[Mapping[str, str]] = {
    "newsletter": "The newsletter",
    "product_notices": "New models and features",
    "billing_notices": "Receipts and alerts of budgets",
}
"""By the field of the profile."""


def _form(what: str, button: str, *fields: Field) -> Form:
    return Form(PROFILE, button, (_what(what), *fields))


def _what(what: str) -> Field:
    return Field("do", kind="hidden", value=what)
