"""Deleting gives a receipt that anybody can check, and that says what the bucket said."""

import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core.keyring import Keyring
from core.signing import Signer
from reapi.v1 import billing_service_pb2 as billing
from reapi.v1 import billing_service_pb2_grpc as billing_rpc
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import METADATA
from tests.generating import SECONDS, generate, start


async def made(channel):
    events = await generate(channel, start(detached=True))
    return events[-1].completed.generation


async def deleted(channel, name):
    stub = rpc.GenerationServiceStub(channel)
    request = pb.DeleteGenerationRequest(name=name)
    return await stub.DeleteGeneration(request, metadata=METADATA, timeout=SECONDS)


async def key_of(channel, receipt):
    stub = billing_rpc.BillingServiceStub(channel)
    answer = await stub.ListLedgerKeys(billing.ListLedgerKeysRequest(), timeout=SECONDS)
    (key,) = [key for key in answer.ledger_keys if key.name == receipt.ledger_key]
    return Ed25519PublicKey.from_public_bytes(key.public_key)


async def test_a_receipt_is_checked_with_a_key_that_everybody_can_have(channel, core):
    generation = await made(channel)
    answer = await deleted(channel, generation.name)
    receipt, (asset,) = answer.receipt, generation.assets
    key = await key_of(channel, receipt)
    key.verify(receipt.signature, receipt.signed_payload)

    assert answer.deleted_asset_count == 1
    assert receipt.generation == generation.name
    assert [(item.sha256, item.size_bytes, item.gone) for item in receipt.outputs] == [
        (asset.sha256, asset.size_bytes, True)
    ]
    facts = json.loads(receipt.signed_payload)
    assert facts["generation"] == generation.name
    assert facts["outputs"][0]["sha256"] == asset.sha256.hex()
    assert facts["outputs"][0]["gone"] is True
    with pytest.raises(InvalidSignature):
        key.verify(receipt.signature, receipt.signed_payload.replace(b"true", b"null"))


async def test_what_the_bucket_did_not_delete_is_not_said_to_be_gone(channel, core, monkeypatch):
    generation = await made(channel)

    async def away(_name):
        raise OSError

    monkeypatch.setattr(core.store, "delete", away)
    answer = await deleted(channel, generation.name)

    assert answer.deleted_asset_count == 0
    assert [item.gone for item in answer.receipt.outputs] == [False]
    assert json.loads(answer.receipt.signed_payload)["outputs"][0]["gone"] is False


def test_an_older_key_is_still_listed_after_a_rotation():
    old, new = b"o" * 32, b"n" * 32
    before = Signer(Keyring((old,))).sign(b"x")
    after = Signer(Keyring((new, old)))

    (key,) = [key for key in after.public_keys if key.id == before.key_id]
    Ed25519PublicKey.from_public_bytes(key.raw).verify(before.value, b"x")
    assert after.sign(b"x").key_id != before.key_id
