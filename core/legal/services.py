"""What this deployment uses of other companies besides models, by how it is configured. Pure."""

from collections.abc import Iterator

from psycopg.conninfo import conninfo_to_dict

from core.ground import CoreConfig
from core.legal.subprocessors import Service
from core.mail.resend import ResendSettings
from storage.s3 import Bucket

_DATABASE_DATA = "what the privacy policy lists, addresses and names encrypted; no file"
_AMAZON = "s3.amazonaws.com"
_SIGN_IN = "signs people in, where they choose it"
_SIGN_IN_DATA = "that somebody signs in here, and their network address, from their browser"


def services(config: CoreConfig) -> list[Service]:
    """All of them; whoever runs on the operator's own machines is sorted out later."""
    return [*database(config.database_url), *_money_and_files(config), *_people(config)]


def database(url: str) -> Iterator[Service]:
    """Whoever keeps the database at *url*."""
    known = conninfo_to_dict(url)
    for host in f"{known.get('host') or known.get('hostaddr') or ''}".split(","):
        # An address of version 6 is told from a host with a port by its brackets.
        yield Service(f"[{host}]" if ":" in host else host, "keeps the database", _DATABASE_DATA)


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
