"""Every RPC has somebody who may call it, written down: by scope, by role, or anybody."""

import re
from pathlib import Path
from uuid import uuid4

import pytest

from accounts.granting import Scope
from accounts.roles import SCOPES as OF_ROLE
from accounts.roles import Role
from core.caller import Caller
from core.errors import GatewayError, Reason
from core.permissions import NEEDED, OPEN, OPTIONAL, WHILE_SUSPENDED, WHOSE, Whose, permit
from core.services.key_words import SCOPES
from core.services.register import SERVICES
from reapi.v1 import api_key_service_pb2

PROTOS = Path(__file__).parents[2] / "proto" / "reapi" / "v1"
NOT_BY_KEY = {"AccountService", "AdminService"}
"""For people who signed in, and for the operator."""
_RPC = re.compile(r"((?:  //[^\n]*\n)+)  rpc (\w+)\(")
STARTS = {
    "/reapi.v1.GenerationService/Generate",
    "/reapi.v1.GenerationService/CreateGeneration",
    "/reapi.v1.ChatService/Complete",
}


def methods_of(name):
    service = SERVICES[name]
    return {f"/{service.full_name}/{method.name}" for method in service.methods}


def comments():
    """What the contract says of each RPC, by full method."""
    found = {}
    for path in PROTOS.glob("*_service.proto"):
        text = path.read_text()
        service = re.search(r"^service (\w+)", text, re.MULTILINE)[1]
        for comment, method in _RPC.findall(text):
            words = " ".join(comment.replace("//", " ").split())
            found[f"/reapi.v1.{service}/{method}"] = words
    return found


def person(role, **fields):
    return Caller(uuid4(), uuid4(), user_id=uuid4(), session_id=uuid4(), role=role, **fields)


def reason_of(method, caller):
    try:
        permit(method, caller)
    except GatewayError as error:
        return error.reason, error.metadata.get("permission")
    return None


def test_every_rpc_of_keys_needs_a_scope_or_says_that_it_needs_none():
    methods = set().union(*(methods_of(name) for name in SERVICES if name not in NOT_BY_KEY))

    assert set(NEEDED) == methods - OPEN


def test_every_rpc_of_accounts_says_whose_it_is():
    assert set(WHOSE) == methods_of("AccountService")


def test_what_is_open_is_what_the_contract_says_needs_no_credential():
    told = comments()
    assert set(told) == set().union(*(methods_of(name) for name in SERVICES))
    open_ = {
        method
        for method, words in told.items()
        if re.search(
            r"needs no credential|needs a session only|without a credential", words, re.IGNORECASE
        )
    }

    assert {method for method in OPEN if method.startswith("/reapi.")} == open_
    optional = {method for method, words in told.items() if "needs a session only" in words}
    # What BeginOAuth began for a session, FinishOAuth finishes for the same one.
    assert optional | {"/reapi.v1.AccountService/FinishOAuth"} == OPTIONAL
    assert OPTIONAL < OPEN


def test_every_scope_of_the_contract_has_a_word_of_ours():
    numbers = set(api_key_service_pb2.ApiKey.Scope.values())

    assert {int(number) for number in SCOPES.values()} == numbers - {0}
    assert set(SCOPES) == set(Scope)


def test_a_key_does_what_its_scopes_say_and_no_more():
    caller = Caller(uuid4(), uuid4(), scopes=frozenset({"read_billing"}))

    permit("/reapi.v1.BillingService/GetBalance", caller)
    permit("/reapi.v1.ModelService/ListModels", caller)
    for method in ("BillingService/CreateBudget", "GenerationService/Generate", "Other/New"):
        with pytest.raises(GatewayError) as refused:
            permit(f"/reapi.v1.{method}", caller)
        assert refused.value.reason is Reason.PERMISSION_DENIED


def test_a_test_key_manages_no_webhook_endpoints_whatever_its_scopes():
    for scopes in (frozenset(), frozenset(Scope)):
        caller = Caller(uuid4(), uuid4(), sandbox=True, scopes=scopes)
        for method, scope in NEEDED.items():
            if scope is Scope.MANAGE_WEBHOOKS:
                with pytest.raises(GatewayError) as caught:
                    permit(method, caller)
                assert caught.value.reason is Reason.PERMISSION_DENIED
            else:
                permit(method, caller)


def test_a_key_without_scopes_does_everything_that_keys_do():
    for method in NEEDED:
        permit(method, Caller(uuid4(), uuid4()))


@pytest.mark.parametrize("scopes", [frozenset(), frozenset(Scope), frozenset({"generate"})])
def test_of_people_a_key_does_nothing_but_read_its_account(scopes):
    caller = Caller(uuid4(), uuid4(), scopes=scopes)
    for method, whose in WHOSE.items():
        if method.endswith("/GetAccount"):
            assert reason_of(method, caller) is None
        elif whose is not Whose.ANYBODY or method in OPTIONAL:
            assert reason_of(method, caller) == (Reason.PERMISSION_DENIED, "session")


@pytest.mark.parametrize("role", Role)
def test_a_person_does_what_the_role_says_and_no_more(role):
    caller = person(role)
    for method, scope in NEEDED.items():
        if method in STARTS:
            expected = (Reason.PERMISSION_DENIED, "api_key")
        elif scope is None or scope in OF_ROLE[role]:
            expected = None
        else:
            expected = (Reason.PERMISSION_DENIED, scope)
        assert reason_of(method, caller) == expected, method
    for method, whose in WHOSE.items():
        may = {
            Whose.ANYBODY: True,
            Whose.MEMBER: True,
            Whose.GOVERN: role in {Role.OWNER, Role.ADMIN},
            Whose.OWNER: role is Role.OWNER,
        }[whose]
        if whose is not Whose.ANYBODY:
            assert (reason_of(method, caller) is None) is may, method


def test_what_no_table_knows_nobody_may():
    for caller in (person(Role.OWNER), Caller(uuid4(), uuid4(), scopes=frozenset(Scope))):
        assert reason_of("/reapi.v1.NewService/New", caller)[0] is Reason.PERMISSION_DENIED


def test_in_a_suspended_account_people_only_leave_and_take_what_is_theirs():
    caller = person(Role.OWNER, suspended=True)
    for method in {*NEEDED, *WHOSE} - OPEN | OPTIONAL:
        found = reason_of(method, caller)
        if method in WHILE_SUSPENDED:
            assert found is None, method
        else:
            assert found is not None, method
            assert found[0] is Reason.ACCOUNT_SUSPENDED, method
    assert {method.rpartition("/")[2] for method in WHILE_SUSPENDED} >= {
        *("GetProfile", "SwitchAccount", "SignOut", "CreateExport", "DeleteAccount")
    }
