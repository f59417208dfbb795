"""The one table of errors, and what callers are told about each reason."""

import asyncio
import re
from pathlib import Path

import grpc
import openai
import orjson
import pytest

from reapi.v1 import error_reason_pb2
from rest_bridge import image_requests
from rest_bridge.errors import MESSAGES, RENDERINGS, ApiError
from rest_bridge.headers import credits_text, duration
from rest_bridge.rpc_errors import from_status
from tests.bridge.scripted_core import WAIT, FakeCore, RpcStatus, accepted, failed, status
from tests.fix_bridge import Bridge

URL = "/v1/images/generations"
ASK = {"model": "gpt-image-2", "prompt": "a red square"}
REASONS = [
    name.removeprefix("ERROR_REASON_")
    for name in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118
]


def test_every_reason_of_the_contract_has_a_row_and_a_message() -> None:
    assert set(RENDERINGS) == set(REASONS)
    assert set(MESSAGES) == set(REASONS)


def test_a_retryable_status_is_marked_where_a_retry_cannot_help() -> None:
    """SDKs retry 408, 409, 429 and 5xx: the rest of these would only waste calls or money."""
    marked = {name for name, row in RENDERINGS.items() if row.should_retry is False}

    assert marked == {
        "INSUFFICIENT_CREDITS",
        "BUDGET_EXCEEDED",
        "ACCOUNT_IN_DEBT",
        "CONFLICT",
        "RESULT_NOT_RETAINED",
        "STILL_RUNNING",
        "DEADLINE_EXCEEDED",
        "CANCELLED",
    }
    assert all(name in marked for name, row in RENDERINGS.items() if row.status == 409)


async def test_every_reason_becomes_an_openai_error_before_and_after_acceptance(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    for reason in REASONS:
        row = RENDERINGS[reason]
        fake_core.refusal = status(reason, "Our words.", parameter="output_count")
        before = await bridge.http.post(URL, json=ASK)
        fake_core.refusal = None
        fake_core.script = [accepted(), failed(status(reason, "Our words."))]
        after = await bridge.http.post(URL, json=ASK)

        assert before.status_code == after.status_code == row.status, reason
        assert before.json()["error"] == {
            "message": "Our words.",
            "type": row.type,
            "param": "n",
            "code": row.code,
        }
        assert set(after.json()["error"]) == {"message", "type", "param", "code"}
        for answer in (before, after):
            assert answer.headers["content-type"] == "application/json"
            assert ("retry-after" in answer.headers) == row.retry_after
            assert ("x-should-retry" in answer.headers) == (row.should_retry is not None)
            assert answer.headers["x-request-id"].startswith("req_")


SDK_CLASSES = {
    "API_KEY_INVALID": openai.AuthenticationError,
    "PERMISSION_DENIED": openai.PermissionDeniedError,
    "MODEL_NOT_FOUND": openai.NotFoundError,
    "IDEMPOTENCY_MISMATCH": openai.UnprocessableEntityError,
    "INSUFFICIENT_CREDITS": openai.RateLimitError,
    "RESULT_NOT_RETAINED": openai.ConflictError,
    "INVALID_PARAMETER": openai.BadRequestError,
    "UPSTREAM_ERROR": openai.InternalServerError,
}


async def test_the_sdk_raises_its_own_class_with_code_and_message(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    for reason, kind in SDK_CLASSES.items():
        fake_core.refusal = status(reason, "Our words.")

        with pytest.raises(kind) as caught:
            await bridge.openai.images.generate(**ASK)

        assert caught.value.code == RENDERINGS[reason].code
        assert "Our words." in str(caught.value)


async def test_an_unknown_model_is_named_model_like_openai_does(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.refusal = status("MODEL_NOT_FOUND", "The model `x` does not exist.")

    error = (await bridge.http.post(URL, json=ASK)).json()["error"]

    assert (error["code"], error["param"]) == ("model_not_found", "model")


async def test_the_sdk_retries_overload_and_not_an_empty_balance(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    client = bridge.openai.with_options(max_retries=1)
    fake_core.refusal = status("INSUFFICIENT_CREDITS", "No credits.")
    with pytest.raises(openai.RateLimitError):
        await client.images.generate(**ASK)
    assert len(fake_core.calls) == 1

    fake_core.refusal = status("REQUEST_NOT_RETAINED")
    with pytest.raises(openai.InternalServerError):
        await client.images.generate(**ASK)
    assert len(fake_core.calls) == 3


async def test_a_rate_limit_says_when_to_come_back(bridge: Bridge, fake_core: FakeCore) -> None:
    fake_core.refusal = status(
        "RATE_LIMIT_EXCEEDED", "Slow down.", retry=1.2, limit="60", remaining="0", reset_ms="1200"
    )

    answer = await bridge.http.post(URL, json=ASK)

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["x-ratelimit-limit-requests"] == "60"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert answer.headers["x-ratelimit-reset-requests"] == "1.2s"


STATUS_OF_CODE = {
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.CANCELLED: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.UNIMPLEMENTED: 404,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.DATA_LOSS: 500,
}


async def test_grpc_never_speaks_to_the_caller(bridge: Bridge, fake_core: FakeCore) -> None:
    for code, expected in STATUS_OF_CODE.items():
        fake_core.script = [code]

        answer = await bridge.http.post(URL, json=ASK)

        assert answer.status_code == expected
        assert "words of gRPC" not in answer.text


async def test_a_core_that_is_away_is_called_so_and_asked_again(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    """Nobody is overloaded: what looks so on a dashboard would be looked for in vain."""
    fake_core.script = [grpc.StatusCode.UNAVAILABLE]

    answer = await bridge.http.post(URL, json=ASK)

    assert answer.status_code == 503
    assert answer.json()["error"]["message"] == "The gateway's core cannot be reached; try again."
    assert answer.headers["retry-after"] == "1"


def test_a_status_of_another_domain_is_an_internal_error() -> None:
    assert from_status(RpcStatus(code=3, message="secret text")).reason == "INTERNAL"
    strange = status("NO_SUCH_REASON", "kept")
    assert from_status(strange).rendering.status == 500


async def test_a_bad_key_beats_a_bad_body_and_the_body_is_never_asked_for(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    wire = await dial(bridge.port)
    head = (
        f"POST {URL} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\n"
        "content-type: text/plain\r\ncontent-length: 900\r\nexpect: 100-continue\r\n\r\n"
    )

    await wire.send(head.encode())
    answer = await wire.answer()

    assert answer.status == 401  # and not "100 Continue"
    assert answer.headers["connection"] == "close"
    assert orjson.loads(answer.body)["error"]["code"] == "invalid_api_key"
    assert fake_core.calls == []


async def test_an_overloaded_core_refuses_before_the_body_is_sent(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    fake_core.refusal = status("OVERLOADED", "Busy.", retry=3)
    wire = await dial(bridge.port)

    await wire.post(URL, b"", "expect: 100-continue", length=900)
    answer = await wire.answer()

    assert (answer.status, answer.headers["retry-after"]) == (503, "3")


@pytest.mark.parametrize("body", [{}, {"model": 1}])
async def test_a_bad_key_wins_over_a_body_that_is_wrong(bridge: Bridge, body: object) -> None:
    answer = await bridge.http.post(URL, json=body, headers={"authorization": "Bearer wrong"})

    assert answer.status_code == 401


async def test_a_refusal_wins_over_a_body_that_is_wrong_and_was_read_before_it(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    fake_core.admit.clear()
    fake_core.refusal = status("OVERLOADED", "Too busy.")
    asking = asyncio.ensure_future(bridge.http.post(URL, json={}))
    await fake_core.called()

    fake_core.admit.set()

    assert (await asking).status_code == 503


async def test_a_body_that_is_here_is_not_read_before_the_admission(
    bridge: Bridge, fake_core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    parse = image_requests.parse_object
    monkeypatch.setattr(image_requests, "parse_object", lambda body: read.append(1) or parse(body))
    fake_core.admit.clear()
    asking = asyncio.ensure_future(bridge.http.post(URL, json=ASK))
    await fake_core.called()
    assert (await bridge.http.get("/healthz")).status_code == 200  # it had time enough
    assert read == []

    fake_core.admit.set()

    assert (await asking).status_code == 200
    assert read == [1]


async def test_a_late_body_is_waited_for_only_after_admission(
    bridge: Bridge, fake_core: FakeCore, dial
) -> None:
    fake_core.admit.clear()
    body = orjson.dumps(ASK)
    wire = await dial(bridge.port)
    await wire.post(URL, b"", "expect: 100-continue", length=len(body))

    fake_core.admit.set()
    assert await wire.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(body[:10], body[10:])

    assert (await wire.answer()).status == 200


async def test_what_cannot_be_a_key_is_refused_at_the_edge(
    bridge: Bridge, fake_core: FakeCore
) -> None:
    for value in (b"Bearer \xe9", b"Bearer " + b"k" * 4_000, b"Bearer tab\there"):
        answer = await bridge.http.post(URL, json=ASK, headers={"authorization": value})

        assert answer.status_code == 401
        assert fake_core.calls == []


async def test_no_key_at_all_is_core_s_to_refuse(bridge: Bridge) -> None:
    answer = await bridge.http.post(URL, json=ASK, headers={"authorization": ""})

    assert answer.status_code == 401


async def test_a_defect_is_a_500_without_its_text_and_is_reported_without_it(
    bridge: Bridge, fake_core: FakeCore, dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("the prompt was: a red square")

    monkeypatch.setattr("rest_bridge.image_requests.parse_object", broken)
    wire = await dial(bridge.port)
    body = orjson.dumps(ASK)
    await wire.post(URL, b"", length=len(body))
    call = await fake_core.called()

    await wire.send(body)
    answer = await wire.answer()

    assert answer.status == 500
    assert orjson.loads(answer.body)["error"]["code"] == "internal_error"
    assert b"red square" not in answer.body
    (defect,) = bridge.defects
    assert (defect.error_type, defect.endpoint) == ("RuntimeError", URL)
    assert "red square" not in repr(defect)
    assert defect.frames[-1].endswith("broken")
    async with asyncio.timeout(WAIT):
        await call.cancelled.wait()


def test_an_error_shows_its_reason_and_no_text() -> None:
    assert repr(ApiError("INVALID_TYPE", "content")) == "ApiError('INVALID_TYPE')"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0ms"), (12, "12ms"), (1000, "1s"), (1500, "1.5s"), (360_000, "6m0s")]
    + [(3_600_000, "1h0m0s")],
)
def test_durations_look_like_openai_s(milliseconds: int, text: str) -> None:
    assert duration(milliseconds).decode() == text


@pytest.mark.parametrize(
    ("micros", "text"), [(0, "0"), (7_000, "7"), (500, "0.5"), (1, "0.001"), (12_340, "12.34")]
)
def test_credits_are_decimal_texts(micros: int, text: str) -> None:
    assert credits_text(micros).decode() == text


def test_no_module_of_the_bridge_keeps_the_words_of_a_parser() -> None:
    """An exception that holds content must not be chained into another one."""
    sources = Path(__file__).parents[2].joinpath("rest_bridge").glob("*.py")
    text = "".join(source.read_text() for source in sources)

    assert re.findall(r"except \(?(?:orjson.JSONDecodeError|UnicodeDecodeError)\)? as", text) == []
