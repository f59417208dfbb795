"""Signing in with other services, wired."""

from contextlib import AsyncExitStack
from time import monotonic, time

from accounts.people_ground import PeopleGround
from core.bot_check import BotCheck
from core.engine.repeats import Repeats
from core.oauth import GITHUB, GOOGLE, SECONDS, SignInService
from core.oauth_github import GitHub
from core.oauth_google import Google
from core.service_calls import ServiceCalls
from core.services.oauth import OAuthCalls, Terms
from core.settings_oauth import OAuthSettings


async def open_oauth_calls(
    settings: OAuthSettings,
    stack: AsyncExitStack,
    ground: PeopleGround,
    repeats: Repeats,
    bots: BotCheck,
    terms: Terms,
) -> tuple[object, ...]:
    """What of AccountService they serve; the stack closes it.

    No service is asked anything until somebody signs in.
    """
    calls = await stack.enter_async_context(ServiceCalls(SECONDS))
    services: dict[str, SignInService] = {}
    if settings.github is not None:
        services[GITHUB] = GitHub(settings.github, calls)
    if settings.google is not None:
        services[GOOGLE] = Google(settings.google, calls, time, monotonic)
    return (OAuthCalls(ground, services, repeats, bots=bots, terms=terms),)
