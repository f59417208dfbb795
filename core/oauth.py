"""Services to sign in with: what each is asked, and what is made of its answers."""

from typing import Final, Protocol

from core.errors import GatewayError, Reason
from core.values import dataclass

GITHUB: Final = "github"
GOOGLE: Final = "google"
RETRY_SECONDS: Final = 10.0
"""When to try again a service that is away."""
SECONDS: Final = 10.0
"""For each call to a service: a person waits for it."""


@dataclass(frozen=True, slots=True)
class Trip:
    """What belongs to one way there and back."""

    state: str
    verifier: str
    """Of PKCE."""
    nonce: str
    redirect_uri: str

    def __repr__(self) -> str:
        return "<Trip>"


@dataclass(frozen=True, slots=True)
class Told:
    """What a service told of a person."""

    subject: str
    """The service's id of the person: stays the same."""
    email: str
    """Empty: none."""
    email_verified: bool
    """The service has verified that the address is the person's."""
    display_name: str
    suffices: bool = True
    """That it has verified the address tells who has it now: decisions/0023."""

    def __repr__(self) -> str:
        return "<Told>"


class SignInService(Protocol):
    """One service. Raises SIGN_IN_REFUSED and SIGN_IN_SERVICE_UNAVAILABLE."""

    async def authorization_uri(self, trip: Trip) -> str:
        """Where to send the browser."""
        ...

    async def identify(self, code: str, trip: Trip) -> Told:
        """Who came back with *code*, which works once."""
        ...


def refused(provider: str, cause: str, message: str = "") -> GatewayError:
    """The service, or this gateway, does not sign the person in. *cause* is a word of ours."""
    return GatewayError(
        Reason.SIGN_IN_REFUSED,
        message or "The sign-in was not completed. Begin again.",
        metadata={"provider": provider, "cause": cause},
    )


def away(provider: str) -> GatewayError:
    """The service does not answer, or not as it should."""
    return GatewayError(
        Reason.SIGN_IN_SERVICE_UNAVAILABLE,
        "The service to sign in with does not answer; try again in a moment.",
        retry_after=RETRY_SECONDS,
        metadata={"provider": provider},
    )
