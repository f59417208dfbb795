"""What an operator may set about people: sign-in, mail, bots."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """Read once, at start; each part has a reader of its own."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "PeopleSettings":
        """Read and check; raises SettingsError, which names the variable."""
        return cls()
