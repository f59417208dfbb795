"""Every text of the contract has a class, or a reason for why it needs none; all are walked."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor
from grpc import aio

from gateway.proof import contract, routes
from gateway.proof.canaries import Canaries
from gateway.proof.requests import Maker
from gateway.proof.search import Finding, Search
from gateway.proof.walker import Callers, Walker
from reapi.v1 import api_key_service_pb2, webhook_service_pb2

NAMES_OF_OURS = frozenset(
    {
        *("name", "id", "account", "api_key", "api_keys", "generation", "webhook_endpoint"),
        *("member", "user", "payment_method", "credit_pack"),
    }
)
"""Ids that we gave out, read as such: anything else is NOT_FOUND or INVALID_PARAMETER."""
HANDED_OUT = frozenset({"page_token", "etag"})
"""Signed or compared, and never kept."""
OF_THE_CATALOGUE = frozenset(
    {
        *("model", "models", "allowed_models", "only_channels", "excluded_channels", "regions"),
        *("channel", "voice", "format", "provider", "version", "policy_version"),
        *("accepted_policies", "action", "locale", "credits"),
    }
)
"""Words of a list, tags and numbers: what is none of them is refused."""
OF_CHAT = frozenset({"modalities", "reasoning_effort", "service_tier", "verbosity"})
"""Words of a list, of a call that is not served yet."""
PLACES = frozenset({"endpoint"})
"""Kept where it is one of our own routes (`core.services.parse`)."""
OF_THE_MAIL_SERVICE = frozenset({"event_id", "signed_at"})
"""Ids and times of a message that is believed only with a signature."""


def is_for_answers(field: FieldDescriptor) -> bool:
    behaviour = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return list(behaviour) == [field_behavior_pb2.OUTPUT_ONLY]


REASONS: Mapping[str, Callable[[FieldDescriptor], bool]] = {
    "a name of ours": lambda field: field.name in NAMES_OF_OURS,
    "handed out by us": lambda field: field.name in HANDED_OUT,
    "a word of a list": lambda field: field.name in OF_THE_CATALOGUE,
    "of chat": lambda field: field.name in OF_CHAT,
    "a route of ours": lambda field: field.name in PLACES,
    "of the mail service": lambda field: field.name in OF_THE_MAIL_SERVICE,
    "only answers have it": is_for_answers,
}


def test_every_text_of_a_request_has_a_class_or_a_reason_for_none() -> None:
    silent = {
        path[-1].full_name
        for method in contract.methods()
        for path in contract.texts(method.input_type)
        if not contract.class_of(path)
    }
    fields = {
        path[-1].full_name: path[-1]
        for method in contract.methods()
        for path in contract.texts(method.input_type)
    }
    unexplained = {
        name for name in silent if not any(why(fields[name]) for why in REASONS.values())
    }
    assert unexplained == set()
    assert all(any(why(fields[name]) for name in silent) for why in REASONS.values())


def test_bytes_without_a_class_are_in_no_request() -> None:
    wrong = {
        contract.name_of(method, path)
        for method in contract.methods()
        for path in contract.texts(method.input_type)
        if path[-1].type == FieldDescriptor.TYPE_BYTES and not contract.class_of(path)
    }
    assert wrong == set()


def test_what_is_told_is_told_by_its_class() -> None:
    answer = api_key_service_pb2.CreateApiKeyResponse(secret="s3cret")
    answer.api_key.display_name = "mine"
    answer.api_key.allowed_models.append("gpt-image-2")
    assert {text for _, text in contract.classed(answer) if text} == {b"s3cret", b"mine"}
    hooks = webhook_service_pb2.ListWebhookEndpointsResponse()
    hooks.webhook_endpoints.add(uri="https://a.example")
    assert b"https://a.example" in {text for _, text in contract.classed(hooks)}


async def test_pages_are_among_the_routes_and_their_forms_are_filled_in() -> None:
    paths = {path for _, path in routes.routes()}
    assert {*routes.page_paths(), "/auth/{provider}/callback", "/webhooks/resend"} <= paths
    page = (
        '<form method="post" action="/sign-in"><input type="hidden" name="csrf_token" value="abc">'
        '<label>E-mail\n<input type="email" name="email" value=""\n  required></label></form>'
    )
    canaries = Canaries()
    [form] = routes.forms(Maker(canaries, ""), page, "http://a.example", "x=y")
    assert (form.method, form.path) == ("POST", "/sign-in?")
    assert form.content.startswith(b"csrf_token=abc&email=")
    assert form.headers["cookie"] == "x=y"
    assert canaries.where(canaries.words_in(form.content)) <= set(canaries.fields.values())


async def test_words_of_others_are_strange_unless_in_a_field_of_their_class() -> None:
    canaries = Canaries()
    async with aio.insecure_channel("127.0.0.1:1") as channel:
        walker = Walker(channel, Callers("a key"), canaries)
    [method] = [each for each in contract.methods() if each.name == "ListApiKeys"]
    name = canaries.plant("ApiKeyService.CreateApiKey: api_key.display_name")
    prompt = canaries.plant("GenerationService.Generate: start.spec.parameters.prompt")

    def strange(**fields: str) -> set[str]:
        answer = api_key_service_pb2.ListApiKeysResponse()
        answer.api_keys.add(**fields)
        return walker._strange(method, answer.SerializeToString(), set())

    assert strange(display_name=name) == set()
    assert strange(key_hint=name) == {name}
    assert strange(display_name=prompt) == {prompt}


def test_a_file_is_searched_across_the_borders_of_its_pieces_and_only_if_it_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.proof.search._PIECE", 64)
    canaries = Canaries()
    word = canaries.plant("prompt")
    for shift in range(64):
        (tmp_path / "log").write_text("x" * (128 + shift) + word.encode().hex(" ") + "y" * 100)
        found = Search(canaries)
        found.files("log", tmp_path)
        assert {item.sink for item in found.findings} == {"log"}, shift
    os.utime(tmp_path / "log", (1, 1))
    old = Search(canaries)
    old.files("log", tmp_path, since=2.0)
    assert (old.findings, old.items["log"]) == (set(), 1), "its name"


def test_what_is_found_in_a_row_is_named_by_its_column() -> None:
    canaries = Canaries()
    word = canaries.plant("prompt")
    found = Search(canaries)
    found._row("mail", ["mail_id", "kind"], f"1\tx{word}\n".encode())
    assert found.found() == [Finding("row", "mail.kind", "prompt")]
