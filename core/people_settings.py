"""What an operator may set about people: sign-in, mail, bots."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.bot_check import BotCheckSettings
from core.settings_legal import LegalSettings, legal_settings
from core.settings_mail import MailSettings, mail_settings
from core.settings_oauth import OAuthSettings, bot_check_settings, oauth_settings
from core.settings_sign_up import SignUpMode, sign_up_mode


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """Read once, at start; each part has a reader of its own."""

    oauth: OAuthSettings = field(default_factory=OAuthSettings)
    """The services to sign in with."""
    bot_check: BotCheckSettings | None = None
    """The check of forms; None: there is none."""
    mail: MailSettings | None = None
    """What sends mail; None: nothing does, and nobody can sign up."""
    legal: LegalSettings = field(default_factory=LegalSettings)
    """Who the operator is, in policies."""

    sign_up: SignUpMode = SignUpMode.OPEN
    """Who may sign up."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "PeopleSettings":
        """Read and check; raises SettingsError, which names the variable."""
        return cls(
            oauth=oauth_settings(env),
            bot_check=bot_check_settings(env),
            mail=mail_settings(env),
            legal=legal_settings(env),
            sign_up=sign_up_mode(env),
        )
