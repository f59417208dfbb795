"""A receipt says the same in its fields and in what is signed, and nobody else can write it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from billing.chain_sql import Movement
from billing.ledger import Transfer
from billing.pricing import PriceLine
from core.engine.records import AttemptRecord, Generation
from core.errors import Fault
from core.model import AttemptState, GenerationState, Kind, Usage
from core.services.receipts import lines_of, signed_receipt
from core.signing import verifier
from tests.ledgers import PUBLIC, SIGNER

NOW = datetime(2026, 11, 22, 9, 0, 0, 123, UTC)
ACCOUNT, HOLD = uuid4(), uuid4()
LINE = PriceLine("image", 2_000, 20_000, 40_000, {"quality": "high"})


def generation(**changes: object) -> Generation:
    made = Generation(
        id=UUID(int=7),
        account_id=ACCOUNT,
        key_id=uuid4(),
        hold_id=HOLD,
        owner_epoch=1,
        model="gpt-image-2",
        kind=Kind.IMAGE,
        state=GenerationState.SUCCEEDED,
        catalogue_version="c0ffee",
        endpoint="/v1/images/generations",
        request_id="req_1",
        requested_count=2,
        quoted_micros=40_000,
        sandbox=False,
        created_at=NOW,
        deadline_at=None,
        finished_at=NOW,
        cancel_requested_at=None,
        orphaned_at=None,
        claimed_at=None,
        reason=None,
        metadata={},
        channel="b",
        attempt_count=2,
        delivered_count=1,
        charged_micros=20_000,
        usage=Usage(10, 0, 4_000, None),
        size="1024x1024",
        quality="high",
        background="opaque",
        output_format="png",
        price_lines=(LINE,),
        quote_id=UUID(int=9),
    )
    return replace(made, **changes)


ATTEMPTS = [
    AttemptRecord(1, "a", uuid4(), AttemptState.FAILED, Fault.SERVER_ERROR, ended_ms=40),
    AttemptRecord(2, "b", uuid4(), AttemptState.DONE, started_ms=41, ended_ms=90),
]
MOVEMENTS = [
    Movement(100_000, NOW, Transfer(ACCOUNT, HOLD, "hold", 40_000)),
    Movement(None, NOW, Transfer(ACCOUNT, uuid4(), "settle", 20_000, HOLD, 40_000)),
]


def test_the_fields_are_what_is_signed() -> None:
    made = signed_receipt(SIGNER, generation(), ATTEMPTS, MOVEMENTS, NOW)
    facts = json.loads(made.signed_payload)

    assert facts["quote_id"] == made.quote_id == UUID(int=9).hex
    assert facts["charged_micros"] == made.charged_micros == 20_000
    (line,) = facts["price_lines"]
    told = made.price_lines[0]
    assert line == {
        "unit": told.unit,
        "quantity_milli": told.quantity_milli,
        "unit_micros": told.unit_micros,
        "per": told.per,
        "amount_micros": told.amount_micros,
        "conditions": dict(told.conditions),
    }
    assert (line["quantity_milli"], line["amount_micros"]) == (1_000, 20_000)
    failed, done = facts["attempts"]
    assert (failed["fault"], failed["upstream_usage"]) == ("server_error", None)
    assert done["upstream_usage"]["output_tokens"] == 4_000
    assert made.attempts[1].upstream_usage.output_tokens == 4_000
    assert not made.attempts[0].HasField("upstream_usage")
    assert [item["kind"] for item in facts["transactions"]] == ["hold", "settle"]
    assert [item.held_micros for item in made.transactions] == [40_000, -40_000]
    assert made.transactions[1].posted_micros == -20_000
    issued = Timestamp()
    issued.FromJsonString(facts["issue_time"].replace("+00:00", "Z"))
    assert issued == made.issue_time
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text.encode() == made.signed_payload


def test_what_failed_was_paid_nothing_for() -> None:
    item = generation(state=GenerationState.FAILED, charged_micros=0, usage=None)
    made = signed_receipt(SIGNER, item, ATTEMPTS[:1], MOVEMENTS[:1], NOW)
    assert (made.charged_micros, list(made.price_lines)) == (0, [])


def test_a_charge_without_noted_prices_has_one_line() -> None:
    (line,) = lines_of(generation(price_lines=()))
    assert (line.unit, line.amount_micros) == ("generation", 20_000)


@given(st.data())
def test_any_change_of_a_receipt_is_found(data: st.DataObject) -> None:
    made = signed_receipt(SIGNER, generation(), ATTEMPTS, MOVEMENTS, NOW)
    name = made.ledger_key.removeprefix("ledger_keys/")
    good = verifier(PUBLIC)
    assert good(name, made.signature, made.signed_payload)

    part = data.draw(st.sampled_from(["signed_payload", "signature"]))
    value = bytearray(getattr(made, part))
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    setattr(made, part, bytes(value))

    assert not good(name, made.signature, made.signed_payload)
    assert not good("0" * 16, made.signature, made.signed_payload)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        verifier([b"short"])
