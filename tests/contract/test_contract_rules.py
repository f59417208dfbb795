"""The rules of the contract that buf does not know, checked by a walk over the descriptors."""

import functools
import importlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
)

PROTO_FOLDER = Path(__file__).parents[2] / "proto"

# Bidirectional and byte streams cannot be transcoded; chat is served by the hand-written OpenAI
# dialect; the ingest calls take raw bodies that the bridge must not reinterpret.
RPCS_WITHOUT_HTTP = {
    "GenerationService.Generate",
    "GenerationService.AbandonGeneration",
    "GenerationService.ReadAsset",
    "ChatService.Complete",
    "AccountService.IngestMailEvent",
    "BillingService.IngestStripeEvent",
    "WebhookService.IngestProviderCallback",
}

# reAPI's own dialect, written by hand in the bridge; every method of these paths is taken.
HAND_WRITTEN_PATHS = {
    "/api/v1/images/generations",
    "/api/v1/videos/generations",
    "/api/v1/audio/generations",
    "/api/v1/tasks",
    "/api/v1/tasks/*",
    "/api/v1/tasks/*/trace",
    "/api/v1/quotes",
}

# Bytes that say nothing about content: digests, signatures and public keys.
PUBLIC_BYTES = {
    "reapi.v1.Asset.sha256",
    "reapi.v1.DeletedOutput.sha256",
    "reapi.v1.DeletionReceipt.signature",
    "reapi.v1.DeletionReceipt.signed_payload",
    "reapi.v1.Export.sha256",
    "reapi.v1.LedgerEntry.chain_sha256",
    "reapi.v1.LedgerKey.public_key",
    "reapi.v1.LedgerSeal.chain_sha256",
    "reapi.v1.LedgerSeal.signature",
    "reapi.v1.Receipt.signature",
    "reapi.v1.Receipt.signed_payload",
}

# Changes that need no request_id: doing them twice is doing them once, they change nothing, or
# the caller has no account yet and brings a token that works once.
CHANGES_WITHOUT_REQUEST_ID = {
    "AccountService.BeginOAuth",
    "AccountService.FinishOAuth",
    "AccountService.RequestPasswordReset",
    "AccountService.ResetPassword",
    "AccountService.SendContactMessage",
    "AccountService.SignIn",
    "AccountService.SignUp",
    "AccountService.Unsubscribe",
    "AccountService.VerifyEmail",
    "GenerationService.CancelGeneration",
    "GenerationService.DeleteGeneration",
    "GenerationService.QuoteGeneration",
}

# The shapes that programs outside this repository rely on.
STABLE_FIELDS = {
    "GetBalanceResponse": {"credits": "string", "held": "string"},
    "CreateAccountResponse": {"id": "string", "api_key": "string"},
    "GrantCreditsRequest": {"id": "string", "credits": "string", "request_id": "string"},
    "GrantCreditsResponse": {"balance": "string"},
}

SCALARS = {FieldDescriptor.TYPE_STRING: "string", FieldDescriptor.TYPE_BYTES: "bytes"}

VARIABLE = re.compile(r"\{([a-z0-9_.]+)(?:=([^{}]+))?\}")


@functools.cache
def files() -> tuple[FileDescriptor, ...]:
    """Load every generated file of the contract; a .proto without generated code is an error."""
    sources = sorted((PROTO_FOLDER / "reapi" / "v1").glob("*.proto"))
    names = [f"reapi.v1.{source.stem}_pb2" for source in sources]
    return tuple(importlib.import_module(name).DESCRIPTOR for name in names)


def messages() -> Iterator[Descriptor]:
    pending = [m for file in files() for m in file.message_types_by_name.values()]
    while pending:
        message = pending.pop()
        if not message.GetOptions().map_entry:
            yield message
            pending.extend(message.nested_types)


def enums() -> Iterator[EnumDescriptor]:
    for file in files():
        yield from file.enum_types_by_name.values()
    for message in messages():
        yield from message.enum_types


def fields() -> list[FieldDescriptor]:
    return [field for message in messages() for field in message.fields]


def methods() -> list[MethodDescriptor]:
    services = (s for file in files() for s in file.services_by_name.values())
    return [method for service in services for method in service.methods]


def rpc_name(method: MethodDescriptor) -> str:
    return f"{method.containing_service.name}.{method.name}"


def privacy_class(field: FieldDescriptor) -> int:
    extension = importlib.import_module("reapi.v1.privacy_pb2").privacy
    return int(field.GetOptions().Extensions[extension])


def bindings() -> Iterator[tuple[MethodDescriptor, str, str, str]]:
    """Yield (method, HTTP verb, path template, body) of every http annotation."""
    for method in methods():
        options = method.GetOptions()
        if not options.HasExtension(annotations_pb2.http):
            continue
        first = options.Extensions[annotations_pb2.http]
        for rule in (first, *first.additional_bindings):
            verb = rule.WhichOneof("pattern")
            yield method, verb, getattr(rule, verb), rule.body


def shape(template: str) -> tuple[tuple[str, ...], str]:
    """Split a template into its segments, with variables as `*`, and its custom verb."""
    plain = VARIABLE.sub(lambda match: match.group(2) or "*", template)
    path, _, verb = plain.partition(":")
    return tuple(path.split("/")), verb


def overlap(one: tuple[tuple[str, ...], str], other: tuple[tuple[str, ...], str]) -> bool:
    """Tell whether some URL fits both shapes. A URL with a custom verb never fits one without."""
    if one[1] != other[1] or len(one[0]) != len(other[0]):
        return False
    return all(a == b or "*" in {a, b} for a, b in zip(one[0], other[0], strict=True))


def find_field(message: Descriptor, path: str) -> FieldDescriptor | None:
    """Follow a dotted path of field names; None if it leads nowhere."""
    *parents, last = path.split(".")
    for parent in parents:
        field = message.fields_by_name.get(parent)
        if field is None or field.message_type is None:
            return None
        message = field.message_type
    return message.fields_by_name.get(last)


def test_the_contract_is_there() -> None:
    services = {s for file in files() for s in file.services_by_name}
    assert services == {
        "AccountService",
        "AdminService",
        "ApiKeyService",
        "BillingService",
        "ChatService",
        "GenerationService",
        "ModelService",
        "UsageService",
        "WebhookService",
    }


def test_every_field_says_who_sets_it() -> None:
    silent = [
        field.full_name
        for field in fields()
        if not field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    ]
    assert silent == []


def test_nothing_that_a_response_alone_holds_can_be_set_by_a_caller() -> None:
    wrong = [
        field.full_name
        for method in methods()
        for field in method.output_type.fields
        if list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])
        != [field_behavior_pb2.OUTPUT_ONLY]
    ]
    assert wrong == []


def test_a_field_has_a_privacy_class_exactly_if_it_is_redacted() -> None:
    wrong = [
        field.full_name
        for field in fields()
        if bool(privacy_class(field)) != field.GetOptions().debug_redact
    ]
    assert wrong == []


def test_bytes_have_a_privacy_class_or_say_nothing_about_content() -> None:
    unclassed = {
        field.full_name
        for field in fields()
        if field.type == FieldDescriptor.TYPE_BYTES and not privacy_class(field)
    }
    assert unclassed == PUBLIC_BYTES


@pytest.mark.parametrize(
    "name",
    [
        "email",
        "display_name",
        "password",
        "new_password",
        "current_password",
        "token",
        "secret",
        "session_token",
        "quote_token",
        "request_id",
        "prompt",
        "uri",
        "network_address",
        "bot_check_token",
    ],
)
def test_fields_of_a_telling_name_have_a_privacy_class(name: str) -> None:
    # Names of models and companies come from the operator's catalogue, not from a person.
    published = {"Model", "CreditPack", "Subprocessor"}
    found = [field for field in fields() if field.name == name]
    assert found
    plain = [field.full_name for field in found if not privacy_class(field)]
    assert [n for n in plain if n.split(".")[-2] not in published] == []


def test_enums_start_with_an_unspecified_value() -> None:
    first = [enum.values_by_number[0].name for enum in enums()]
    assert len(first) > 10
    assert [name for name in first if not name.endswith("_UNSPECIFIED")] == []


def test_no_field_is_an_untyped_struct() -> None:
    untyped = [
        field.full_name
        for field in fields()
        if field.message_type is not None
        and field.message_type.full_name
        in {
            "google.protobuf.Struct",
            "google.protobuf.Value",
            "google.protobuf.ListValue",
            "google.protobuf.Any",
        }
    ]
    assert untyped == []


def test_money_is_never_a_float() -> None:
    floats = {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}
    money = [f for f in fields() if f.name.endswith("_micros")]
    assert len(money) > 20
    assert [f.full_name for f in money if f.type != FieldDescriptor.TYPE_INT64] == []
    words = ("credit", "balance", "price", "amount", "cost", "charge")
    floating = [f for f in fields() if f.type in floats and any(w in f.name for w in words)]
    assert floating == []


def test_every_rpc_has_messages_of_its_own() -> None:
    wrong = [
        rpc_name(method)
        for method in methods()
        if method.input_type.full_name != f"reapi.v1.{method.name}Request"
        or method.output_type.full_name != f"reapi.v1.{method.name}Response"
    ]
    assert wrong == []
    names = [method.name for method in methods()]
    assert len(names) == len(set(names))


def test_every_rpc_is_transcoded_or_on_the_list() -> None:
    bound = {rpc_name(method) for method, *_ in bindings()}
    every = {rpc_name(method) for method in methods()}
    assert every - bound == RPCS_WITHOUT_HTTP


def test_no_two_bindings_fit_the_same_url() -> None:
    rules = [(rpc_name(m), verb, shape(path)) for m, verb, path, _ in bindings()]
    clashes = [
        (one[0], other[0])
        for one, other in itertools.combinations(rules, 2)
        if one[1] == other[1] and overlap(one[2], other[2])
    ]
    assert clashes == []


def test_no_binding_takes_a_path_of_the_hand_written_dialect() -> None:
    clashes = [
        (rpc_name(method), path)
        for method, _, path, _ in bindings()
        for taken in HAND_WRITTEN_PATHS
        if overlap((shape(path)[0], ""), shape(taken))
    ]
    assert clashes == []


def test_the_search_for_clashes_sees_variables_and_verbs() -> None:
    assert overlap(shape("/a/{name=b/*}"), shape("/a/b/{id}"))
    assert overlap(shape("/a/b"), shape("/a/{id}"))
    assert not overlap(shape("/a/{id}"), shape("/a/{id}:cancel"))
    assert not overlap(shape("/a/{id}:watch"), shape("/a/{id}:cancel"))
    assert not overlap(shape("/a/{name=b/*}"), shape("/a/{name=c/*}"))
    assert not overlap(shape("/a/b"), shape("/a/b/{id}"))


def test_bindings_name_fields_that_exist() -> None:
    wrong = []
    for method, verb, path, body in bindings():
        variables = [match.group(1) for match in VARIABLE.finditer(path)]
        for variable in variables:
            field = find_field(method.input_type, variable)
            if field is None or field.type != FieldDescriptor.TYPE_STRING:
                wrong.append((rpc_name(method), variable))
        if body not in {"", "*"} and body not in method.input_type.fields_by_name:
            wrong.append((rpc_name(method), body))
        if verb in {"get", "delete"} and body:
            wrong.append((rpc_name(method), f"{verb} with a body"))
        if not path.startswith("/api/v1/"):
            wrong.append((rpc_name(method), path))
    assert wrong == []


def test_no_content_is_sent_in_a_url() -> None:
    body = importlib.import_module("reapi.v1.privacy_pb2").PRIVACY_CLASS_BODY
    wrong = [
        (rpc_name(method), field.name)
        for method, _, _, whole in bindings()
        if whole != "*"
        for field in method.input_type.fields
        if field.name != whole and privacy_class(field) == body
    ]
    assert wrong == []


def test_the_operators_calls_and_no_others_are_under_admin() -> None:
    admin = {rpc_name(m) for m, _, path, _ in bindings() if path.startswith("/api/v1/admin/")}
    operator = {rpc_name(m) for m in methods() if m.containing_service.name == "AdminService"}
    assert admin == operator


def test_lists_come_in_pages() -> None:
    listing = [m for m in methods() if m.name.startswith(("List", "Summarize"))]
    assert len(listing) > 10
    wrong = []
    for method in listing:
        request, response = method.input_type.fields_by_name, method.output_type.fields_by_name
        paged = {"page_size", "page_token"} <= set(request) and "next_page_token" in response
        if not paged or not method.output_type.fields_by_number[1].is_repeated:
            wrong.append(rpc_name(method))
    assert wrong == []


def has_request_id(message: Descriptor) -> bool:
    """Look in the request and in the GenerationSpec that it may carry."""
    if "request_id" in message.fields_by_name:
        return True
    return find_field(message, "spec.request_id") is not None


def test_changes_can_be_repeated_safely() -> None:
    changes = {rpc_name(m): m.input_type for m, verb, *_ in bindings() if verb != "get"}
    bare = {name for name, request in changes.items() if not has_request_id(request)}
    assert bare <= CHANGES_WITHOUT_REQUEST_ID
    assert set(changes) >= CHANGES_WITHOUT_REQUEST_ID


@pytest.mark.parametrize("name", STABLE_FIELDS)
def test_shapes_that_outside_programs_rely_on_stay(name: str) -> None:
    message = next(m for m in messages() if m.name == name)
    assert {f.name: SCALARS[f.type] for f in message.fields} == STABLE_FIELDS[name]
