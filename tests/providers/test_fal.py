"""What is particular to fal: paths, inputs, outcomes with the error's own status, its errors."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, FieldRule, Input, Kind, Mode, Role
from core.providers.fal import Fal
from core.providers.fal_errors import FAULTS
from core.providers.jobs import Broken, JobState, Stopped, Working
from core.providers.wire import Reply
from tests.providers.tapes_fal import (
    ASK,
    ENDPOINT,
    FIELDS,
    ID,
    MARK,
    OUTCOMES,
    SEED,
    detail,
    item,
    page,
)

FAL = Fal()
CHANNEL = Channel(
    "fal",
    "fal",
    "openai/gpt-image-2",
    "https://queue.fal.run",
    Secret("k"),
    variants={Mode.TEXT: "openai/gpt-image-2", Mode.IMAGE: "openai/gpt-image-2/edit"},
    fields=FIELDS,
    side_url="https://api.fal.ai/v1",
)
LOCKED = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai."


def reply(status: int, body: bytes, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, CIMultiDict(named), Body(body), 0.0)


def inputs_of(ask: Ask, channel: Channel) -> dict[str, Any]:
    body = FAL.submit(ask, channel, MARK).body
    assert isinstance(body, Body)
    found = orjson.loads(body.reveal())
    assert isinstance(found, dict)
    return found


def means(found: JobState, expected: JobState) -> bool:
    if isinstance(found, Broken) and isinstance(expected, Broken):
        return found.error.fault is expected.error.fault
    return found == expected


def test_a_request_goes_to_the_endpoint_of_its_mode_and_to_no_fallback() -> None:
    edit = replace(ASK, inputs=(Input(Role.IMAGE, Body(b"image"), "image/png"),))
    call = FAL.submit(ASK, CHANNEL, MARK, "https://us.example/callbacks/a?b=c")

    assert call.path == (
        "/openai/gpt-image-2?fal_webhook=https%3A%2F%2Fus.example%2Fcallbacks%2Fa%3Fb%3Dc"
    )
    assert call.headers == {"authorization": "Key k", "x-fal-disable-fallbacks": "true"}
    assert FAL.submit(edit, CHANNEL, MARK).path == "/openai/gpt-image-2/edit"


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("fal-ai/veo3.1/fast/image-to-video", "/fal-ai/veo3.1/requests/id/status"),
        ("openai/gpt-image-2", "/openai/gpt-image-2/requests/id/status"),
        ("workflows/us/fox/deep", "/workflows/us/fox/requests/id/status"),
        ("comfy/us/fox", "/comfy/us/fox/requests/id/status"),
    ],
)
def test_requests_stand_below_owner_and_app(endpoint: str, path: str) -> None:
    assert FAL.look("id", replace(CHANNEL, upstream_model=endpoint)).path == path


def test_the_mark_is_the_seed_unless_the_caller_chose_one() -> None:
    chosen = replace(ASK, parameters={"seed": 7})
    random = replace(ASK, parameters={"seed": -1})
    without = replace(CHANNEL, fields={"prompt": FieldRule("prompt")})

    assert inputs_of(ASK, CHANNEL)["seed"] == inputs_of(random, CHANNEL)["seed"] == SEED
    assert inputs_of(chosen, CHANNEL)["seed"] == 7
    assert "seed" not in inputs_of(ASK, without)
    assert [FAL.marks(ask, CHANNEL) for ask in (ASK, random, chosen)] == [True, True, False]
    assert not FAL.marks(ASK, without)


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({"size": "1536x1024"}, {"width": 1536, "height": 1024}),
        ({"size": "auto"}, "auto"),
        ({}, None),
        ({"resolution": "3k"}, "auto_3K"),
        ({"aspect_ratio": "16:9"}, {"width": 2736, "height": 1536}),
        ({"aspect_ratio": "1:1", "resolution": "3k"}, {"width": 3072, "height": 3072}),
        ({"aspect_ratio": "auto", "resolution": "2k"}, "auto_2K"),
    ],
)
def test_pixels_are_told_as_numbers(parameters: dict[str, str], size: object) -> None:
    fields = {
        "size": FieldRule("image_size"),
        "resolution": FieldRule("image_size", {"2k": "auto_2K", "3k": "auto_3K"}),
    }
    channel = replace(CHANNEL, fields=fields, options={"pixels": "image_size"})

    assert inputs_of(replace(ASK, parameters=parameters), channel).get("image_size") == size


def test_requests_can_be_kept_out_of_the_history() -> None:
    channel = replace(CHANNEL, options={"store_io": "0"})

    assert FAL.submit(ASK, channel, MARK).headers["x-fal-store-io"] == "0"


def test_the_history_of_all_endpoints_of_a_channel_is_searched() -> None:
    call = FAL.find(CHANNEL, 1)

    assert call is not None
    assert call.aside
    assert call.path == (
        "/models/requests/by-endpoint?endpoint_id=openai%2Fgpt-image-2"
        "&endpoint_id=openai%2Fgpt-image-2%2Fedit&expand=payloads&limit=100"
    )
    # Later pages are told by the one before; without an address there is nobody to ask.
    assert FAL.find(CHANNEL, 2) is None
    assert FAL.find(replace(CHANNEL, side_url=""), 1) is None


@pytest.mark.parametrize(
    "garbled",
    [
        {"json_input": None},
        {"json_input": "text"},
        {"sent_at": None},
        {"sent_at": "yesterday"},
        {"request_id": None, "json_input": {"seed": SEED}},
    ],
)
def test_a_page_that_may_hide_the_request_proves_nothing(garbled: dict[str, object]) -> None:
    other = UUID("0d4cbe7e-58f1-4d2f-a5ab-9b1c2d3e4f50")
    mark = MARK if garbled.get("json_input") == {"seed": SEED} else other

    with pytest.raises(UpstreamError) as caught:
        FAL.found(reply(200, page(item(**garbled))), mark)
    assert caught.value.fault is Fault.INVALID_RESPONSE


@pytest.mark.parametrize("case", OUTCOMES)
def test_an_outcome_is_what_was_made(case: str) -> None:
    body, expected = OUTCOMES[case]

    assert means(FAL.outcome(reply(200, body), CHANNEL), expected)


@pytest.mark.parametrize(
    ("status", "body", "headers", "fault"),
    [
        (422, detail("content_policy_violation"), {}, Fault.CONTENT_POLICY),
        (422, detail("no_media_generated"), {}, Fault.CONTENT_POLICY),
        (422, detail("missing"), {}, Fault.BAD_REQUEST),
        (422, detail("image_too_small", "image_url"), {}, Fault.BAD_REQUEST),
        (422, detail("of_the_future"), {}, Fault.BAD_REQUEST),
        (400, detail("downstream_service_error"), {}, Fault.SERVER_ERROR),
        (
            400,
            detail("downstream_service_error", message="Blocked by our safety policy"),
            {},
            Fault.CONTENT_POLICY,
        ),
        (
            400,
            detail("downstream_service_error", message="Blocked by our safety policy"),
            {"X_Fal_Retryable": "true"},
            Fault.SERVER_ERROR,
        ),
        (500, detail("downstream_service_unavailable"), {}, Fault.OVERLOADED),
        (504, detail("generation_timeout"), {}, Fault.SERVER_ERROR),
        (500, b'{"detail":"Internal Server Error"}', {}, Fault.SERVER_ERROR),
        (503, b'{"detail":"x","error_type":"runner_scheduling_failure"}', {}, Fault.OVERLOADED),
        (502, b'{"detail":"x"}', {"X_Fal_Error_Type": "runner_disconnected"}, Fault.SERVER_ERROR),
    ],
)
def test_an_error_of_the_outcome_is_the_requests_own(
    status: int, body: bytes, headers: dict[str, str], fault: Fault
) -> None:
    state = FAL.outcome(reply(status, body, **headers), CHANNEL)

    assert isinstance(state, Broken)
    assert state.error.fault is fault


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, b'{"detail":"no"}', Fault.AUTH),
        (403, orjson.dumps({"detail": LOCKED}), Fault.QUOTA),
        (404, b'{"detail":"Request not found"}', Fault.NOT_FOUND),
        (429, b'{"detail":"slow down"}', Fault.RATE_LIMITED),
        (500, b"<html>", Fault.SERVER_ERROR),
        (502, b"", Fault.SERVER_ERROR),
        (504, b"<html>", Fault.TIMEOUT),
        (302, b"", Fault.INVALID_RESPONSE),
        (200, b'{"hello":"world"}', Fault.INVALID_RESPONSE),
    ],
)
def test_an_error_of_the_call_leaves_the_outcome_where_it_is(
    status: int, body: bytes, fault: Fault
) -> None:
    with pytest.raises(UpstreamError) as caught:
        FAL.outcome(reply(status, body), CHANNEL)
    assert caught.value.fault is fault


def test_an_outcome_may_not_be_there_yet_or_be_a_cancellation() -> None:
    early = reply(400, b'{"detail":"Request is still in progress"}')
    cancelled = reply(499, b'{"detail":"x","error_type":"client_cancelled"}')

    assert FAL.outcome(early, CHANNEL) == Working()
    assert FAL.outcome(cancelled, CHANNEL) == Stopped()


def test_a_look_is_an_answer_with_any_status_of_success() -> None:
    body = b'{"status":"IN_PROGRESS","logs":null}'

    assert FAL.state(reply(202, body), CHANNEL) == Working()


def test_a_locked_account_is_out_of_money_and_a_forbidden_one_is_not() -> None:
    for text, fault in ((LOCKED, Fault.QUOTA), ("Not yours", Fault.AUTH)):
        with pytest.raises(UpstreamError) as caught:
            FAL.submitted(reply(403, orjson.dumps({"detail": text})), ASK)
        assert caught.value.fault is fault


def test_every_type_of_a_request_has_a_meaning() -> None:
    for kind, fault in FAULTS.items():
        body = orjson.dumps({"detail": "words", "error_type": kind})
        with pytest.raises(UpstreamError) as caught:
            FAL.submitted(reply(500, body), ASK)
        assert caught.value.fault is fault


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("prompt", "prompt"),
        ("duration", "duration"),
        ("image_url", "image[0]"),
        ("image_urls", "image[0]"),
        ("secret words", ""),
    ],
)
def test_a_refusal_names_our_parameter_and_never_their_words(name: str, parameter: str) -> None:
    image = Input(Role.IMAGE, Body(b"image"), "image/png", parameter="image[0]")
    ask = Ask("m", Kind.VIDEO, Body("fox"), (image,), parameters={"duration": 4})

    with pytest.raises(UpstreamError) as caught:
        FAL.submitted(reply(422, detail("value_error", name)), ask)
    assert (caught.value.fault, caught.value.parameter) == (Fault.BAD_REQUEST, parameter)


def test_a_cancellation_is_only_asked_for() -> None:
    for status, body in (
        (202, b'{"status":"CANCELLATION_REQUESTED"}'),
        (400, b'{"status":"ALREADY_COMPLETED"}'),
        (404, b'{"detail":"Request not found"}'),
    ):
        assert not FAL.cancelled(reply(status, body))
    call = FAL.cancel(ID, replace(CHANNEL, upstream_model=ENDPOINT), Working())
    assert call is not None
    assert (call.method, call.path.rpartition("/")[2]) == ("PUT", "cancel")
