"""What policies are filled in with, and where an operator's own are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from accounts.addresses import is_address
from core.settings_values import SettingsError

_LONGEST_NAME = 200
"""Characters: a company's name with its address."""


@dataclass(frozen=True, slots=True)
class LegalSettings:
    """Who the operator is, in policies."""

    operator: str = ""
    """REAPI_OPERATOR_NAME; empty: `the operator of` the public URL."""
    contact: str = ""
    """REAPI_CONTACT_EMAIL; empty: the contact form."""
    folder: Path | None = None
    """REAPI_POLICIES: policies instead of the shipped ones with the same ids."""


def legal_settings(env: Mapping[str, str]) -> LegalSettings:
    """Read and check; raises SettingsError."""
    operator = env.get("REAPI_OPERATOR_NAME", "").strip()
    contact = env.get("REAPI_CONTACT_EMAIL", "").strip()
    folder = env.get("REAPI_POLICIES", "")
    if len(operator) > _LONGEST_NAME or not operator.isprintable():
        raise SettingsError(
            f"REAPI_OPERATOR_NAME must be a name of at most {_LONGEST_NAME} characters"
        )
    if contact and not is_address(contact):
        raise SettingsError("REAPI_CONTACT_EMAIL must be an e-mail address")
    if folder and not Path(folder).is_dir():
        raise SettingsError(f"REAPI_POLICIES must be a folder: there is no {Path(folder).name}")
    return LegalSettings(operator, contact, Path(folder).absolute() if folder else None)
