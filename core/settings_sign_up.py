"""Who may sign up."""

from collections.abc import Mapping
from enum import StrEnum

from core.settings_values import choice


class SignUpMode(StrEnum):
    """Who may sign up: anybody, who was invited, or nobody."""

    OPEN = "open"
    INVITED = "invited"
    CLOSED = "closed"

    def lets_in(self, *, invited: bool) -> bool:
        """Whether somebody new may come."""
        return self is SignUpMode.OPEN or (invited and self is SignUpMode.INVITED)


def sign_up_mode(env: Mapping[str, str]) -> SignUpMode:
    """`REAPI_SIGN_UP`; raises SettingsError."""
    return SignUpMode(choice(env, "REAPI_SIGN_UP", SignUpMode.OPEN, tuple(SignUpMode)))
