"""What is particular to Replicate: paths, marks, errors of calls and of predictions."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Kind
from core.providers.jobs import Broken, Working
from core.providers.replicate import Replicate
from core.providers.wire import Reply
from tests.providers.tapes_replicate import ASK, FIELDS, ID, MARK, SEED, page, prediction, told

REPLICATE = Replicate()
CHANNEL = Channel(
    "replicate",
    "replicate",
    "google/veo-3.1",
    "https://api.replicate.com/v1",
    Secret("k"),
    fields=FIELDS,
)
CREDIT = {"title": "Insufficient credit", "detail": "You have insufficient credit", "status": 402}


def reply(status: int, body: bytes, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, CIMultiDict(named), Body(body), 0.0)


def sent(ask: Ask, callback_url: str = "") -> dict[str, Any]:
    body = REPLICATE.submit(ask, CHANNEL, MARK, callback_url).body
    assert isinstance(body, Body)
    found = orjson.loads(body.reveal())
    assert isinstance(found, dict)
    return found


def refusal(status: int, body: object, **headers: str) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        REPLICATE.submitted(reply(status, orjson.dumps(body), **headers), ASK)
    return caught.value


def test_a_prediction_is_made_of_the_model_and_told_of_its_end_only() -> None:
    call = REPLICATE.submit(ASK, CHANNEL, MARK)

    assert call.path == "/models/google/veo-3.1/predictions"
    assert sent(ASK) == {"input": {"prompt": "a red fox runs", "seed": SEED}}
    assert sent(ASK, "https://us.example/c") == {
        "input": {"prompt": "a red fox runs", "seed": SEED},
        "webhook": "https://us.example/c",
        "webhook_events_filter": ["completed"],
    }


def test_the_mark_is_the_seed_unless_the_caller_chose_one() -> None:
    chosen = replace(ASK, parameters={"seed": 7})

    assert sent(chosen)["input"]["seed"] == 7
    assert [REPLICATE.marks(ask, CHANNEL) for ask in (ASK, chosen)] == [True, False]
    assert not REPLICATE.marks(ASK, replace(CHANNEL, fields={}))
    assert REPLICATE.find(replace(CHANNEL, fields={}), 1) is None
    assert REPLICATE.find(CHANNEL, 2) is None


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, {"title": "Unauthenticated", "detail": "no token", "status": 401}, Fault.AUTH),
        (402, CREDIT, Fault.QUOTA),
        (404, {"detail": "The requested resource could not be found."}, Fault.NOT_FOUND),
        (422, {"title": "Input validation failed", "detail": "- input"}, Fault.BAD_REQUEST),
        (500, {"detail": "Internal server error"}, Fault.SERVER_ERROR),
        (422, [], Fault.INVALID_RESPONSE),
    ],
)
def test_a_status_has_a_meaning(status: int, body: object, fault: Fault) -> None:
    assert refusal(status, body).fault is fault


def test_nobody_is_asked_to_pay_our_bill() -> None:
    assert refusal(402, CREDIT).detail is None


def test_a_throttled_call_says_how_long_to_wait() -> None:
    error = refusal(429, {"detail": "Request was throttled.", "retry_after": 5}, Retry_After="5")

    assert (error.fault, error.retry_after) == (Fault.RATE_LIMITED, 5.0)


@pytest.mark.parametrize(
    ("field", "parameter"),
    [("input.prompt", "prompt"), ("input.duration", "duration"), ("input.secret", "")],
)
def test_a_refusal_names_our_parameter(field: str, parameter: str) -> None:
    ask = Ask("m", Kind.VIDEO, Body("fox"), parameters={"duration": 4})
    body = orjson.dumps({"detail": "- input", "invalid_fields": [{"field": field}]})

    with pytest.raises(UpstreamError) as caught:
        REPLICATE.submitted(reply(422, body), ask)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("flagged as sensitive. (E005)", Fault.CONTENT_POLICY),
        ("NSFW content detected", Fault.CONTENT_POLICY),
        ("The input was invalid. (E006)", Fault.BAD_REQUEST),
        ("Unavailable due to high demand (E003)", Fault.OVERLOADED),
        ("Prediction interrupted; please retry (code: PA)", Fault.SERVER_ERROR),
    ],
)
def test_a_failed_prediction_is_understood_by_its_sentence(sentence: str, fault: Fault) -> None:
    state = REPLICATE.state(reply(200, told("failed", error=sentence)), CHANNEL)

    assert isinstance(state, Broken)
    assert state.error.fault is fault


def test_a_cancellation_holds_once_the_prediction_says_so() -> None:
    for status, is_cancelled in (("canceled", True), ("aborted", True), ("processing", False)):
        assert REPLICATE.cancelled(reply(200, told(status))) is is_cancelled
    call = REPLICATE.cancel(ID, CHANNEL, Working())
    assert call is not None
    assert (call.method, call.path) == ("POST", f"/predictions/{ID}/cancel")


@pytest.mark.parametrize("created_at", [None, 5, "", "yesterday"])
def test_a_page_that_does_not_say_when_proves_nothing(created_at: object) -> None:
    with pytest.raises(UpstreamError):
        REPLICATE.found(reply(200, page(prediction("starting", created_at=created_at))), MARK)
