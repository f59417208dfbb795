"""What people are refused with: the same words wherever it happens."""

from core.errors import GatewayError, Reason

_RETRY_SECONDS = 2.0


def too_often(limit: str, wait: float) -> GatewayError:
    """One try of *limit* too many; *wait* seconds until the next."""
    return GatewayError(
        Reason.RATE_LIMIT_EXCEEDED,
        "That was tried too often; wait a little before the next try.",
        retry_after=wait,
        metadata={"limit": limit},
    )


def busy() -> GatewayError:
    """More passwords are to be checked than this process can."""
    return GatewayError(
        Reason.OVERLOADED,
        "The gateway is busy; try again in a moment.",
        retry_after=_RETRY_SECONDS,
        metadata={"resource": "passwords"},
    )


def invalid(parameter: str, what: str, **metadata: str) -> GatewayError:
    """A field that cannot be so."""
    return GatewayError(
        Reason.INVALID_PARAMETER, f"`{parameter}` {what}.", parameter=parameter, metadata=metadata
    )


def token_invalid(parameter: str = "token") -> GatewayError:
    """A token of a mail that is wrong, old, or was used: nobody is told which."""
    return GatewayError(
        Reason.TOKEN_INVALID,
        "The link is not good any more, or was used before. Have another one sent.",
        parameter=parameter,
    )


def sign_up_closed() -> GatewayError:
    """The operator decides who may come."""
    return GatewayError(
        Reason.PERMISSION_DENIED,
        "Nobody can sign up here without an invitation.",
        metadata={"permission": "sign_up"},
    )


def credentials_invalid() -> GatewayError:
    """The one answer for an address that is unknown and a password that is wrong."""
    return GatewayError(Reason.CREDENTIALS_INVALID, "Address and password do not belong together.")
