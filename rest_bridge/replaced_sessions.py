"""A browser that signs in anew leaves the session that it had: nobody finds its token later."""

from contextlib import suppress

import grpc
from google.protobuf.message import Message

from reapi.v1 import account_service_pb2 as pb
from reapi.v1.account_service_pb2_grpc import AccountServiceStub
from rest_bridge.browser import BrowserSession
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.unary import ask

OPENS = (pb.SignInResponse, pb.FinishOAuthResponse)
"""What opens a session."""


class ReplacedSessions:
    """Ends the sessions of cookies that came along with a sign-in."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._sign_out = AccountServiceStub(channel).SignOut

    async def end(self, browser: BrowserSession, response: Message, exchange: Exchange) -> None:
        """End the browser's old one, if *response* opens one; as far as that can be done.

        Call it before the tokens are taken out of *response*.
        """
        old = browser.token
        if not old or not isinstance(response, OPENS) or response.grant.session_token == old:
            return
        exchange.credential = f"Bearer {old}"
        with suppress(ApiError):  # it may have ended, or another has its place already
            await ask(self._sign_out, pb.SignOutRequest(), exchange)
