"""The check that a form was sent by a person: Turnstile's protocol, off unless it is set up.

It fails closed: while the service does not answer, nobody passes (SIGN_IN_SERVICE_UNAVAILABLE),
because who floods forms could else begin with the service.
"""

from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from core.body import Secret
from core.errors import GatewayError, Reason
from core.service_calls import ServiceAway, ServiceCalls
from core.values import dataclass

SERVICE: Final = "bot_check"
"""How errors name the service."""
_SECONDS: Final = 5.0
"""For the whole answer: a form waits for it."""
_RETRY_SECONDS: Final = 5.0
_LONGEST_TOKEN: Final = 2_048
"""Characters, as Cloudflare's documentation of Turnstile says."""
_OURS: Final = frozenset({"missing-input-secret", "invalid-input-secret", "internal-error"})
"""Of Turnstile's error codes, those that say nothing of the person: the operator's secret is wrong,
or the service has trouble."""


@dataclass(frozen=True, slots=True)
class BotCheckSettings:
    """What the operator was given by the service."""

    site_key: str
    """Public: browsers show the check with it."""
    secret_key: Secret[str]
    url: str
    """Where answers are verified."""
    script_url: str
    """The script that browsers load; their content security policy allows its origin only then."""


class BotCheck:
    """Asks the service about answers of browsers, while entered. Without settings all pass."""

    def __init__(self, settings: BotCheckSettings | None) -> None:
        self._settings = settings
        self._calls = ServiceCalls(_SECONDS)

    async def __aenter__(self) -> Self:
        if self._settings is not None:
            await self._calls.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._calls.__aexit__(kind, error, trace)

    @property
    def site_key(self) -> str:
        """Empty: there is no check."""
        return "" if self._settings is None else self._settings.site_key

    @property
    def script_uri(self) -> str:
        """Empty: there is no check."""
        return "" if self._settings is None else self._settings.script_url

    async def check(self, token: str, network: str) -> None:
        """Pass *token*, which a browser at the IP address *network* ('' for unknown) was given.

        Raises BOT_CHECK_FAILED where it is absent, wrong, old or was used before, and
        SIGN_IN_SERVICE_UNAVAILABLE where the service cannot say.
        """
        if self._settings is None:
            return
        if not token or len(token) > _LONGEST_TOKEN:
            raise _failed()
        form = {
            "secret": self._settings.secret_key.reveal(),
            "response": token,
            "idempotency_key": str(uuid4()),
        }
        if network:
            form["remoteip"] = network
        try:
            said = await self._calls.post(self._settings.url, form)
        except ServiceAway:
            raise _unavailable() from None
        if said.member("success") is True:
            return
        codes = said.member("error-codes")
        if not isinstance(codes, list) or _OURS & {code for code in codes if isinstance(code, str)}:
            raise _unavailable()
        raise _failed()


def _failed() -> GatewayError:
    return GatewayError(
        Reason.BOT_CHECK_FAILED,
        "The bot check was not passed, or its answer is too old. Load the page again.",
        parameter="bot_check_token",
    )


def _unavailable() -> GatewayError:
    return GatewayError(
        Reason.SIGN_IN_SERVICE_UNAVAILABLE,
        "The service of the bot check does not answer; try again in a moment.",
        retry_after=_RETRY_SECONDS,
        metadata={"provider": SERVICE},
    )
