"""The list of subprocessors follows from what is enabled, and names whoever is behind it."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.body import Secret
from core.catalog.loader import embedded_files, load, shipped_files, stand_in
from core.legal.companies import COMPANIES, company
from core.legal.services import database
from core.legal.subprocessors import Service, Subprocessor, subprocessors
from core.legal.texts import documents
from core.legal.told import FILE, told_subprocessors
from core.legal.versions import PolicyError
from core.model import Channel

ENDPOINT = {"AZURE_OPENAI_ENDPOINT": "https://acme.openai.azure.com"}
ENTRY = """
[[subprocessor]]
name = "Host GmbH"
region = "Germany"
purpose = "hosts the machines"
data = "all of it"
"""


def shipped(**env: str):
    return load(shipped_files(), env or stand_in(shipped_files(), ENDPOINT))


def test_every_provider_of_the_shipped_catalogue_has_a_name() -> None:
    catalogue = shipped()
    named = {company.name for company in COMPANIES.values()}
    found = subprocessors(catalogue, ())

    assert found
    assert {each.name for each in found} <= named
    served = {id_ for id_, channels in catalogue.routes.items() if channels}
    told = {model for each in found for model in each.purpose.split(" ", 2)[2].split(", ")}
    assert told == served


def test_only_channels_that_are_enabled_are_listed() -> None:
    found = subprocessors(shipped(OPENAI_API_KEY="sk-1"), ())

    assert {each.name for each in found} == {"OpenAI OpCo, LLC"}
    assert subprocessors(load(shipped_files(), {}), ()) == []


def test_a_region_is_shown_where_the_channel_has_one() -> None:
    found = {(each.name, each.region) for each in subprocessors(shipped(), ())}

    assert ("Google LLC", "us-central1") in found
    assert ("Features & Labels, Inc. (fal)", "United States") in found


def test_the_demo_reaches_nobody() -> None:
    catalogue = load(embedded_files(), stand_in(embedded_files(), {}))

    assert catalogue.channels
    assert subprocessors(catalogue, ()) == []


def test_services_are_listed_and_the_operators_own_are_not() -> None:
    services = [
        Service("https://api.stripe.com", "takes payments", "a"),
        Service("https://s3.eu-central-1.amazonaws.com", "stores files", "b", "eu-central-1"),
        Service("smtp.example.net", "sends mail", "c"),
        Service("http://10.1.2.3:9000", "stores files", "d"),
        Service("mail", "sends mail", "e"),
        Service("http://127.0.0.1:1", "sends mail", "f"),
    ]
    found = subprocessors(load(shipped_files(), {}), services)

    assert [(each.name, each.region) for each in found] == [
        ("Amazon Web Services, Inc.", "eu-central-1"),
        ("Stripe, Inc.", "United States"),
        ("smtp.example.net", ""),
    ]


def test_a_host_is_known_by_its_ending_and_not_by_a_part_of_a_name() -> None:
    assert company("acme.openai.azure.com") == COMPANIES["openai.azure.com"]
    assert company("dashscope-intl.aliyuncs.com") != company("dashscope.aliyuncs.com")
    assert company("notopenai.com") is None
    assert company("openai.com.evil.test") is None


def test_an_unknown_provider_is_shown_by_its_host() -> None:
    catalogue = shipped(OPENAI_API_KEY="sk-1")
    id_, channels = next((id_, found) for id_, found in catalogue.routes.items() if found)
    moved: Channel = replace(
        channels[0], base_url="https://models.example.org/v1", credential=Secret("x")
    )
    found = subprocessors(replace(catalogue, routes={id_: (moved,)}), ())

    assert [each.name for each in found] == ["models.example.org"]


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql://me:secret@db.example.net:5432/reapi", ["db.example.net"]),
        ("host=a.example.net,b.example.net dbname=x", ["a.example.net", "b.example.net"]),
        ("postgresql://me@[2606:4700::1111]/reapi", ["2606:4700::1111"]),
        ("postgresql://me@127.0.0.1:1/reapi", []),
        ("postgresql://me@[::1]/reapi", []),
        ("postgresql:///reapi?host=/run/postgresql", []),
        ("postgresql://me@postgres/reapi", []),
        ("postgresql://10.0.0.7/reapi", []),
    ],
)
def test_whoever_keeps_the_database_is_listed_unless_it_is_the_operator(
    url: str, named: list[str]
) -> None:
    found = subprocessors(load(shipped_files(), {}), database(url))

    assert [each.name for each in found] == named
    assert {each.purpose for each in found} <= {"keeps the database"}


def test_an_operator_names_whoever_else_there_is(tmp_path: Path) -> None:
    assert told_subprocessors(None) == told_subprocessors(tmp_path) == []
    (tmp_path / FILE).write_text(ENTRY)
    told = told_subprocessors(tmp_path)

    assert told == [Subprocessor("Host GmbH", "Germany", "hosts the machines", "all of it")]
    assert subprocessors(load(shipped_files(), {}), (), told) == told
    assert documents(tmp_path) == documents(None), "it is no policy"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[subprocessor]", "TOML"),
        ("x = 1", "nothing else"),
        ("subprocessor = 1", "nothing else"),
        ("subprocessor = [1]", "entry 1 must have name, region, purpose, data"),
        (ENTRY + 'more = "x"', "entry 1 must have"),
        (ENTRY.replace("Host GmbH", ""), "name of entry 1 is empty"),
        (ENTRY.replace('"Germany"', "7"), "region of entry 1 must be a text"),
        (ENTRY.replace("Germany", "x" * 301), "at most 300 characters"),
        (ENTRY * 101, "more than 100"),
        ("#" * 300_000, "nothing else"),
    ],
)
def test_what_an_operator_names_wrongly_stops_the_start(
    tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(PolicyError, match=why):
        told_subprocessors(tmp_path)
