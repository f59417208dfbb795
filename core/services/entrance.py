"""Signing up and in, profiles, passwords, addresses and consents, wired."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from accounts.people_ground import PeopleGround
from core.bot_check import BotCheck
from core.engine.repeats import Repeats
from core.legal.publishing import Policies
from core.people_settings import PeopleSettings
from core.services.agreeing import AGREED, Agreeing
from core.services.consents import ConsentCalls
from core.services.email_addresses import AddressCalls
from core.services.even_answers import EvenAnswers
from core.services.password_calls import PasswordCalls
from core.services.profile import ProfileCalls
from core.services.sign_in import SignInCalls
from core.services.sign_up import SignUpCalls
from core.settings_sign_up import SignUpMode
from core.values import dataclass


@dataclass(frozen=True, slots=True)
class House:
    """What people come to."""

    bots: BotCheck
    agreeing: Agreeing
    mode: SignUpMode
    """Who may sign up."""
    providers: Sequence[str]
    """The services to sign in with."""
    answers: EvenAnswers = field(default_factory=EvenAnswers)


def entrance_calls(ground: PeopleGround, repeats: Repeats, house: House) -> tuple[object, ...]:
    """What of AccountService they serve."""
    return (
        SignUpCalls(ground, house.bots, house.agreeing, house.mode, house.providers, house.answers),
        SignInCalls(ground, house.bots),
        PasswordCalls(ground, repeats, house.bots, house.answers),
        AddressCalls(ground, repeats, house.answers),
        ProfileCalls(ground, repeats),
        ConsentCalls(ground, repeats, house.agreeing),
    )


def current_policies(policies: Policies) -> Callable[[], Mapping[str, str]]:
    """The versions that hold now of what people agree to, by the policy's id."""

    def held() -> Mapping[str, str]:
        found = {id_: policies.get(id_, "") for id_ in AGREED}
        return {id_: each.document.version.isoformat() for id_, each in found.items() if each}

    return held


def mode_of(settings: PeopleSettings) -> SignUpMode:
    """Who may sign up: nobody, where no mail can be sent to prove the address with."""
    return SignUpMode.CLOSED if settings.mail is None else settings.sign_up


def providers_of(settings: PeopleSettings) -> list[str]:
    """The services to sign in with, by name."""
    apps = {"github": settings.oauth.github, "google": settings.oauth.google}
    return [name for name, app in apps.items() if app is not None]
