"""The companies that data may reach, from the enabled channels and services. Pure."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from core.catalog.entries import Catalogue
from core.legal.companies import company
from core.model import Channel, Kind

_NOT_PLACES: Final = frozenset(
    {"", "azure", "fal", "global", "kie", "openrouter", "replicate", "simulator", "wavespeed"}
)
"""Regions of channels that say nothing of where they are."""
_CONTENT: Final = {
    Kind.IMAGE: "prompts and input images",
    Kind.VIDEO: "prompts and input images, videos and sounds",
    Kind.AUDIO: "texts to speak",
    Kind.CHAT: "messages",
    Kind.TOOL: "input images and videos",
}
_NOTHING_ELSE: Final = "; parameters; no account data"


class Subprocessor(NamedTuple):
    """One company in one place, as the contract shows it; sorts by name."""

    name: str
    region: str
    purpose: str
    data: str


class Service(NamedTuple):
    """Something other than a model that this deployment uses elsewhere."""

    url: str
    """Its base URL, or a host."""
    purpose: str
    data: str
    region: str = ""


def subprocessors(
    catalogue: Catalogue, services: Iterable[Service], told: Iterable[Subprocessor] = ()
) -> list[Subprocessor]:
    """All of them, by name. What is on the operator's own machines or network is none.

    *told* are those that the operator names: nothing here knows who owns the machines.
    """
    found = [*told, *_providers(catalogue)]
    for service in services:
        if (who := _who(service.url)) is not None:
            name, seat = who
            found.append(Subprocessor(name, service.region or seat, service.purpose, service.data))
    return sorted(set(found))


def _providers(catalogue: Catalogue) -> Iterable[Subprocessor]:
    models: dict[tuple[str, str], set[str]] = {}
    kinds: dict[tuple[str, str], set[Kind]] = {}
    for id_, channels in catalogue.routes.items():
        for channel in channels:
            if (where := _where(channel)) is not None:
                models.setdefault(where, set()).add(id_)
                kinds.setdefault(where, set()).add(catalogue.model(id_).kind)
    for (name, region), ids in models.items():
        noun = "model" if len(ids) == 1 else "models"
        content = [text for kind, text in _CONTENT.items() if kind in kinds[name, region]]
        data = ", ".join(content) + _NOTHING_ELSE
        yield Subprocessor(name, region, f"serves {noun} {', '.join(sorted(ids))}", data)


def _where(channel: Channel) -> tuple[str, str] | None:
    who = _who(channel.base_url)
    if who is None:
        return None
    name, seat = who
    return name, seat if channel.region in _NOT_PLACES else channel.region


def _who(url: str) -> tuple[str, str] | None:
    """Name and seat of whoever is there; None: a host of the operator's own."""
    host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    if _is_own(host):
        return None
    found = company(host)
    return (host, "") if found is None else (found.name, found.seat)


def _is_own(host: str) -> bool:
    """Whether *host* can only mean something in the operator's own network."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))
