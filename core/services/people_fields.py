"""What people type about themselves, checked: addresses, names, passwords, languages."""

import re
from typing import Final

from accounts.addresses import is_address
from accounts.password_list import shipped
from accounts.password_rules import LONGEST, SHORTEST, Weakness, weakness
from core.errors import GatewayError, Reason
from core.services.people_words import invalid

NAME_LENGTH: Final = 100
"""Characters of a display name, as the contract says."""
DEFAULT_LOCALE: Final = "en"
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z")
"""As the database says: a language of BCP 47, with at most three subtags."""
_REMEDIES: Final = {
    Weakness.TOO_SHORT: f"must have at least {SHORTEST} characters",
    Weakness.TOO_LONG: f"must have at most {LONGEST} characters",
    Weakness.HAS_ADDRESS: "must not contain your address",
    Weakness.COMMON: "is too easy to guess; take several words that do not belong together",
}


def address(text: str, parameter: str = "email") -> str:
    """An address that mail can be sent to; raises MISSING_PARAMETER, INVALID_PARAMETER."""
    if not text:
        raise missing(parameter)
    if not is_address(text):
        raise invalid(parameter, "is no e-mail address")
    return text


def password(text: str, owner: str, parameter: str) -> str:
    """A password that may be taken by the owner of the address *owner*."""
    if not text:
        raise missing(parameter)
    found = weakness(text, owner, shipped())
    if found is not None:
        raise invalid(parameter, _REMEDIES[found], rule=found.value)
    return text


def display_name(text: str, parameter: str = "display_name") -> str:
    """A name for humans; empty: none."""
    if len(text) > NAME_LENGTH:
        raise invalid(parameter, f"may have at most {NAME_LENGTH} characters")
    if not text.isprintable():
        raise invalid(parameter, "may have no control characters")
    return text.strip()


def locale(text: str, parameter: str = "locale") -> str:
    """A language of mails; empty: English."""
    if text and not _LOCALE.match(text):
        raise invalid(parameter, "is no BCP 47 language, like `en` or `pt-BR`")
    return text or DEFAULT_LOCALE


def missing(parameter: str) -> GatewayError:
    """A field that must be there."""
    return GatewayError(
        Reason.MISSING_PARAMETER, f"`{parameter}` is required.", parameter=parameter
    )
