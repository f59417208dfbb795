"""What an operator sets to let people sign in with other services, and to keep bots away."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from core.body import Secret
from core.bot_check import BotCheckSettings
from core.settings_values import SettingsError, url

GITHUB_URL: Final = "https://github.com"
GITHUB_API_URL: Final = "https://api.github.com"
GOOGLE_ISSUER: Final = "https://accounts.google.com"
BOT_CHECK_URL: Final = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
BOT_CHECK_SCRIPT_URL: Final = "https://challenges.cloudflare.com/turnstile/v0/api.js"


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """What this deployment is known by at a service, and where the service is."""

    client_id: str
    client_secret: Secret[str]
    url: str
    """GitHub's site, or Google's issuer."""
    api_url: str = ""
    """GitHub's API."""


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """The services to sign in with; None: not this one."""

    github: OAuthApp | None = None
    google: OAuthApp | None = None


def oauth_settings(env: Mapping[str, str]) -> OAuthSettings:
    """Read and check; raises SettingsError."""
    return OAuthSettings(
        github=_app(
            env,
            ("REAPI_GITHUB_CLIENT_ID", "REAPI_GITHUB_CLIENT_SECRET"),
            place(env, "REAPI_GITHUB_URL", GITHUB_URL),
            place(env, "REAPI_GITHUB_API_URL", GITHUB_API_URL),
        ),
        google=_app(
            env,
            ("REAPI_GOOGLE_CLIENT_ID", "REAPI_GOOGLE_CLIENT_SECRET"),
            place(env, "REAPI_GOOGLE_ISSUER", GOOGLE_ISSUER),
        ),
    )


def bot_check_settings(env: Mapping[str, str]) -> BotCheckSettings | None:
    """Read and check; None: there is no check. Raises SettingsError."""
    given = _pair(env, "REAPI_BOT_CHECK_SITE_KEY", "REAPI_BOT_CHECK_SECRET_KEY")
    verify = place(env, "REAPI_BOT_CHECK_URL", BOT_CHECK_URL)
    script = place(env, "REAPI_BOT_CHECK_SCRIPT_URL", BOT_CHECK_SCRIPT_URL)
    return BotCheckSettings(given[0], Secret(given[1]), verify, script) if given else None


def place(env: Mapping[str, str], name: str, default: str) -> str:
    """A base URL that secrets may be sent to: encrypted, or on this machine."""
    found = url(env, name) or default
    if not is_safe(found):
        raise SettingsError(f"{name} must be an https URL off this machine")
    return found


def is_safe(text: str) -> bool:
    """Whether *text* is an https URL, or an http one on loopback."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    host = parts.hostname or ""
    accepted = ("http", "https") if _is_loopback(host) else ("https",)
    return bool(host) and parts.scheme in accepted


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _app(
    env: Mapping[str, str], names: tuple[str, str], base_url: str, api_url: str = ""
) -> OAuthApp | None:
    given = _pair(env, *names)
    return OAuthApp(given[0], Secret(given[1]), base_url, api_url) if given else None


def _pair(env: Mapping[str, str], first: str, second: str) -> tuple[str, str] | None:
    values = env.get(first, "").strip(), env.get(second, "").strip()
    if any(values) and not all(values):
        raise SettingsError(f"{first} and {second} must be set together")
    return values if all(values) else None
