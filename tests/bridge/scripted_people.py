"""An account service that plays one person: who comes with its token is signed in."""

import grpc
from google.rpc import error_details_pb2, status_pb2

from reapi.v1 import account_pb2, account_service_pb2, account_service_pb2_grpc

TOKEN = "rs_" + "a" * 43
NEXT = "rs_" + "b" * 43
BROWSER = "browser-token-of-the-flow-0001"
MAIL_TOKEN = "token-of-a-mail"
PASSWORD = "correct horse battery"


class PeopleCore(account_service_pb2_grpc.AccountServiceServicer):
    """Remembers what it was asked, and with which credential."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.credentials: list[str] = []
        self.signed_out: list[str] = []
        self.finished: list[str] = []
        self.tokens: list[str] = []
        self.bot_check = False

    async def _signed_in(self, context: grpc.aio.ServicerContext) -> None:
        metadata = dict(context.invocation_metadata() or ())
        sent = str(metadata.get("authorization", ""))
        self.credentials.append(sent)
        if sent != f"Bearer {self.token}":
            await refuse(context, grpc.StatusCode.UNAUTHENTICATED, "SESSION_INVALID")

    async def _used(self, token: str, context: grpc.aio.ServicerContext) -> None:
        if token != MAIL_TOKEN:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "TOKEN_INVALID")
        self.tokens.append(token)

    async def GetSignInOptions(self, request, context):
        found = account_service_pb2.GetSignInOptionsResponse(
            oauth_providers=["github"], password_enabled=True, sign_up_enabled=True
        )
        if self.bot_check:
            found.bot_check_site_key = "site-key"
            found.bot_check_script_uri = "https://challenges.example/api.js"
        return found

    async def ListPolicies(self, request, context):
        return account_service_pb2.ListPoliciesResponse()

    async def VerifyEmail(self, request, context):
        await self._used(request.token, context)
        return account_service_pb2.VerifyEmailResponse()

    async def ResetPassword(self, request, context):
        await self._used(request.token, context)
        return account_service_pb2.ResetPasswordResponse()

    async def Unsubscribe(self, request, context):
        await self._used(request.token, context)
        return account_service_pb2.UnsubscribeResponse()

    async def SignIn(self, request, context):
        if request.password == "no" or request.password.startswith("not"):
            await refuse(context, grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")
        grant = account_pb2.SessionGrant(session_token=TOKEN)
        return account_service_pb2.SignInResponse(grant=grant)

    async def SignOut(self, request, context):
        await self._signed_in(context)
        self.signed_out.append(self.credentials[-1])
        return account_service_pb2.SignOutResponse()

    async def GetProfile(self, request, context):
        await self._signed_in(context)
        profile = account_pb2.Profile(name="users/1")
        return account_service_pb2.GetProfileResponse(profile=profile)

    async def SwitchAccount(self, request, context):
        await self._signed_in(context)
        self.token = NEXT
        grant = account_pb2.SessionGrant(session_token=NEXT)
        return account_service_pb2.SwitchAccountResponse(grant=grant)

    async def BeginOAuth(self, request, context):
        return account_service_pb2.BeginOAuthResponse(
            authorization_uri="https://example.com/authorize", browser_token=BROWSER
        )

    async def FinishOAuth(self, request, context):
        self.finished.append(request.browser_token)
        grant = account_pb2.SessionGrant(session_token=TOKEN)
        return account_service_pb2.FinishOAuthResponse(grant=grant)


async def refuse(context: grpc.aio.ServicerContext, code: grpc.StatusCode, reason: str) -> None:
    """End the call as core does."""
    status = status_pb2.Status(code=code.value[0])
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="reapi"))
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, "", details)
