"""Every RPC that a key may call needs a scope that is written down."""

from uuid import uuid4

import pytest

from accounts.granting import Scope
from core.caller import Caller
from core.errors import GatewayError, Reason
from core.interceptors import _OPEN
from core.permissions import NEEDED, permit
from core.services.key_words import SCOPES
from core.services.register import SERVICES
from reapi.v1 import api_key_service_pb2

NOT_BY_KEY = {"AccountService", "AdminService"}
"""For people who signed in, and for the operator."""


def test_every_rpc_of_keys_needs_a_scope_or_says_that_it_needs_none():
    methods = {
        f"/{service.full_name}/{method.name}"
        for service in SERVICES.values()
        if service.name not in NOT_BY_KEY
        for method in service.methods
    }

    assert set(NEEDED) == methods - _OPEN


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


def test_a_key_without_scopes_does_everything():
    for method in NEEDED:
        permit(method, Caller(uuid4(), uuid4()))
