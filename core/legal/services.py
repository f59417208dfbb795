"""What this deployment uses of other companies besides models, by how it is configured. Pure."""

from collections.abc import Iterator

from core.ground import CoreConfig
from core.legal.subprocessors import Service
from core.mail.resend import ResendSettings
from storage.s3 import Bucket

_AMAZON = "s3.amazonaws.com"
_SIGN_IN = "signs people in, where they choose it"
_SIGN_IN_DATA = "that somebody signs in here, and their network address, from their browser"


def services(config: CoreConfig) -> list[Service]:
    """All of them; whoever runs on the operator's own machines is sorted out later."""
    return [*_money_and_files(config), *_people(config)]


def _money_and_files(config: CoreConfig) -> Iterator[Service]:
    if config.stripe is not None:
        yield Service(
            config.stripe.api_base,
            "takes payments",
            "what is bought, and what you enter on its pages: e-mail, name, address, card",
        )
    if isinstance(config.outputs, Bucket):
        region = "" if config.outputs.region == "auto" else config.outputs.region
        yield Service(
            config.outputs.endpoint or _AMAZON, "stores files", "outputs and exports", region
        )


def _people(config: CoreConfig) -> Iterator[Service]:
    people = config.people
    if people.mail is not None:
        service = people.mail.service
        host = service.url if isinstance(service, ResendSettings) else service.host
        yield Service(host, "sends mail", "e-mail addresses, names, and what the mails say")
    for app in (people.oauth.github, people.oauth.google):
        if app is not None:
            yield Service(app.url, _SIGN_IN, _SIGN_IN_DATA)
    if people.bot_check is not None:
        yield Service(
            people.bot_check.url,
            "tells people from programs",
            "network address and properties of the browser, on pages to sign in or up",
        )
